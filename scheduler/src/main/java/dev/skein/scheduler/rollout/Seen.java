package dev.skein.scheduler.rollout;

/// A group of a deployment, as it was seen.
///
/// @param index of its name
/// @param key the revision that it was made of
/// @param load sequences in hand
public record Seen(int index, String key, Life life, int load) {

    /// How far it has come.
    public enum Life {
        /// It was given up.
        FAILED,
        /// It will be ready.
        COMING,
        READY,
        /// It was told to go; its place on the machine is not free yet.
        LEAVING
    }

    boolean ready() {
        return life == Life.READY;
    }
}
