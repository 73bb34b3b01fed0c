package dev.skein.compute.cuda;

import dev.skein.compute.Rope;
import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import java.util.IdentityHashMap;
import java.util.Map;

/**
 * Cosines and sines of each rope on the device: for each position all pairs' cosines, then all pairs' sines. Computed in
 * doubles on the host, for as many positions as a step has needed so far, rounded up to a power of two.
 */
final class CudaRopes {
    private static final int FIRST_POSITIONS = 1024;

    private final CudaContext context;
    private final CudaStream stream;
    private final Map<Rope, Table> tables = new IdentityHashMap<>();

    private record Table(int positions, DeviceMemory memory) {}

    CudaRopes(CudaContext context, CudaStream stream) {
        this.context = context;
        this.stream = stream;
    }

    /** The table, holding at least positions 0 to the last. */
    DeviceMemory upTo(Rope rope, int last) {
        Table table = tables.get(rope);
        if (table != null && last < table.positions) {
            return table.memory;
        }
        if (table != null) {
            context.free(table.memory);
        }
        int positions = Math.max(FIRST_POSITIONS, Integer.highestOneBit(last) << 1);
        float[] values = values(rope, positions);
        DeviceMemory memory = context.allocate(4L * values.length);
        stream.copyUp(values, memory);
        tables.put(rope, new Table(positions, memory));
        return memory;
    }

    private static float[] values(Rope rope, int positions) {
        float[] frequencies = rope.inverseFrequencies();
        int pairs = frequencies.length;
        float[] values = new float[Math.multiplyExact(positions, 2 * pairs)];
        for (int position = 0; position < positions; position++) {
            int at = position * 2 * pairs;
            for (int i = 0; i < pairs; i++) {
                double angle = position * (double) frequencies[i];
                values[at + i] = (float) Math.cos(angle) * rope.magnitude();
                values[at + pairs + i] = (float) Math.sin(angle) * rope.magnitude();
            }
        }
        return values;
    }
}
