package dev.skein.compute.cpu;

import dev.skein.compute.Buffer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Rows of floats in this process's memory. */
final class HostBuffer implements Buffer {
    private final int maxRows;
    private final int columns;
    private final MemorySegment data;
    /** Whether its rows are a step's outputs rather than its tokens: it was gathered, or computed from what was. */
    private boolean gathered;

    HostBuffer(int maxRows, int columns, MemorySegment data) {
        this.maxRows = maxRows;
        this.columns = columns;
        this.data = data;
    }

    @Override
    public int maxRows() {
        return maxRows;
    }

    @Override
    public int columns() {
        return columns;
    }

    MemorySegment data() {
        return data;
    }

    boolean gathered() {
        return gathered;
    }

    void gathered(boolean value) {
        gathered = value;
    }

    float[] row(int row) {
        float[] values = new float[columns];
        read(row, values);
        return values;
    }

    void read(int row, float[] into) {
        MemorySegment.copy(data, ValueLayout.JAVA_FLOAT, offset(row), into, 0, columns);
    }

    void row(int row, float[] values) {
        MemorySegment.copy(values, 0, data, ValueLayout.JAVA_FLOAT, offset(row), columns);
    }

    /** Takes over some columns of each row from where they lie closely. */
    void columnsFrom(MemorySegment part, int rows, int at, int count) {
        for (int row = 0; row < rows; row++) {
            MemorySegment.copy(part, 4L * row * count, data, offset(row) + 4L * at, 4L * count);
        }
    }

    private long offset(int row) {
        return 4L * row * columns;
    }
}
