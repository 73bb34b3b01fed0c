package dev.skein.worker.model;

import dev.skein.compute.Activation;
import dev.skein.worker.model.Decoder.Embedding;
import dev.skein.worker.model.Decoder.Head;

/**
 * Mistral 7B (Jiang et al., arXiv 2310.06825): {@linkplain Llama Llama's} computation, but each token of the first
 * version attends to a window of the last 4,096 positions (§2). What is further back still reaches it, through the layers
 * between. Its later versions and relatives see the whole context; then nothing is different.
 */
final class Mistral {
    private Mistral() {}

    static Decoder of(Parts parts) {
        return new Decoder(Embedding.of(parts), parts.layers(i -> layer(parts, i)), Head.of(parts));
    }

    private static PreNormLayer layer(Parts parts, int i) {
        // The window is in the attention's shape, as the config has it for every layer.
        return PreNormLayer.of(parts, i, Attention.plain(parts, i), GatedFeedForward.of(parts, i, Activation.SILU));
    }
}
