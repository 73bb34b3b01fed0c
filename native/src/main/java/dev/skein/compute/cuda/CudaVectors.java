package dev.skein.compute.cuda;

import dev.skein.compute.HostMatrix;
import java.lang.foreign.ValueLayout;

/** Reads vectors on the host. */
final class CudaVectors {
    private CudaVectors() {}

    static float[] read(HostMatrix matrix) {
        if (matrix.rows() != 1) {
            throw new IllegalArgumentException(
                    "%s has %d rows, a vector has one".formatted(matrix.name(), matrix.rows()));
        }
        float[] values = new float[matrix.columns()];
        for (int i = 0; i < values.length; i++) {
            values[i] = switch (matrix.type()) {
                case F32 -> matrix.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i);
                case F16 -> Float.float16ToFloat(matrix.data().get(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * i));
                case BF16 -> Float.intBitsToFloat(matrix.data().get(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * i) << 16);
                default ->
                    throw new IllegalArgumentException(
                            "%s is %s; vectors are F32, F16 or BF16".formatted(matrix.name(), matrix.type()));
            };
        }
        return values;
    }
}
