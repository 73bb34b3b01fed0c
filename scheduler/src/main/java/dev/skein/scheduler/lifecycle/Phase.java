package dev.skein.scheduler.lifecycle;

/// How far the process of a rank has come.
public enum Phase {
    /// There is no process.
    ABSENT,
    /// A process was asked for; it does not answer yet.
    STARTING,
    /// It listens and loads its weights.
    WARMING,
    /// It takes requests.
    READY,
    /// It was told to finish what it has and end.
    DRAINING,
    /// It was told to end at once.
    KILLED;

    /// Whether the rank has, or may have, a process.
    public boolean alive() {
        return this != ABSENT;
    }

    boolean ending() {
        return this == DRAINING || this == KILLED;
    }

    boolean listening() {
        return this == WARMING || this == READY;
    }
}
