package dev.skein.worker.model;

import dev.skein.compute.Buffer;
import dev.skein.worker.model.Decoder.Embedding;
import dev.skein.worker.model.Decoder.Head;
import dev.skein.worker.model.Decoder.Layer;

/**
 * The Llama family (Touvron et al., arXiv 2302.13971; Llama 3, arXiv 2407.21783): a pre-norm decoder with rotary
 * positions, grouped-query attention and SwiGLU, and no biases.
 *
 * <pre>
 * for each layer:  x += attention(norm(x));   x += D (silu(G n) * (U n))  where n = norm(x)
 * </pre>
 */
final class Llama {
    private Llama() {}

    static Decoder of(Parts parts) {
        return new Decoder(Embedding.of(parts), parts.layers(i -> layer(parts, i)), Head.of(parts));
    }

    private static Layer layer(Parts parts, int i) {
        Buffer x = Decoder.residual(parts);
        Norm attentionNorm = Norm.of(parts, i, "attn_norm");
        Attention attention = Attention.of(parts, i);
        Norm feedForwardNorm = Norm.of(parts, i, "ffn_norm");
        GatedFeedForward feedForward = GatedFeedForward.of(parts, i);
        return (backend, cache) -> {
            attentionNorm.enqueue(backend);
            attention.enqueue(backend, cache, x);
            feedForwardNorm.enqueue(backend);
            feedForward.enqueue(backend, x);
        };
    }
}
