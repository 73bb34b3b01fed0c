package dev.skein.scheduler.agent;

/// The times of a cluster, in milliseconds; the same on all its machines.
///
/// @param promiseMillis so long an agent that answered a driver listens to no other; an agent that has not heard a
///     driver with a majority for so long reserves nothing
/// @param keepMillis so long an agent without a driver keeps its groups running; 0 for ever, and then the groups of
///     a silent machine are never placed elsewhere
/// @param reserveMillis a reservation that is not committed by then ends
/// @param beatMillis between two beats of a driver
public record Times(long promiseMillis, long keepMillis, long reserveMillis, long beatMillis) {
    /// Two clocks may run this much apart: one part in so many.
    private static final long DRIFT = 10;

    public static final Times DEFAULT = new Times(3_000, 10_000, 5_000, 500);

    public Times {
        if (beatMillis < 1 || promiseMillis < 3 * beatMillis || reserveMillis < 1) {
            throw new IllegalArgumentException("beats every " + beatMillis + " ms, promises of " + promiseMillis
                    + " ms, reservations of " + reserveMillis + " ms: a promise must outlast three beats");
        }
        if (keepMillis != 0 && keepMillis < promiseMillis) {
            throw new IllegalArgumentException("groups are kept for " + keepMillis + " ms, less than a promise of "
                    + promiseMillis + " ms; 0 keeps them for ever");
        }
    }

    /// How long a driver counts on a promise.
    long holdMillis() {
        return promiseMillis - promiseMillis / DRIFT;
    }

    /// How long a driver waits until a silent agent has surely ended its groups.
    long fenceMillis() {
        return keepMillis + keepMillis / DRIFT + beatMillis;
    }
}
