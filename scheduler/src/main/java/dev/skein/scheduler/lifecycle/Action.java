package dev.skein.scheduler.lifecycle;

/// What a substrate is asked to do.
public sealed interface Action {

    /// Find a host for every rank, or for none.
    record Place() implements Action {}

    /// Start a process for a rank that has none.
    record Start(int rank, long incarnation) implements Action {}

    /// Start a process for a lost rank while the others keep theirs, and their weights.
    record Recover(int rank, long incarnation) implements Action {}

    /// Give the local recovery up: all ranks are ended and started anew.
    record Recreate(String reason) implements Action {}

    /// Tell a process to finish its streams and end.
    record Drain(int rank, long incarnation) implements Action {}

    /// End a process at once.
    ///
    /// @param reason why, for people
    record Kill(int rank, long incarnation, String reason) implements Action {}
}
