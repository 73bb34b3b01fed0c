package dev.skein.compute.cpu;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.StepInputs;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;

/** Makes random matrices, rows and steps for tests. */
final class Lab implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final long seed;
    private final Random random;

    Lab(long seed) {
        this.seed = seed;
        random = new Random(seed);
    }

    long seed() {
        return seed;
    }

    float[] row(int columns) {
        float[] row = new float[columns];
        for (int i = 0; i < columns; i++) {
            row[i] = (float) random.nextGaussian();
        }
        return row;
    }

    float[][] rows(int rows, int columns) {
        float[][] all = new float[rows][];
        for (int r = 0; r < rows; r++) {
            all[r] = row(columns);
        }
        return all;
    }

    HostMatrix matrix(ElementType type, int rows, int columns) {
        MemorySegment data = arena.allocate(rows * type.rowBytes(columns), 64);
        for (long at = 0; at < data.byteSize(); at += type.blockBytes()) {
            block(type, data, at);
        }
        return new HostMatrix(type + " " + rows + " x " + columns, type, rows, columns, data);
    }

    /** Columns, or as many more as make whole blocks of all types. */
    static int whole(int columns, ElementType... types) {
        int unit =
                Arrays.stream(types).mapToInt(ElementType::blockElements).max().orElse(1);
        return (columns + unit - 1) / unit * unit;
    }

    private void block(ElementType type, MemorySegment data, long at) {
        switch (type) {
            case F32 -> data.set(ValueLayout.JAVA_FLOAT_UNALIGNED, at, (float) random.nextGaussian());
            case F16 -> half(data, at, (float) random.nextGaussian());
            case BF16 ->
                data.set(ValueLayout.JAVA_SHORT_UNALIGNED, at, (short)
                        (Float.floatToRawIntBits((float) random.nextGaussian()) >> 16));
            case Q8_0, Q4_0, Q5_0, IQ4_NL -> quants(type, data, at, 0, -1);
            case Q4_1, Q5_1, Q4_K, Q5_K -> quants(type, data, at, 0, 2);
            case Q2_K -> quants(type, data, at, 80, 82);
            case Q3_K -> quants(type, data, at, 108, -1);
            case Q6_K -> quants(type, data, at, 208, -1);
        }
    }

    /** Random bytes, but for a scale and, if its place is not negative, a minimum. */
    private void quants(ElementType type, MemorySegment data, long at, int scaleAt, int minimumAt) {
        for (int i = 0; i < type.blockBytes(); i++) {
            data.set(ValueLayout.JAVA_BYTE, at + i, (byte) random.nextInt());
        }
        half(data, at + scaleAt, (float) random.nextGaussian() / 16);
        if (minimumAt >= 0) {
            half(data, at + minimumAt, (float) random.nextGaussian());
        }
    }

    private static void half(MemorySegment data, long at, float value) {
        data.set(ValueLayout.JAVA_SHORT_UNALIGNED, at, Float.floatToFloat16(value));
    }

    /** What a row of the matrix stands for. */
    static float[] values(HostMatrix matrix, int row) {
        float[] values = new float[matrix.columns()];
        HostRows.read(matrix, row, values);
        return values;
    }

    static double dot(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (double) a[i] * b[i];
        }
        return sum;
    }

    /** What errors in a dot product are measured against: the sum of magnitudes. */
    static double magnitude(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += Math.abs((double) a[i] * b[i]);
        }
        return sum;
    }

    /** A step of so many tokens with position 0, each a sequence of its own block, and all wanted as outputs. */
    static StepInputs step(int tokens) {
        StepInputs inputs = new StepInputs(new StepInputs.Limits(tokens, tokens, tokens, tokens, 16));
        for (int token = 0; token < tokens; token++) {
            inputs.sequence();
            inputs.block(token);
            inputs.token(0, 0, token * 16);
            inputs.output();
        }
        return inputs;
    }

    static HostBuffer buffer(HostBackend backend, float[][] rows) {
        HostBuffer buffer = (HostBuffer) backend.buffer(rows.length, rows[0].length);
        fill(buffer, rows);
        return buffer;
    }

    static void fill(HostBuffer buffer, float[][] rows) {
        for (int r = 0; r < rows.length; r++) {
            buffer.row(r, rows[r]);
        }
    }

    static float[][] read(HostBuffer buffer, int rows) {
        float[][] all = new float[rows][];
        for (int r = 0; r < rows; r++) {
            all[r] = buffer.row(r);
        }
        return all;
    }

    Random random() {
        return random;
    }

    @Override
    public void close() {
        arena.close();
    }
}
