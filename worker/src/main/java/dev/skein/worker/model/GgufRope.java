package dev.skein.worker.model;

import dev.skein.compute.Rope;
import java.util.OptionalInt;

/**
 * Reads rotary embedding and its scaling from a GGUF file's keys: none, linear or yarn; and for Llama 3 the tensor
 * rope_freqs.weight, which holds a divisor for each frequency.
 */
final class GgufRope {
    static final String FACTORS = "rope_freqs.weight";

    private static final double KEEP_ABOVE = 32;
    private static final double DIVIDE_BELOW = 1;

    private final GgufFiles files;
    private final GgufMetadata keys;
    private final String prefix;
    private final RopeScaling scaling;

    GgufRope(GgufFiles files, String architecture, int dimensions) {
        this.files = files;
        this.keys = files.metadata();
        this.prefix = architecture + ".rope.";
        double base = keys.number(prefix + "freq_base", 1, 1e12).orElse(10_000f);
        // Converters put the rows of Q and K of this architecture in an order in which pairs are neighbours.
        scaling = new RopeScaling(dimensions, base, architecture.equals("llama"));
    }

    Rope rope(int contextLength) {
        String type = keys.text(prefix + "scaling.type").orElse("none");
        double factor = factor();
        double[] frequencies = scaling.frequencies();
        divideByTensor(frequencies);
        return switch (type) {
            // Files older than the key scaling.type say scale_linear alone.
            case "none" -> scaling.linear(frequencies, keys.has(prefix + "scale_linear") ? factor : 1);
            case "linear" -> scaling.linear(frequencies, factor);
            case "yarn" -> scaling.yarn(frequencies, yarn(factor, contextLength));
            default ->
                throw new CheckpointException(
                        files.path(), prefix + "scaling.type", type, "only none, linear and yarn are supported");
        };
    }

    /** Of layers that see a window, where they have positions of their own: not stretched. */
    Rope local() {
        double base = keys.number(prefix + "freq_base_swa", 1, 1e12).orElse(10_000f);
        RopeScaling own = new RopeScaling(scaling.dimensions(), base, scaling.interleaved());
        return own.linear(own.frequencies(), 1);
    }

    private double factor() {
        return keys.number(prefix + "scaling.factor", 1e-3, 1e6)
                .or(() -> keys.number(prefix + "scale_linear", 1e-3, 1e6))
                .orElse(1f);
    }

    private void divideByTensor(double[] frequencies) {
        if (files.tensor(FACTORS).isEmpty()) {
            return;
        }
        float[] divisors = files.floats(FACTORS, frequencies.length);
        for (int i = 0; i < divisors.length; i++) {
            if (!(divisors[i] > 0 && divisors[i] < Float.POSITIVE_INFINITY)) {
                throw new CheckpointException(
                        files.path(),
                        "element %d of %s".formatted(i, FACTORS),
                        divisors[i],
                        "it must be a positive number");
            }
            frequencies[i] /= divisors[i];
        }
    }

    private RopeScaling.Yarn yarn(double factor, int contextLength) {
        OptionalInt original = keys.integer(prefix + "scaling.original_context_length", 1, Integer.MAX_VALUE);
        double attention =
                keys.number(prefix + "scaling.attn_factor", 1e-3, 1e3).orElse(1f);
        return new RopeScaling.Yarn(
                factor,
                KEEP_ABOVE,
                DIVIDE_BELOW,
                original.orElse(contextLength),
                attention * RopeScaling.Yarn.magnitude(factor));
    }
}
