package dev.skein.compute.cpu;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Reads rows as they lie in a model file. */
final class HostRows {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int BLOCK = QuantisedRow.BLOCK;

    private HostRows() {}

    /** A row as floats: the weights that a quantised row stands for, each product and sum rounded. */
    static void read(HostMatrix matrix, int row, float[] into) {
        if (matrix.type().blockElements() == 1) {
            readFloats(matrix, row, into);
            return;
        }
        int[] q = new int[BLOCK];
        for (int block = 0; block < matrix.columns() / BLOCK; block++) {
            float d = scale(matrix, row, block);
            float m = minimum(matrix, row, block);
            quants(matrix, row, block, q);
            for (int i = 0; i < BLOCK; i++) {
                into[block * BLOCK + i] = matrix.type() == ElementType.Q4_1 ? d * q[i] + m : d * q[i];
            }
        }
    }

    /** Integers of a block, without their zero point: what d is multiplied by. */
    static void quants(HostMatrix matrix, int row, int block, int[] into) {
        MemorySegment data = matrix.data();
        long at = offset(matrix, row, block);
        switch (matrix.type()) {
            case Q8_0 -> {
                for (int i = 0; i < BLOCK; i++) {
                    into[i] = data.get(ValueLayout.JAVA_BYTE, at + 2 + i);
                }
            }
            case Q4_0 -> nibbles(data, at + 2, 8, into);
            case Q4_1 -> nibbles(data, at + 4, 0, into);
            case F32, F16, BF16 -> throw new IllegalArgumentException(matrix.type() + " is not quantised");
        }
    }

    private static void nibbles(MemorySegment data, long at, int zero, int[] into) {
        for (int i = 0; i < BLOCK / 2; i++) {
            int pair = data.get(ValueLayout.JAVA_BYTE, at + i);
            into[i] = (pair & 15) - zero;
            into[i + BLOCK / 2] = (pair >> 4 & 15) - zero;
        }
    }

    /** d of a block. */
    static float scale(HostMatrix matrix, int row, int block) {
        return Float.float16ToFloat(matrix.data().get(SHORT, offset(matrix, row, block)));
    }

    /** m of a block, 0 where the type has none. */
    static float minimum(HostMatrix matrix, int row, int block) {
        return matrix.type() == ElementType.Q4_1
                ? Float.float16ToFloat(matrix.data().get(SHORT, offset(matrix, row, block) + 2))
                : 0f;
    }

    private static long offset(HostMatrix matrix, int row, int block) {
        return row * matrix.type().rowBytes(matrix.columns())
                + (long) block * matrix.type().blockBytes();
    }

    private static void readFloats(HostMatrix matrix, int row, float[] into) {
        MemorySegment data = matrix.data();
        long at = offset(matrix, row, 0);
        for (int i = 0; i < matrix.columns(); i++) {
            into[i] = switch (matrix.type()) {
                case F32 -> data.get(FLOAT, at + 4L * i);
                case F16 -> Float.float16ToFloat(data.get(SHORT, at + 2L * i));
                case BF16 -> Float.intBitsToFloat(data.get(SHORT, at + 2L * i) << 16);
                case Q8_0, Q4_0, Q4_1 -> throw new IllegalArgumentException(matrix.type() + " is quantised");
            };
        }
    }
}
