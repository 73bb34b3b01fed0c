package dev.skein.scheduler.lifecycle;

/// What the loss of one rank means for the others where it is not recovered alone ([Policy#recoverMillis]);
/// LeaderWorkerSet's restart policies.
public enum Restart {
    /// Nothing: the lost rank alone is started again.
    NONE,
    /// The whole group is ended and started anew, whenever a rank is lost.
    RECREATE_GROUP_ON_POD_RESTART,
    /// The same, but while ranks of the group are still missing or starting a lost one is started again alone.
    RECREATE_GROUP_AFTER_START
}
