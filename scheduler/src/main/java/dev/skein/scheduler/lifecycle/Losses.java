package dev.skein.scheduler.lifecycle;

/// How a group stands with its failures.
///
/// @param failedStarts processes in a row that ended before they were ready
/// @param quickFailures failures in a row without having been ready for a while
/// @param restarts processes started beyond the first of each rank
/// @param retryAt no process is started before this time
/// @param failed whether the group was given up
/// @param reason why it last failed, for people; empty if it never did
/// @param recreating whether all ranks must end before any is started
/// @param recovering the rank that is recovered while the others wait; [#NOBODY] if none is
/// @param recoverBy when that must be done
public record Losses(
        int failedStarts,
        int quickFailures,
        int restarts,
        long retryAt,
        boolean failed,
        String reason,
        boolean recreating,
        int recovering,
        long recoverBy) {
    static final int NOBODY = -1;
    static final Losses NONE = new Losses(0, 0, 0, 0, false, "", false, NOBODY, 0);

    /// Counted anew; what is being done about the last loss goes on.
    Losses forgiven() {
        return new Losses(0, 0, restarts, 0, false, "", recreating, recovering, recoverBy);
    }

    Losses startedAgain() {
        return new Losses(
                failedStarts, quickFailures, restarts + 1, retryAt, failed, reason, recreating, recovering, recoverBy);
    }

    Losses failing(int starts, int failures, long retry, boolean over, String why) {
        return new Losses(starts, failures, restarts, retry, over, why, recreating, recovering, recoverBy);
    }

    Losses givenUp(String why) {
        return new Losses(failedStarts, quickFailures, restarts, retryAt, true, why, recreating, recovering, recoverBy);
    }

    Losses recreatingAll(boolean whether) {
        return new Losses(failedStarts, quickFailures, restarts, retryAt, failed, reason, whether, NOBODY, 0);
    }

    Losses recovering(int rank, long by) {
        return new Losses(failedStarts, quickFailures, restarts, retryAt, failed, reason, false, rank, by);
    }
}
