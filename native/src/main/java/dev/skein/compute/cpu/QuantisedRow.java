package dev.skein.compute.cpu;

/**
 * A row of activations in blocks of 32, each a scale and 32 integers of 15 bits: {@code x = scale * v}. A block that
 * holds a NaN or an infinity has the scale NaN, so that what is computed from it is NaN as well.
 */
final class QuantisedRow {
    static final int BLOCK = 32;

    /** 127 * 128: the largest v whose high part, v / 128 rounded, is a signed byte. */
    static final int LARGEST = 16256;

    /** Below this all of a block is 0: the reciprocal of its scale would overflow. */
    private static final float SMALLEST = 0x1p-100f;

    final int[] v;
    final float[] scale;

    QuantisedRow(float[] row) {
        int blocks = row.length / BLOCK;
        v = new int[row.length];
        scale = new float[blocks];
        for (int block = 0; block < blocks; block++) {
            quantise(row, block);
        }
    }

    private void quantise(float[] row, int block) {
        int from = block * BLOCK;
        float largest = largestMagnitude(row, from);
        if (!Float.isFinite(largest)) {
            scale[block] = Float.NaN;
        } else if (largest >= SMALLEST) {
            scale[block] = largest / LARGEST;
            float inverse = LARGEST / largest;
            for (int i = from; i < from + BLOCK; i++) {
                v[i] = (int) Math.rint(row[i] * inverse);
            }
        }
    }

    private static float largestMagnitude(float[] row, int from) {
        float largest = 0f;
        for (int i = from; i < from + BLOCK; i++) {
            largest = Math.max(largest, Math.abs(row[i]));
        }
        return largest;
    }
}
