package dev.skein.scheduler.rollout;

/// How an update goes through the groups.
///
/// @param maxUnavailable so many of the wanted groups may be missing while it goes on
/// @param maxSurge so many groups more than wanted there may be
/// @param partition so many groups keep the revision before
/// @param progressMillis without a further group of the new revision for this long, the update counts as stalled
/// @param drainMillis how long the streams of a group that goes may take to end
public record Strategy(Amount maxUnavailable, Amount maxSurge, int partition, long progressMillis, long drainMillis) {

    /// One group more than wanted, warm before an old one goes; ten minutes for each step, five for streams to end.
    public static final Strategy DEFAULT = new Strategy(Amount.NONE, Amount.ONE, 0, 600_000, 300_000);

    public Strategy {
        if (partition < 0 || progressMillis < 1 || drainMillis < 0) {
            throw new IllegalArgumentException("partition " + partition + ", progress deadline " + progressMillis
                    + " ms, drain time " + drainMillis + " ms: none may be negative, and the deadline not 0");
        }
    }

    /// Groups beyond the wanted ones; never more than those.
    public int surge(int replicas) {
        return Math.min(maxSurge.up(replicas), replicas);
    }

    /// Groups that may be missing; one where there is no surge either, as nothing could move.
    public int unavailable(int replicas) {
        int given = maxUnavailable.down(replicas);
        return given == 0 && surge(replicas) == 0 ? 1 : given;
    }
}
