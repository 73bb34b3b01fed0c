package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.KvCache;

/**
 * The layer of most families: both halves normalise what they read and nothing else.
 *
 * <pre>
 * x += attention(norm(x));   x += feedForward(norm(x))
 * </pre>
 */
record PreNormLayer(Norm attentionNorm, Attention attention, Norm feedForwardNorm, FeedForward feedForward, Buffer x)
        implements Decoder.Layer {

    static PreNormLayer of(Parts parts, int layer, Attention attention, FeedForward feedForward) {
        return new PreNormLayer(
                Norm.of(parts, layer, "attn_norm"),
                attention,
                Norm.of(parts, layer, "ffn_norm"),
                feedForward,
                Decoder.residual(parts));
    }

    @Override
    public void enqueue(Backend backend, KvCache cache) {
        attentionNorm.enqueue(backend);
        attention.add(backend, cache, x);
        feedForwardNorm.enqueue(backend);
        feedForward.add(backend, x);
    }
}
