package dev.skein.scheduler.lifecycle;

import java.util.random.RandomGenerator;

/// How patient the lifecycle is. All times in milliseconds.
///
/// @param firstDelayMillis the wait after a first failure; it doubles with each further quick failure
/// @param longestDelayMillis the bound of that wait
/// @param failedStarts this many processes in a row that ended before they were ready make a group FAILED
/// @param quickFailures so do this many failures in a row without a time of stability
/// @param stableMillis a rank that was ready for this long has shown that it works: its failure counts as a first one
/// @param startMillis how long a process may take until it listens
/// @param warmMillis how long a listening process may take until it is ready
public record Policy(
        long firstDelayMillis,
        long longestDelayMillis,
        int failedStarts,
        int quickFailures,
        long stableMillis,
        long startMillis,
        long warmMillis) {

    /// Five failed starts take about three seconds, twenty crashes some minutes; a model of hundreds of gigabytes has
    /// half an
    /// hour to load.
    public static final Policy DEFAULT = new Policy(200, 30_000, 5, 20, 30_000, 60_000, 1_800_000);

    public Policy {
        if (firstDelayMillis < 1 || longestDelayMillis < firstDelayMillis || failedStarts < 1 || quickFailures < 1) {
            throw new IllegalArgumentException("delays " + firstDelayMillis + " to " + longestDelayMillis
                    + " ms, failed starts " + failedStarts + ", quick failures " + quickFailures
                    + ": each must be at least 1 and the delays in order");
        }
    }

    /// The wait after the given number of quick failures in a row: exponential, bounded, the upper half at random so
    /// that
    /// groups that failed together do not start together.
    long delay(int failures, RandomGenerator random) {
        int doublings = Math.min(failures - 1, 40);
        long full = Math.min(longestDelayMillis, firstDelayMillis << doublings);
        return full - random.nextLong(full / 2 + 1);
    }
}
