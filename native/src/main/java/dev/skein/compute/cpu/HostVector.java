package dev.skein.compute.cpu;

import dev.skein.compute.HostMatrix;
import dev.skein.compute.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Floats of a norm or a bias. */
record HostVector(int columns, MemorySegment data) implements Weight {
    static HostVector of(HostMatrix matrix, Arena arena) {
        float[] values = HostRows.vector(matrix);
        MemorySegment data = arena.allocate(4L * values.length, 64);
        MemorySegment.copy(values, 0, data, ValueLayout.JAVA_FLOAT, 0, values.length);
        return new HostVector(matrix.columns(), data);
    }

    @Override
    public int rows() {
        return 1;
    }

    @Override
    public long bytes() {
        return data.byteSize();
    }

    float[] values() {
        return data.toArray(ValueLayout.JAVA_FLOAT);
    }
}
