package dev.skein.worker.model;

import dev.skein.compute.Rope;
import dev.skein.worker.model.RopeScaling.Llama3;
import dev.skein.worker.model.RopeScaling.Yarn;

/**
 * Reads rotary embedding and its scaling from a config.json: newer ones have all of it in rope_parameters, older ones
 * the base in rope_theta and the scaling in rope_scaling, where the type is called type.
 *
 * @param parameters rope_parameters or rope_scaling; empty where there is neither
 * @param defaultBase where parameters name none
 */
record HuggingFaceRope(ConfigObject parameters, double defaultBase, int headSize, int context) {

    Rope rope() {
        RopeScaling scaling = new RopeScaling(rotated(), base(), false);
        double[] frequencies = scaling.frequencies();
        return switch (type()) {
            case "default" -> scaling.linear(frequencies, 1);
            case "linear" -> scaling.linear(frequencies, factor());
            case "llama3" -> scaling.llama3(frequencies, llama3());
            case "yarn" -> scaling.yarn(frequencies, yarn());
            default -> throw parameters.refused("rope_type", type(), "default, linear, llama3 and yarn are supported");
        };
    }

    /** Positions that a model serves: what it was made for, times what its scaling stretches that by. */
    int stretched() {
        double stretched = switch (type()) {
            case "linear" -> context * factor();
            case "yarn" -> trained() * factor();
            default -> context;
        };
        return (int) Math.min(stretched, Setting.CONTEXT.most());
    }

    private String type() {
        return parameters.text("rope_type").or(() -> parameters.text("type")).orElse("default");
    }

    private double base() {
        return parameters.number("rope_theta", 1, 1e12).orElse(defaultBase);
    }

    private int rotated() {
        double part = parameters.number("partial_rotary_factor", 0, 1).orElse(1);
        int rotated = (int) (headSize * part);
        if (rotated < 2 || rotated % 2 != 0) {
            throw parameters.refused(
                    "partial_rotary_factor", part, "of heads of %d it must leave an even number".formatted(headSize));
        }
        return rotated;
    }

    private double factor() {
        return parameters.number("factor", 1, 1e6).orElseThrow(() -> parameters.missing("factor"));
    }

    private int trained() {
        return parameters
                .integer("original_max_position_embeddings", 1, Setting.CONTEXT.most())
                .orElse(context);
    }

    private Llama3 llama3() {
        double low = parameters
                .number("low_freq_factor", 1e-3, 1e6)
                .orElseThrow(() -> parameters.missing("low_freq_factor"));
        double high = parameters
                .number("high_freq_factor", 1e-3, 1e6)
                .orElseThrow(() -> parameters.missing("high_freq_factor"));
        if (high <= low) {
            throw parameters.refused("high_freq_factor", high, "it must be more than low_freq_factor, " + low);
        }
        return new Llama3(factor(), low, high, trained());
    }

    private Yarn yarn() {
        for (String key : new String[] {"mscale", "mscale_all_dim"}) {
            if (parameters.has(key)) {
                throw parameters.refused(key, parameters.number(key, -1e6, 1e6).orElse(0), "it is not supported");
            }
        }
        if (!parameters.flag("truncate").orElse(true)) {
            throw parameters.refused("truncate", false, "it is not supported");
        }
        return new Yarn(
                factor(),
                parameters.number("beta_fast", 1e-3, 1e6).orElse(32),
                parameters.number("beta_slow", 1e-3, 1e6).orElse(1),
                trained(),
                parameters.number("attention_factor", 1e-3, 1e3).orElse(Yarn.magnitude(factor())));
    }
}
