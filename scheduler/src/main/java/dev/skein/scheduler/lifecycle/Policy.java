package dev.skein.scheduler.lifecycle;

import java.util.random.RandomGenerator;

/// How patient the lifecycle is, and what it does about losses. All times in milliseconds.
///
/// @param firstDelayMillis the wait after a first failure; it doubles with each further quick failure
/// @param longestDelayMillis the bound of that wait
/// @param failedStarts this many processes in a row that ended before they were ready make a group FAILED
/// @param quickFailures so do this many failures in a row without a time of stability
/// @param stableMillis a rank that was ready for this long has shown that it works: its failure counts as a first one
/// @param startMillis how long a process may take until it listens
/// @param warmMillis how long a listening process may take until it is ready
/// @param startup when the ranks beside the leader start
/// @param restart what the loss of one rank means for the others
/// @param recoverMillis how long a rank lost from a ready group may take to be ready again while the others wait for
/// it;
///     0 recreates the group at once. The leader is never recovered alone
/// @param silentMillis a ready rank that gave signs of life and then none for this long is killed; 0 never
/// @param stepMillis so is one that has sequences in hand and made no step for this long; 0 never
public record Policy(
        long firstDelayMillis,
        long longestDelayMillis,
        int failedStarts,
        int quickFailures,
        long stableMillis,
        long startMillis,
        long warmMillis,
        Startup startup,
        Restart restart,
        long recoverMillis,
        long silentMillis,
        long stepMillis) {

    /// Five failed starts take about three seconds, twenty crashes some minutes; a model of hundreds of gigabytes has
    /// half an hour to load, and one step of it on a slow machine five minutes.
    public static final Policy DEFAULT =
            new Policy(200, 30_000, 5, 20, 30_000, 60_000, 1_800_000).withHeartbeat(15_000, 300_000);

    /// A group is recreated at every loss, and heartbeats are not looked at.
    public Policy(
            long firstDelayMillis,
            long longestDelayMillis,
            int failedStarts,
            int quickFailures,
            long stableMillis,
            long startMillis,
            long warmMillis) {
        this(
                firstDelayMillis,
                longestDelayMillis,
                failedStarts,
                quickFailures,
                stableMillis,
                startMillis,
                warmMillis,
                Startup.LEADER_CREATED,
                Restart.RECREATE_GROUP_ON_POD_RESTART,
                0,
                0,
                0);
    }

    public Policy {
        if (firstDelayMillis < 1 || longestDelayMillis < firstDelayMillis || failedStarts < 1 || quickFailures < 1) {
            throw new IllegalArgumentException("delays " + firstDelayMillis + " to " + longestDelayMillis
                    + " ms, failed starts " + failedStarts + ", quick failures " + quickFailures
                    + ": each must be at least 1 and the delays in order");
        }
        if (recoverMillis < 0 || silentMillis < 0 || stepMillis < 0) {
            throw new IllegalArgumentException("recovery " + recoverMillis + " ms, silence " + silentMillis
                    + " ms, step " + stepMillis + " ms: none may be negative; 0 turns it off");
        }
    }

    public Policy withStartup(Startup given) {
        return with(given, restart, recoverMillis, silentMillis, stepMillis);
    }

    public Policy withRestart(Restart given, long recover) {
        return with(startup, given, recover, silentMillis, stepMillis);
    }

    public Policy withHeartbeat(long silent, long step) {
        return with(startup, restart, recoverMillis, silent, step);
    }

    private Policy with(Startup start, Restart again, long recover, long silent, long step) {
        return new Policy(
                firstDelayMillis,
                longestDelayMillis,
                failedStarts,
                quickFailures,
                stableMillis,
                startMillis,
                warmMillis,
                start,
                again,
                recover,
                silent,
                step);
    }

    /// The wait after the given number of quick failures in a row: exponential, bounded, the upper half at random so
    /// that groups that failed together do not start together.
    long delay(int failures, RandomGenerator random) {
        int doublings = Math.min(failures - 1, 40);
        long full = Math.min(longestDelayMillis, firstDelayMillis << doublings);
        return full - random.nextLong(full / 2 + 1);
    }
}
