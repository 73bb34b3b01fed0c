package dev.skein.compute.cpu;

import dev.skein.compute.Rope;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Cosines and sines of a rope: for each position all pairs' cosines, then all pairs' sines. Computed in doubles, once,
 * for as many positions as have been asked for, rounded up to a power of two.
 */
final class RopeTable implements AutoCloseable {
    private static final int FIRST_POSITIONS = 1024;

    private final float[] inverseFrequencies;
    private final float magnitude;
    private Arena arena = Arena.ofShared();
    private MemorySegment data = MemorySegment.NULL;
    private int positions;

    RopeTable(Rope rope) {
        inverseFrequencies = rope.inverseFrequencies();
        magnitude = rope.magnitude();
    }

    /** The table, holding at least positions 0 to the last. */
    MemorySegment upTo(int last) {
        if (last >= positions) {
            extend(last);
        }
        return data;
    }

    MemorySegment data() {
        return data;
    }

    int positions() {
        return positions;
    }

    private void extend(int last) {
        int wanted = Math.max(FIRST_POSITIONS, Integer.highestOneBit(last) << 1);
        Arena next = Arena.ofShared();
        MemorySegment table = next.allocate(wanted * rowBytes(), 64);
        MemorySegment.copy(data, 0, table, 0, positions * rowBytes());
        for (int position = positions; position < wanted; position++) {
            fill(table, position);
        }
        arena.close();
        arena = next;
        data = table;
        positions = wanted;
    }

    private void fill(MemorySegment table, int position) {
        int pairs = inverseFrequencies.length;
        long at = position * rowBytes();
        for (int i = 0; i < pairs; i++) {
            double angle = position * (double) inverseFrequencies[i];
            table.set(ValueLayout.JAVA_FLOAT, at + 4L * i, (float) Math.cos(angle) * magnitude);
            table.set(ValueLayout.JAVA_FLOAT, at + 4L * (pairs + i), (float) Math.sin(angle) * magnitude);
        }
    }

    private long rowBytes() {
        return 8L * inverseFrequencies.length;
    }

    @Override
    public void close() {
        arena.close();
    }
}
