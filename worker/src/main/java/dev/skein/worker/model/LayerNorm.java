package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.Weight;

/** Layer normalisation (Ba et al., arXiv 1607.06450) in place. */
record LayerNorm(Weight weight, Weight bias, float epsilon, Buffer x) {

    /** @param name of its tensors, without what is after the last dot */
    static LayerNorm of(Parts parts, String name, Buffer x) {
        ModelConfig config = parts.config();
        return new LayerNorm(
                parts.vector(name + ".weight", config.hidden()),
                parts.vector(name + ".bias", config.hidden()),
                config.epsilon(),
                x);
    }

    /** {@code x = norm(x)}. */
    void enqueue(Backend backend) {
        backend.layerNorm(x, weight, bias, epsilon, x);
    }
}
