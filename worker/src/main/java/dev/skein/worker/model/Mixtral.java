package dev.skein.worker.model;

import dev.skein.worker.model.Decoder.Embedding;
import dev.skein.worker.model.Decoder.Head;

/**
 * Mixtral 8x7B and 8x22B (Jiang et al., arXiv 2401.04088): {@linkplain Llama Llama's} attention, and for each token the
 * two likeliest of eight experts (§2.1). Their weights are the softmax over those two, which is the softmax over all
 * eight divided by the sum of the two.
 */
final class Mixtral {
    private Mixtral() {}

    static Decoder of(Parts parts) {
        return new Decoder(Embedding.of(parts), parts.layers(i -> layer(parts, i)), Head.of(parts));
    }

    private static PreNormLayer layer(Parts parts, int i) {
        return PreNormLayer.of(parts, i, Attention.plain(parts, i), MixtureOfExperts.of(parts, i));
    }
}
