package dev.skein.worker.model;

import dev.skein.compute.Activation;
import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.Weight;
import dev.skein.worker.model.Parts.Matrix;

/** A gated feed-forward layer (Shazeer, arXiv 2002.05202): {@code D (activation(G n) * (U n))}. */
record GatedFeedForward(Weight gateUp, Activation activation, Weight down, PartialSum sum, Buffer normed, Buffer gated)
        implements FeedForward {

    static GatedFeedForward of(Parts parts, int layer, Activation activation) {
        ModelConfig config = parts.config();
        Span inner = parts.shard().feedForward();
        return new GatedFeedForward(
                parts.gatedWeight(
                        gate(config, layer).takeRows(inner), up(config, layer).takeRows(inner)),
                activation,
                parts.weight(down(config, layer).takeColumns(inner)),
                PartialSum.of(parts),
                Decoder.normed(parts),
                parts.tokens("gated", inner.size()));
    }

    static Matrix gate(ModelConfig config, int layer) {
        return new Matrix(Parts.name(layer, "ffn_gate"), config.feedForward(), config.hidden());
    }

    static Matrix up(ModelConfig config, int layer) {
        return new Matrix(Parts.name(layer, "ffn_up"), config.feedForward(), config.hidden());
    }

    static Matrix down(ModelConfig config, int layer) {
        return new Matrix(Parts.name(layer, "ffn_down"), config.hidden(), config.feedForward());
    }

    @Override
    public void add(Backend backend, Buffer inOut) {
        backend.gatedMatmul(gateUp, activation, normed, gated);
        sum.add(backend, down, gated, inOut);
    }

    /** {@code out = feedForward(normed)}. */
    void put(Backend backend, Buffer out) {
        backend.gatedMatmul(gateUp, activation, normed, gated);
        sum.put(backend, down, gated, out);
    }
}
