package dev.skein.scheduler.lifecycle;

import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// How a group stands with its failures.
///
/// @param failedStarts processes in a row that ended before they were ready
/// @param quickFailures failures in a row without having been ready for a while
/// @param restarts processes started beyond the first of each rank
/// @param retryAt no process is started before this time
/// @param failed whether the group was given up
/// @param reason why it last failed, for people; empty if it never did
/// @param recreating whether all ranks must end before any is started
/// @param recovering the ranks that are recovered while the others wait
/// @param recoverBy when that must be done
public record Losses(
        int failedStarts,
        int quickFailures,
        int restarts,
        long retryAt,
        boolean failed,
        String reason,
        boolean recreating,
        Set<Integer> recovering,
        long recoverBy) {
    static final Losses NONE = new Losses(0, 0, 0, 0, false, "", false, Set.of(), 0);

    public Losses {
        recovering = Set.copyOf(recovering);
    }

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

    Losses retryingAt(long time) {
        return new Losses(
                failedStarts, quickFailures, restarts, time, failed, reason, recreating, recovering, recoverBy);
    }

    Losses givenUp(String why) {
        return new Losses(failedStarts, quickFailures, restarts, retryAt, true, why, recreating, recovering, recoverBy);
    }

    Losses recreatingAll(boolean whether) {
        return new Losses(failedStarts, quickFailures, restarts, retryAt, failed, reason, whether, Set.of(), 0);
    }

    /// Nobody waits for anybody.
    Losses waitingForNobody() {
        return recreatingAll(false);
    }

    /// One more rank is recovered; the first of them has set the time.
    Losses recovering(int rank, long by) {
        Set<Integer> all = Stream.concat(recovering.stream(), Stream.of(rank)).collect(Collectors.toSet());
        return recovering(all, recovering.isEmpty() ? by : recoverBy);
    }

    Losses recovered(int rank) {
        return recovering(recovering.stream().filter(other -> other != rank).collect(Collectors.toSet()), recoverBy);
    }

    private Losses recovering(Set<Integer> ranks, long by) {
        return new Losses(failedStarts, quickFailures, restarts, retryAt, failed, reason, false, ranks, by);
    }
}
