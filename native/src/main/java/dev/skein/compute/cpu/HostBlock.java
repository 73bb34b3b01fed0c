package dev.skein.compute.cpu;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * 32 elements of a row of a quantised type, as they are multiplied: integers, and for each part of them a scale and a
 * minimum. An element is {@code scale * q + minimum}. Layouts are those of the block structures of ggml (ggml-org/ggml,
 * src/ggml-common.h); of a block of 256 elements this is one of eight.
 */
final class HostBlock {
    static final int SIZE = QuantisedRow.BLOCK;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int[] UNEVEN = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

    /** Without their zero point. */
    final int[] q = new int[SIZE];
    /** Of each part. */
    final float[] scale = new float[2];
    /** Of each part; not to be used where a type has none. */
    final float[] minimum = new float[2];

    private final HostMatrix matrix;
    private final MemorySegment data;
    /** Where the file's block starts. */
    private long at;

    HostBlock(HostMatrix matrix) {
        this.matrix = matrix;
        data = matrix.data();
    }

    /** How many parts have a scale of their own. */
    int parts() {
        return switch (matrix.type()) {
            case Q2_K, Q3_K, Q6_K -> 2;
            default -> 1;
        };
    }

    boolean hasMinimum() {
        return switch (matrix.type()) {
            case Q4_1, Q5_1, Q2_K, Q4_K, Q5_K -> true;
            default -> false;
        };
    }

    /** Reads the elements from {@code 32 * block} on. */
    void read(int row, int block) {
        ElementType type = matrix.type();
        int together = type.blockElements() / SIZE;
        at = row * type.rowBytes(matrix.columns()) + (long) (block / together) * type.blockBytes();
        int part = block % together;
        switch (type) {
            case Q8_0 -> readBytes();
            case Q4_0 -> readNibbles(2, 8);
            case Q4_1 -> readNibbles(4, 0);
            case Q5_0 -> readFiveBits(2, 16);
            case Q5_1 -> readFiveBits(4, 0);
            case Q2_K -> readTwoBits(part);
            case Q3_K -> readThreeBits(part);
            case Q4_K -> readFourBits(part);
            case Q5_K -> readFineFiveBits(part);
            case Q6_K -> readSixBits(part);
            case IQ4_NL -> readUneven();
            case F32, F16, BF16 -> throw new IllegalArgumentException(type + " is not quantised");
        }
    }

    private void readBytes() {
        scale[0] = half(0);
        for (int i = 0; i < SIZE; i++) {
            q[i] = data.get(ValueLayout.JAVA_BYTE, at + 2 + i);
        }
    }

    private void readNibbles(int from, int zero) {
        scale[0] = half(0);
        minimum[0] = half(2);
        for (int i = 0; i < SIZE / 2; i++) {
            q[i] = (unsigned(from + i) & 15) - zero;
            q[i + SIZE / 2] = (unsigned(from + i) >> 4) - zero;
        }
    }

    private void readFiveBits(int from, int zero) {
        readNibbles(from + 4, 0);
        for (int i = 0; i < SIZE; i++) {
            q[i] = (q[i] | bits(from + i / 8, i % 8, 1) << 4) - zero;
        }
    }

    private void readUneven() {
        readNibbles(2, 0);
        for (int i = 0; i < SIZE; i++) {
            q[i] = UNEVEN[q[i]];
        }
    }

    private void readTwoBits(int part) {
        for (int i = 0; i < SIZE; i++) {
            q[i] = bits(16 + part / 4 * 32 + i, part % 4 * 2, 2);
        }
        for (int half = 0; half < 2; half++) {
            int fine = unsigned(2 * part + half);
            scale[half] = half(80) * (fine & 15);
            minimum[half] = -(half(82) * (fine >> 4));
        }
    }

    private void readThreeBits(int part) {
        for (int i = 0; i < SIZE; i++) {
            int low = bits(32 + part / 4 * 32 + i, part % 4 * 2, 2);
            q[i] = (low | bits(i, part, 1) << 2) - 4;
        }
        for (int half = 0; half < 2; half++) {
            int index = 2 * part + half;
            int low = bits(96 + index % 8, index / 8 * 4, 4);
            int high = bits(104 + index % 4, index / 4 * 2, 2);
            scale[half] = half(108) * ((low | high << 4) - 32);
        }
    }

    private void readFourBits(int part) {
        sixBitScales(part);
        for (int i = 0; i < SIZE; i++) {
            q[i] = bits(16 + part / 2 * 32 + i, part % 2 * 4, 4);
        }
    }

    private void readFineFiveBits(int part) {
        sixBitScales(part);
        for (int i = 0; i < SIZE; i++) {
            q[i] = bits(48 + part / 2 * 32 + i, part % 2 * 4, 4) | bits(16 + i, part, 1) << 4;
        }
    }

    /** Of parts 0 to 3 in 6 bits of a byte each; of parts 4 to 7 the low 4 bits in nibbles, the rest above those. */
    private void sixBitScales(int part) {
        int fine;
        int least;
        if (part < 4) {
            fine = bits(4 + part, 0, 6);
            least = bits(8 + part, 0, 6);
        } else {
            fine = bits(8 + part, 0, 4) | bits(part, 6, 2) << 4;
            least = bits(8 + part, 4, 4) | bits(4 + part, 6, 2) << 4;
        }
        scale[0] = half(0) * fine;
        minimum[0] = -(half(2) * least);
    }

    private void readSixBits(int part) {
        int quarter = part % 4;
        for (int i = 0; i < SIZE; i++) {
            int low = bits(part / 4 * 64 + quarter % 2 * 32 + i, quarter / 2 * 4, 4);
            int high = bits(128 + part / 4 * 32 + i, quarter * 2, 2);
            q[i] = (low | high << 4) - 32;
        }
        for (int half = 0; half < 2; half++) {
            scale[half] = half(208) * data.get(ValueLayout.JAVA_BYTE, at + 192 + 2 * part + half);
        }
    }

    /** An F16 of the file's block. */
    private float half(int offset) {
        return Float.float16ToFloat(data.get(SHORT, at + offset));
    }

    private int unsigned(int offset) {
        return data.get(ValueLayout.JAVA_BYTE, at + offset) & 0xFF;
    }

    private int bits(int offset, int from, int count) {
        return unsigned(offset) >> from & (1 << count) - 1;
    }
}
