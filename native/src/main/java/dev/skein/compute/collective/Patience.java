package dev.skein.compute.collective;

import java.util.concurrent.locks.LockSupport;

/**
 * How an end waits for what another process writes, when nobody can wake it: spins while the other is about to come,
 * gives its core away while it may come soon, and sleeps longer and longer when it does not.
 *
 * <p>With a core for each rank nearly every wait ends while spinning. With more ranks than cores a spinning rank keeps
 * the very rank from running that it waits for, so spinning is short. A core that was given away and came back late is wanted
 * by others too: who goes on giving it away is always last to get it, and then the ranks take turns at missing each other. Who
 * sleeps gets it when it wakes, so for a while after that a rank sleeps instead. Pauses grow with the time waited, so sleeping
 * adds a small part to a long wait, and a rank without work costs a hundredth of a core.
 */
final class Patience {
    /** Longer than ranks are mostly apart when their parts of a layer are not equal, and than a core takes to come back from sleep. */
    private static final long SPIN_NANOS = 200_000;
    /** Longer than a line needs between cores: the other may be running. */
    private static final long CROWDED_SPIN_NANOS = 5_000;
    /** Longer than a leader takes between two steps. Sleeping costs 50 microseconds at least, which is felt before this. */
    private static final long YIELD_NANOS = 8_000_000;
    /** A core that comes back later than this was given to others, for whom this rank is not to wait again soon. */
    private static final long LATE_NANOS = 200_000;

    private static final long SOON_NANOS = 100_000_000;
    /** A pause is this part of the time waited so far. */
    private static final int PAUSE_PART = 64;

    private static final long SHORTEST_PAUSE_NANOS = 20_000;
    private static final long LONGEST_PAUSE_NANOS = 1_000_000;
    private static final long LONGEST_IDLE_PAUSE_NANOS = 5_000_000;
    /** Time between two looks at what costs more than a read of memory, such as whether a process lives. */
    private static final long LOOK_NANOS = 15_000_000;
    /** Spins between two looks at the clock, which takes as long as one of them or longer. */
    private static final int SPINS = 16;

    private final long spin;
    private long start;
    private long waited;
    private long yieldUntil;
    /** Whether and when a core last came back late. */
    private boolean wasLate;

    private long late;
    private long nextLook;
    private int spins;
    private long longestPause;

    /** @param ranks that wait for each other on this host, or may */
    Patience(int ranks) {
        spin = ranks <= Runtime.getRuntime().availableProcessors() ? SPIN_NANOS : CROWDED_SPIN_NANOS;
    }

    void begin(boolean idle) {
        start = System.nanoTime();
        waited = 0;
        wasLate &= start - late < SOON_NANOS;
        yieldUntil = wasLate ? 0 : YIELD_NANOS;
        nextLook = LOOK_NANOS;
        spins = 0;
        longestPause = idle ? LONGEST_IDLE_PAUSE_NANOS : LONGEST_PAUSE_NANOS;
    }

    /** Waits a moment. Whether it is time to see if the other can still come. */
    @SuppressWarnings("ThreadPriorityCheck") // decides how soon, never what
    boolean pause() {
        if (waited < spin && ++spins % SPINS != 0) {
            Thread.onSpinWait();
            return false;
        }
        long before = waited;
        waited = System.nanoTime() - start;
        if (waited < spin) {
            Thread.onSpinWait();
        } else if (waited < yieldUntil && waited - before < LATE_NANOS) {
            Thread.yield();
        } else {
            sleep(before);
        }
        return isTimeToLook();
    }

    private void sleep(long before) {
        if (before >= spin && before < yieldUntil && waited - before >= LATE_NANOS) {
            wasLate = true;
            late = start + waited;
        }
        yieldUntil = 0;
        LockSupport.parkNanos(Math.clamp(waited / PAUSE_PART, SHORTEST_PAUSE_NANOS, longestPause));
    }

    private boolean isTimeToLook() {
        if (waited < nextLook) {
            return false;
        }
        nextLook = waited + LOOK_NANOS;
        return true;
    }

    long waitedNanos() {
        return waited;
    }
}
