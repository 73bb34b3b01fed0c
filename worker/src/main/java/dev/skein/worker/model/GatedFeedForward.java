package dev.skein.worker.model;

import dev.skein.compute.Activation;
import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.Weight;
import dev.skein.worker.model.Parts.Matrix;

/** A gated feed-forward layer (Shazeer, arXiv 2002.05202): {@code D (activation(G n) * (U n))}. */
record GatedFeedForward(Weight gateUp, Activation activation, Weight down, Buffer normed, Buffer gated)
        implements FeedForward {

    static GatedFeedForward of(Parts parts, int layer, Activation activation) {
        ModelConfig config = parts.config();
        return new GatedFeedForward(
                parts.gatedWeight(
                        new Matrix(Parts.name(layer, "ffn_gate"), config.feedForward(), config.hidden()),
                        new Matrix(Parts.name(layer, "ffn_up"), config.feedForward(), config.hidden())),
                activation,
                parts.weight(new Matrix(Parts.name(layer, "ffn_down"), config.hidden(), config.feedForward())),
                Decoder.normed(parts),
                parts.tokens("gated", config.feedForward()));
    }

    @Override
    public void add(Backend backend, Buffer inOut) {
        backend.gatedMatmul(gateUp, activation, normed, gated);
        backend.matmulAdd(down, gated, inOut);
    }

    /** {@code out = feedForward(normed)}. */
    void put(Backend backend, Buffer out) {
        backend.gatedMatmul(gateUp, activation, normed, gated);
        backend.matmul(down, gated, out);
    }
}
