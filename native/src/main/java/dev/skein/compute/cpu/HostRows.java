package dev.skein.compute.cpu;

import dev.skein.compute.HostMatrix;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Reads rows as they lie in a model file. Any thread may. */
public final class HostRows {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private HostRows() {}

    /** A row as floats: the weights that a quantised row stands for, each product and sum rounded. */
    public static void read(HostMatrix matrix, int row, float[] into) {
        if (matrix.type().blockElements() == 1) {
            readFloats(matrix, row, into);
        } else {
            readBlocks(matrix, row, into);
        }
    }

    /**
     * A vector as floats.
     *
     * @throws IllegalArgumentException if it has several rows, or is quantised
     */
    public static float[] vector(HostMatrix matrix) {
        if (matrix.rows() != 1 || matrix.type().blockElements() != 1) {
            throw new IllegalArgumentException("%s: a vector is one row of F32, F16 or BF16, not %d rows of %s"
                    .formatted(matrix.name(), matrix.rows(), matrix.type()));
        }
        float[] values = new float[matrix.columns()];
        readFloats(matrix, 0, values);
        return values;
    }

    private static void readBlocks(HostMatrix matrix, int row, float[] into) {
        HostBlock block = new HostBlock(matrix);
        int partSize = HostBlock.SIZE / block.parts();
        for (int i = 0; i < into.length; i++) {
            int within = i % HostBlock.SIZE;
            if (within == 0) {
                block.read(row, i / HostBlock.SIZE);
            }
            float value = block.scale[within / partSize] * block.q[within];
            into[i] = block.hasMinimum() ? value + block.minimum[within / partSize] : value;
        }
    }

    private static void readFloats(HostMatrix matrix, int row, float[] into) {
        MemorySegment data = matrix.data();
        long at = row * matrix.type().rowBytes(matrix.columns());
        for (int i = 0; i < matrix.columns(); i++) {
            into[i] = switch (matrix.type()) {
                case F32 -> data.get(FLOAT, at + 4L * i);
                case F16 -> Float.float16ToFloat(data.get(SHORT, at + 2L * i));
                case BF16 -> Float.intBitsToFloat(data.get(SHORT, at + 2L * i) << 16);
                default -> throw new IllegalArgumentException(matrix.type() + " is quantised");
            };
        }
    }
}
