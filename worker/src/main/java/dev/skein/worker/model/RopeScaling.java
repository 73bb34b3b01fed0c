package dev.skein.worker.model;

import dev.skein.compute.Rope;

/**
 * The frequencies of a rotary embedding, and how they are stretched to contexts longer than a model was first trained
 * for. Pair i of d rotated elements turns by {@code base^(-2i/d)} a position.
 *
 * @param dimensions d, an even number
 * @param interleaved whether pairs are neighbours, as {@link Rope} says
 */
record RopeScaling(int dimensions, double base, boolean interleaved) {

    double[] frequencies() {
        double[] frequencies = new double[dimensions / 2];
        for (int i = 0; i < frequencies.length; i++) {
            frequencies[i] = Math.pow(base, -2.0 * i / dimensions);
        }
        return frequencies;
    }

    /** Position interpolation (Chen et al., arXiv 2306.15595): every frequency is divided. */
    Rope linear(double[] frequencies, double factor) {
        return rope(frequencies, factor, 1);
    }

    /**
     * YaRN (Peng et al., arXiv 2309.00071 §3.2): low frequencies are divided, high ones kept, with a ramp between.
     *
     * @param keepAbove rotations over the trained context above which a frequency is kept
     * @param divideBelow and below which it is divided
     * @param magnitude of cosine and sine (§3.4)
     */
    record Yarn(double factor, double keepAbove, double divideBelow, int trained, double magnitude) {
        /** What §3.4 recommends as magnitude. */
        static double magnitude(double factor) {
            return factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1;
        }
    }

    Rope yarn(double[] frequencies, Yarn yarn) {
        double low = Math.max(0, Math.floor(pairWithRotations(yarn.keepAbove, yarn.trained)));
        double high = Math.min(dimensions - 1, Math.ceil(pairWithRotations(yarn.divideBelow, yarn.trained)));
        double[] scaled = frequencies.clone();
        for (int i = 0; i < frequencies.length; i++) {
            double divided = Math.clamp((i - low) / Math.max(0.001, high - low), 0, 1);
            scaled[i] = frequencies[i] * (1 - divided) + frequencies[i] / yarn.factor * divided;
        }
        return rope(scaled, 1, yarn.magnitude);
    }

    /**
     * Llama 3.1's own (arXiv 2407.21783 names the base alone; the rule is in meta-llama/llama-models, model.py):
     * frequencies of waves longer than the trained context are divided, those of short waves kept, with a ramp between.
     *
     * @param low waves in the trained context, up to which a frequency is divided
     * @param high and from which it is kept
     */
    record Llama3(double factor, double low, double high, int trained) {}

    Rope llama3(double[] frequencies, Llama3 by) {
        double[] scaled = frequencies.clone();
        for (int i = 0; i < frequencies.length; i++) {
            double waves = by.trained * frequencies[i] / (2 * Math.PI);
            double kept = Math.clamp((waves - by.low) / (by.high - by.low), 0, 1);
            scaled[i] = frequencies[i] * kept + frequencies[i] / by.factor * (1 - kept);
        }
        return rope(scaled, 1, 1);
    }

    /** Which pair, as a fraction, turns that often over the trained context. */
    private double pairWithRotations(double rotations, int trained) {
        return dimensions * Math.log(trained / (rotations * 2 * Math.PI)) / (2 * Math.log(base));
    }

    private Rope rope(double[] frequencies, double divisor, double magnitude) {
        float[] single = new float[frequencies.length];
        for (int i = 0; i < single.length; i++) {
            single[i] = (float) (frequencies[i] / divisor);
        }
        return new Rope(single, interleaved, (float) magnitude);
    }
}
