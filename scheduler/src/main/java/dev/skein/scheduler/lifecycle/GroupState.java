package dev.skein.scheduler.lifecycle;

/// The life of a group.
public enum GroupState {
    /// Wanted, and no place found yet.
    PENDING,
    /// All ranks have a place and none has a process: at the very start and while waiting out a back-off.
    PLACED,
    STARTING,
    WARMING,
    READY,
    DRAINING,
    GONE,
    /// Failed too often, or for a reason that another try cannot change. Not started again until someone asks.
    FAILED
}
