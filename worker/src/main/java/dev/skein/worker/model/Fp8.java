package dev.skein.worker.model;

import dev.skein.compute.Bf16;
import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Makes BF16 of 8-bit floats and their scales. An E4M3 number has a sign, 4 bits of exponent with bias 7 and 3 of
 * mantissa, no infinities, and NaN where all bits but the sign are set (Micikevicius et al., arXiv 2209.05433).
 */
final class Fp8 {
    private static final float[] E4M3 = new float[256];

    static {
        for (int bits = 0; bits < E4M3.length; bits++) {
            int exponent = bits >> 3 & 15;
            int mantissa = bits & 7;
            float value = (bits & 0x7f) == 0x7f
                    ? Float.NaN
                    : exponent == 0 ? Math.scalb((float) mantissa, -9) : Math.scalb(8f + mantissa, exponent - 10);
            E4M3[bits] = bits < 128 ? value : -value;
        }
    }

    /** Multiplies the element of a row and column. */
    interface Scale {
        float of(int row, int column);
    }

    private Fp8() {}

    static float value(byte bits) {
        return E4M3[bits & 0xff];
    }

    static HostMatrix toBf16(String name, int rows, int columns, MemorySegment data, Scale scale, Arena into) {
        MemorySegment out = into.allocate(2L * rows * columns, Float.BYTES);
        for (int row = 0; row < rows; row++) {
            long at = (long) row * columns;
            for (int column = 0; column < columns; column++) {
                float value = value(data.get(ValueLayout.JAVA_BYTE, at + column)) * scale.of(row, column);
                out.setAtIndex(ValueLayout.JAVA_SHORT, at + column, Bf16.of(value));
            }
        }
        return new HostMatrix(name, ElementType.BF16, rows, columns, out);
    }
}
