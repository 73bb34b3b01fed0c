package dev.skein.compute.collective;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Adds floats of several memories in the order given, a block at a time that stays in the nearest cache. Blocks go
 * through arrays: the compiler makes vectors of a loop over arrays, but not of one over memory of which it cannot know
 * whether it overlaps.
 */
final class OrderedSum {
    /** Two blocks of 8 KiB and the parts of the memories they come from fit a first-level cache of 32 KiB. */
    static final int BLOCK = 2048;

    private final float[] sum = new float[BLOCK];
    private final float[] part = new float[BLOCK];

    /** The first summand. */
    void first(MemorySegment floats, long offset, int count) {
        MemorySegment.copy(floats, ValueLayout.JAVA_FLOAT_UNALIGNED, offset, sum, 0, count);
    }

    /** One more. */
    void add(MemorySegment floats, long offset, int count) {
        MemorySegment.copy(floats, ValueLayout.JAVA_FLOAT_UNALIGNED, offset, part, 0, count);
        add(sum, part, count);
    }

    /** Hands the sum out. */
    void result(MemorySegment floats, long offset, int count) {
        MemorySegment.copy(sum, 0, floats, ValueLayout.JAVA_FLOAT_UNALIGNED, offset, count);
    }

    private static void add(float[] sum, float[] part, int count) {
        for (int i = 0; i < count; i++) {
            sum[i] += part[i];
        }
    }
}
