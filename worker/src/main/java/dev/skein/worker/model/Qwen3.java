package dev.skein.worker.model;

import dev.skein.compute.Activation;
import dev.skein.worker.model.Decoder.Embedding;
import dev.skein.worker.model.Decoder.Head;

/**
 * Qwen3 (arXiv 2505.09388 §2): {@linkplain Llama Llama's} layer without {@linkplain Qwen2 Qwen2's} bias, where each head
 * of queries and of keys is normalised by itself before it is turned:
 *
 * <pre>
 * q, k, v = QKV n;   q = rope(norm(q)), k = rope(norm(k)) for each head
 * </pre>
 *
 * A head's size is given apart from the residual stream's.
 */
final class Qwen3 {
    private Qwen3() {}

    static Decoder of(Parts parts) {
        return new Decoder(Embedding.of(parts), parts.layers(i -> layer(parts, i)), Head.of(parts));
    }

    private static PreNormLayer layer(Parts parts, int i) {
        return PreNormLayer.of(
                parts, i, Attention.withHeadNorms(parts, i), GatedFeedForward.of(parts, i, Activation.SILU));
    }
}
