package dev.skein.scheduler.lifecycle;

/// When the ranks beside the leader are started; LeaderWorkerSet's startup policies.
public enum Startup {
    /// As soon as the leader can be reached: they load while it does, and it becomes ready with them.
    LEADER_CREATED,
    /// Once the leader is ready. For leaders that become ready without the others; Skein's own does not.
    LEADER_READY
}
