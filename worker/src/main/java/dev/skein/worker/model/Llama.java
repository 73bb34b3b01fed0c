package dev.skein.worker.model;

import dev.skein.compute.Activation;
import dev.skein.worker.model.Decoder.Embedding;
import dev.skein.worker.model.Decoder.Head;

/**
 * The Llama family (Touvron et al., arXiv 2302.13971; Llama 3, arXiv 2407.21783): a pre-norm decoder with rotary
 * positions, grouped-query attention and SwiGLU, and no biases.
 *
 * <pre>
 * for each layer:  x += attention(norm(x));   x += D (silu(G n) * (U n))  where n = norm(x)
 * </pre>
 *
 * From 3.1 on the frequencies of positions are stretched, as {@link RopeScaling#llama3} says.
 */
final class Llama {
    private Llama() {}

    static Decoder of(Parts parts) {
        return new Decoder(Embedding.of(parts), parts.layers(i -> layer(parts, i)), Head.of(parts));
    }

    private static PreNormLayer layer(Parts parts, int i) {
        return PreNormLayer.of(parts, i, Attention.plain(parts, i), GatedFeedForward.of(parts, i, Activation.SILU));
    }
}
