package dev.skein.worker.model;

import dev.skein.compute.Rope;
import java.util.OptionalInt;

/**
 * Reads rotary embedding and its scaling from a GGUF file's keys.
 *
 * <ul>
 *   <li>linear (position interpolation, arXiv 2306.15595): every frequency divided by the factor
 *   <li>yarn (arXiv 2309.00071 §3.2, §3.4): low frequencies divided, high ones kept, a ramp between; cosine and sine are
 *       multiplied by {@code 0.1 ln(factor) + 1}
 *   <li>llama3: the file holds a divisor for each frequency in the tensor rope_freqs.weight
 * </ul>
 */
final class RopeScaling {
    static final String FACTORS = "rope_freqs.weight";

    /** Rotations over the trained context above which a frequency is kept, and below which it is divided (YaRN §3.2). */
    private static final double KEEP_ABOVE = 32;

    private static final double DIVIDE_BELOW = 1;

    private final GgufFile file;
    private final GgufMetadata keys;
    private final String prefix;
    private final int dimensions;
    private final double base;

    RopeScaling(GgufFile file, String architecture, int dimensions) {
        this.file = file;
        this.keys = file.metadata();
        this.prefix = architecture + ".rope.";
        this.dimensions = dimensions;
        this.base = keys.number(prefix + "freq_base", 1, 1e12).orElse(10_000f);
    }

    Rope rope(int contextLength) {
        String type = keys.text(prefix + "scaling.type").orElse("none");
        double factor = factor();
        double[] frequencies = frequencies();
        divideByTensor(frequencies);
        return switch (type) {
            // Files older than the key scaling.type say scale_linear alone.
            case "none" -> linear(frequencies, keys.has(prefix + "scale_linear") ? factor : 1);
            case "linear" -> linear(frequencies, factor);
            case "yarn" -> yarn(frequencies, factor, contextLength);
            default ->
                throw new GgufException(
                        file.path(), prefix + "scaling.type", type, "only none, linear and yarn are supported");
        };
    }

    private double factor() {
        return keys.number(prefix + "scaling.factor", 1e-3, 1e6)
                .or(() -> keys.number(prefix + "scale_linear", 1e-3, 1e6))
                .orElse(1f);
    }

    private double[] frequencies() {
        double[] frequencies = new double[dimensions / 2];
        for (int i = 0; i < frequencies.length; i++) {
            frequencies[i] = Math.pow(base, -2.0 * i / dimensions);
        }
        return frequencies;
    }

    private void divideByTensor(double[] frequencies) {
        if (file.tensor(FACTORS).isEmpty()) {
            return;
        }
        float[] divisors = file.floats(FACTORS, frequencies.length);
        for (int i = 0; i < divisors.length; i++) {
            if (!(divisors[i] > 0 && divisors[i] < Float.POSITIVE_INFINITY)) {
                throw new GgufException(
                        file.path(),
                        "element %d of %s".formatted(i, FACTORS),
                        divisors[i],
                        "it must be a positive number");
            }
            frequencies[i] /= divisors[i];
        }
    }

    private static Rope linear(double[] frequencies, double factor) {
        return rope(frequencies, factor, 1);
    }

    private Rope yarn(double[] frequencies, double factor, int contextLength) {
        OptionalInt original = keys.integer(prefix + "scaling.original_context_length", 1, Integer.MAX_VALUE);
        int trained = original.orElse(contextLength);
        double low = Math.max(0, Math.floor(pairWithRotations(KEEP_ABOVE, trained)));
        double high = Math.min(dimensions - 1, Math.ceil(pairWithRotations(DIVIDE_BELOW, trained)));
        for (int i = 0; i < frequencies.length; i++) {
            double divided = Math.clamp((i - low) / Math.max(0.001, high - low), 0, 1);
            frequencies[i] = frequencies[i] * (1 - divided) + frequencies[i] / factor * divided;
        }
        double attention =
                keys.number(prefix + "scaling.attn_factor", 1e-3, 1e3).orElse(1f);
        return rope(frequencies, 1, attention * (factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1));
    }

    /** Which pair, as a fraction, turns that often over the trained context. */
    private double pairWithRotations(double rotations, int trained) {
        return dimensions * Math.log(trained / (rotations * 2 * Math.PI)) / (2 * Math.log(base));
    }

    private static Rope rope(double[] frequencies, double divisor, double magnitude) {
        float[] single = new float[frequencies.length];
        for (int i = 0; i < single.length; i++) {
            single[i] = (float) (frequencies[i] / divisor);
        }
        return new Rope(single, true, (float) magnitude);
    }
}
