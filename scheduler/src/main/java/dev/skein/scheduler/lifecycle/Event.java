package dev.skein.scheduler.lifecycle;

/// What a substrate saw of one process. Events of one process arrive in order; [Exited] is its last.
public sealed interface Event {
    int rank();

    long incarnation();

    /// The process exists. Calls to it must carry the token.
    record Spawned(int rank, long incarnation, long processId, String token) implements Event {
        /// The secret stays out of logs.
        @Override
        public String toString() {
            return "Spawned[rank=" + rank + ", incarnation=" + incarnation + ", processId=" + processId + "]";
        }
    }

    /// It answers calls on this port and begins to load.
    record Listening(int rank, long incarnation, int port) implements Event {}

    /// What it is doing now, for people.
    record Progress(int rank, long incarnation, String detail) implements Event {}

    /// It takes requests.
    record Ready(int rank, long incarnation, String detail) implements Event {}

    /// A sign of life while it is ready: how many steps it has made, and how many sequences it has in hand.
    record Step(int rank, long incarnation, long steps, int running) implements Event {}

    /// It is gone, and nothing of it is left.
    ///
    /// @param hopeless whether another start would fail in the same way, as with a broken model file
    record Exited(int rank, long incarnation, String reason, boolean hopeless) implements Event {}
}
