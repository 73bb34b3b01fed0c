package dev.skein.compute;

/** The upper half of a 32-bit float. */
public final class Bf16 {
    private static final short NAN = 0x7fc0;

    private Bf16() {}

    /** To the nearest, ties to even. */
    public static short of(float value) {
        int bits = Float.floatToRawIntBits(value);
        return Float.isNaN(value) ? NAN : (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
    }

    public static float toFloat(short value) {
        return Float.intBitsToFloat(value << 16);
    }
}
