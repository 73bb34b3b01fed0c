package dev.skein.worker.model;

import static java.util.Objects.requireNonNull;

import dev.skein.compute.Activation;
import dev.skein.worker.model.Decoder.Embedding;
import dev.skein.worker.model.Decoder.Head;

/**
 * Qwen3's mixtures of experts (arXiv 2505.09388 §2), such as 30B-A3B: {@linkplain Qwen3 Qwen3's} attention, and many small
 * experts without one that all tokens share. Some layers may have a feed-forward layer as Qwen3 has it instead.
 */
final class Qwen3Moe {
    private Qwen3Moe() {}

    static Decoder of(Parts parts) {
        return new Decoder(Embedding.of(parts), parts.layers(i -> layer(parts, i)), Head.of(parts));
    }

    private static PreNormLayer layer(Parts parts, int i) {
        boolean dense = requireNonNull(parts.config().experts()).dense().contains(i);
        return PreNormLayer.of(
                parts,
                i,
                Attention.withHeadNorms(parts, i),
                dense ? GatedFeedForward.of(parts, i, Activation.SILU) : MixtureOfExperts.of(parts, i));
    }
}
