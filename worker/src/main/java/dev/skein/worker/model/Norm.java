package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.Weight;

/** Root-mean-square normalisation (Zhang and Sennrich, arXiv 1910.07467) of the residual stream. */
record Norm(Weight weight, float epsilon, Buffer x, Buffer normed) {

    static Norm of(Parts parts, int layer, String part) {
        ModelConfig config = parts.config();
        return new Norm(
                parts.vector(Parts.name(layer, part), config.hidden()),
                config.epsilon(),
                Decoder.residual(parts),
                Decoder.normed(parts));
    }

    /** {@code normed = norm(x)}. */
    void enqueue(Backend backend) {
        backend.rmsNorm(x, weight, epsilon, normed);
    }
}
