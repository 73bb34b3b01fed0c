package dev.skein.compute.cuda;

import dev.skein.compute.Rope;
import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import java.util.IdentityHashMap;
import java.util.Map;

/**
 * Cosines and sines of each rope on the device: for each position all pairs' cosines, then all pairs' sines. Computed in
 * doubles on the host, for as many positions as a step has needed so far, rounded up to a power of two. Before position 0
 * lies that of rows that stand for no token.
 */
final class CudaRopes {
    private static final int FIRST_POSITIONS = 1024;

    private final CudaContext context;
    private final CudaStream stream;
    private final Map<Rope, Table> tables = new IdentityHashMap<>();

    private record Table(int positions, int pairs, DeviceMemory memory) {
        long first() {
            return memory.address() + 4L * 2 * pairs;
        }
    }

    CudaRopes(CudaContext context, CudaStream stream) {
        this.context = context;
        this.stream = stream;
    }

    /** Where position 0 of a table is that holds at least those up to the last. */
    long upTo(Rope rope, int last) {
        Table table = tables.get(rope);
        if (table != null && last < table.positions) {
            return table.first();
        }
        if (table != null) {
            context.free(table.memory);
        }
        int positions = Math.max(FIRST_POSITIONS, Integer.highestOneBit(last) << 1);
        float[] values = values(rope, positions);
        DeviceMemory memory = context.allocate(4L * values.length);
        stream.copyUp(values, memory);
        Table made = new Table(positions, rope.inverseFrequencies().length, memory);
        tables.put(rope, made);
        return made.first();
    }

    private static float[] values(Rope rope, int positions) {
        float[] frequencies = rope.inverseFrequencies();
        int pairs = frequencies.length;
        float[] values = new float[Math.multiplyExact(positions + 1, 2 * pairs)];
        for (int position = 0; position < positions; position++) {
            int at = (position + 1) * 2 * pairs;
            for (int i = 0; i < pairs; i++) {
                double angle = position * (double) frequencies[i];
                values[at + i] = (float) Math.cos(angle) * rope.magnitude();
                values[at + pairs + i] = (float) Math.sin(angle) * rope.magnitude();
            }
        }
        return values;
    }
}
