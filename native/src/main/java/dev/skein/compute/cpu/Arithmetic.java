package dev.skein.compute.cpu;

import dev.skein.compute.Activation;
import java.util.Arrays;

/**
 * The scalar arithmetic behind every result, as {@code kernels.h} has it for 16 lanes at once. Both must agree bit for
 * bit.
 */
final class Arithmetic {
    /** Lanes of the fixed order in which rows are summed up. */
    static final int LANES = 16;

    private static final float LOG2_E = 0x1.715476p0f;
    /** Minus ln 2 in two parts: the first has few enough bits that n times it is exact. */
    private static final float MINUS_LN2_HIGH = -0x1.62e4p-1f;

    private static final float MINUS_LN2_LOW = -0x1.7f7d1cp-20f;
    private static final float EXP_LOWEST = -87.3f;
    private static final float EXP_HIGHEST = 88.3f;

    /** 2 sqrt(2 / pi), and 0.044715 times it. */
    private static final float TWICE_GELU_SCALE = 0x1.988454p+0f;

    private static final float TWICE_GELU_CUBE = 0x1.2444f2p-4f;

    private Arithmetic() {}

    /**
     * e to the x within 1.5 units in the last place; 0 below -87.3, and 2.2e38 from 88.3 on. NaN stays NaN.
     *
     * <p>x = n ln 2 + r, and e^r = 1 + r + r^2 P(r), with P of degree 4 fitted on |r| <= ln 2 / 2.
     */
    static float exp(float x) {
        if (x < EXP_LOWEST) {
            return 0f;
        }
        float bounded = Math.min(x, EXP_HIGHEST);
        float n = (float) Math.rint(bounded * LOG2_E);
        float r = Math.fma(n, MINUS_LN2_HIGH, bounded);
        r = Math.fma(n, MINUS_LN2_LOW, r);
        float p = 0x1.6a2430p-10f;
        p = Math.fma(p, r, 0x1.1239e4p-7f);
        p = Math.fma(p, r, 0x1.5558f2p-5f);
        p = Math.fma(p, r, 0x1.555492p-3f);
        p = Math.fma(p, r, 0x1.fffffcp-2f);
        p = Math.fma(p, r, 1f);
        p = Math.fma(p, r, 1f);
        return p * Float.intBitsToFloat(((int) n + 127) << 23);
    }

    static float silu(float x) {
        return x / (1f + exp(-x));
    }

    /** GELU by tanh, as the sigmoid that it is. */
    static float gelu(float x) {
        float twice = x * Math.fma(TWICE_GELU_CUBE, x * x, TWICE_GELU_SCALE);
        return x / (1f + exp(-twice));
    }

    /** GELU itself. */
    static float geluExact(float x) {
        return x * normal(x);
    }

    /**
     * The normal distribution's function: half of erfc(-x / sqrt 2), by formula 7.1.26 of Abramowitz and Stegun's
     * Handbook of Mathematical Functions, within 1e-7.
     */
    static float normal(float x) {
        float t = 1f / Math.fma(0x1.da6710p-3f, Math.abs(x), 1f);
        float p = 0x1.0fb844p-1f;
        p = Math.fma(p, t, -0x1.7401c6p-1f);
        p = Math.fma(p, t, 0x1.6be1c6p-1f);
        p = Math.fma(p, t, -0x1.23531cp-3f);
        p = Math.fma(p, t, 0x1.04f20cp-3f);
        float tail = p * t * exp(x * x * -0.5f);
        return x < 0 ? tail : 1f - tail;
    }

    static float activate(Activation activation, float x) {
        return switch (activation) {
            case SILU -> silu(x);
            case GELU_TANH -> gelu(x);
            case GELU -> geluExact(x);
        };
    }

    /** Folds lanes in halves: lane j takes j + 8, then j + 4, and so on. Leaves the array changed. */
    static float fold(float[] lanes) {
        for (int half = LANES / 2; half > 0; half /= 2) {
            for (int j = 0; j < half; j++) {
                lanes[j] += lanes[j + half];
            }
        }
        return lanes[0];
    }

    /** A row less its mean, over its deviation, times a weight and plus a bias. */
    static float[] layerNorm(float[] row, float[] weight, float[] bias, float epsilon) {
        float[] lanes = new float[LANES];
        for (int i = 0; i < row.length; i++) {
            lanes[i % LANES] += row[i];
        }
        float mean = fold(lanes) / row.length;
        Arrays.fill(lanes, 0f);
        for (int i = 0; i < row.length; i++) {
            float apart = row[i] - mean;
            lanes[i % LANES] = Math.fma(apart, apart, lanes[i % LANES]);
        }
        float scale = 1f / (float) Math.sqrt(fold(lanes) / row.length + epsilon);
        float[] normed = new float[row.length];
        for (int i = 0; i < row.length; i++) {
            normed[i] = Math.fma((row[i] - mean) * scale, weight[i], bias[i]);
        }
        return normed;
    }

    /** What an RMS norm multiplies a row by. */
    static float inverseRms(float[] row, float epsilon) {
        float[] lanes = new float[LANES];
        for (int i = 0; i < row.length; i++) {
            lanes[i % LANES] = Math.fma(row[i], row[i], lanes[i % LANES]);
        }
        return 1f / (float) Math.sqrt(fold(lanes) / row.length + epsilon);
    }
}
