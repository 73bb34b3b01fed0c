package dev.skein.worker.model;

import dev.skein.compute.Activation;
import dev.skein.worker.model.Decoder.Embedding;
import dev.skein.worker.model.Decoder.Head;

/**
 * Qwen2 and Qwen2.5 (arXiv 2407.10671 §2.2; arXiv 2412.15115): {@linkplain Llama Llama's} layer with a bias on queries,
 * keys and values, and on nothing else:
 *
 * <pre>
 * q, k, v = QKV n + b
 * </pre>
 */
final class Qwen2 {
    private Qwen2() {}

    static Decoder of(Parts parts) {
        return new Decoder(Embedding.of(parts), parts.layers(i -> layer(parts, i)), Head.of(parts));
    }

    private static PreNormLayer layer(Parts parts, int i) {
        return PreNormLayer.of(parts, i, Attention.withBias(parts, i), GatedFeedForward.of(parts, i, Activation.SILU));
    }
}
