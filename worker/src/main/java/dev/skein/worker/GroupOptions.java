package dev.skein.worker;

import dev.skein.compute.collective.Membership;
import dev.skein.worker.model.RankCount;
import java.time.Duration;

/**
 * The ranks that compute a model together.
 *
 * @param count how many; this one leads them
 * @param stepTimeout how long a rank waits for another within a step before it takes it for lost
 * @param recovery how long the others wait, with their weights, for a lost rank to come back before the group is given up;
 *     zero gives it up at once
 */
public record GroupOptions(RankCount count, Duration stepTimeout, Duration recovery) {
    /** No other ranks. */
    public static final GroupOptions ALONE = new GroupOptions(RankCount.ONE, Duration.ofMinutes(1), Duration.ZERO);

    public GroupOptions {
        if (count.all() > Membership.MOST_RANKS) {
            throw new IllegalArgumentException(
                    "--tensor-parallel-size %d by --pipeline-parallel-size %d are %d ranks; %d are the most"
                            .formatted(count.tensor(), count.pipeline(), count.all(), Membership.MOST_RANKS));
        }
        if (!stepTimeout.isPositive()) {
            throw new IllegalArgumentException("--step-timeout is %s; it must be more than 0".formatted(stepTimeout));
        }
        if (recovery.isNegative()) {
            throw new IllegalArgumentException(
                    "--recover-seconds is %s; it must be 0, for a new group at once, or more".formatted(recovery));
        }
    }

    public boolean alone() {
        return count.all() == 1;
    }
}
