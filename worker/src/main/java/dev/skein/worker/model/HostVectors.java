package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;

/** Vectors that are made from those of a file: of 32-bit floats, in memory that lives as long as they do. */
final class HostVectors {
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private HostVectors() {}

    /** One behind the other. */
    static HostMatrix stacked(List<HostMatrix> vectors) {
        int length = vectors.stream().mapToInt(HostMatrix::columns).sum();
        MemorySegment data = Arena.ofAuto().allocate(Float.BYTES * (long) length, Float.BYTES);
        long at = 0;
        for (HostMatrix vector : vectors) {
            for (int i = 0; i < vector.columns(); i++) {
                data.setAtIndex(FLOAT, at++, element(vector, i));
            }
        }
        return new HostMatrix(vectors.getFirst().name(), ElementType.F32, 1, length, data);
    }

    /** Every element more by one. */
    static HostMatrix plusOne(HostMatrix vector) {
        HostMatrix copy = stacked(List.of(vector));
        for (int i = 0; i < copy.columns(); i++) {
            copy.data().setAtIndex(FLOAT, i, copy.data().getAtIndex(FLOAT, i) + 1);
        }
        return copy;
    }

    static float[] values(HostMatrix vector) {
        float[] values = new float[vector.columns()];
        for (int i = 0; i < values.length; i++) {
            values[i] = element(vector, i);
        }
        return values;
    }

    /** An element of a vector, or of a matrix counted on over its rows. */
    static float element(HostMatrix vector, long i) {
        return switch (vector.type()) {
            case F32 -> vector.data().getAtIndex(FLOAT, i);
            case F16 -> Float.float16ToFloat(vector.data().getAtIndex(SHORT, i));
            case BF16 -> Float.intBitsToFloat(vector.data().getAtIndex(SHORT, i) << 16);
            default -> throw new IllegalArgumentException("%s is of %s".formatted(vector.name(), vector.type()));
        };
    }
}
