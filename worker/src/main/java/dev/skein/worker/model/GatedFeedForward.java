package dev.skein.worker.model;

import dev.skein.compute.Activation;
import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.Weight;
import dev.skein.worker.model.Parts.Matrix;

/** A gated feed-forward layer (Shazeer, arXiv 2002.05202): {@code D (silu(G n) * (U n))}. */
record GatedFeedForward(Weight gateUp, Weight down, Buffer normed, Buffer gated) {

    static GatedFeedForward of(Parts parts, int layer) {
        ModelConfig config = parts.config();
        return new GatedFeedForward(
                parts.gatedWeight(
                        new Matrix(Attention.name(layer, "ffn_gate"), config.feedForward(), config.hidden()),
                        new Matrix(Attention.name(layer, "ffn_up"), config.feedForward(), config.hidden())),
                parts.weight(new Matrix(Attention.name(layer, "ffn_down"), config.hidden(), config.feedForward())),
                Decoder.normed(parts),
                parts.tokens("gated", config.feedForward()));
    }

    /** {@code inOut += feedForward(normed)}. */
    void enqueue(Backend backend, Buffer inOut) {
        backend.gatedMatmul(gateUp, Activation.SILU, normed, gated);
        backend.matmulAdd(down, gated, inOut);
    }
}
