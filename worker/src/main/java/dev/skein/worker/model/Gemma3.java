package dev.skein.worker.model;

import dev.skein.compute.Activation;
import dev.skein.compute.Backend;
import dev.skein.compute.Bf16;
import dev.skein.compute.Buffer;
import dev.skein.compute.ElementType;
import dev.skein.compute.KvCache;
import dev.skein.compute.Weight;
import dev.skein.worker.model.Decoder.Embedding;
import dev.skein.worker.model.Decoder.Head;

/**
 * Gemma 3's text model (arXiv 2503.19786 §2): each half of a layer is normalised twice, when it reads x and before it is
 * added to it; heads of queries and keys are normalised; the gate is a GELU.
 *
 * <pre>
 * x = embed(id) * sqrt(hidden)
 * for each layer:  x += norm(attention(norm(x)));   x += norm(D (gelu(G n) * (U n)))  where n = norm(x)
 * </pre>
 *
 * Five layers of six attend to a window, with positions of base 10,000; the sixth sees the whole context, with base
 * 1,000,000. Which they are, and the scale of dot products (not always a head's size), the config says.
 */
final class Gemma3 {
    private Gemma3() {}

    static Decoder of(Parts parts) {
        return new Decoder(
                Embedding.of(parts, Gemma3::embeddingScale), parts.layers(i -> Layer.of(parts, i)), Head.of(parts));
    }

    /** The root, rounded to what the weights are of: so it was when the model was trained, in BF16. */
    private static float embeddingScale(ElementType type, int hidden) {
        float root = (float) Math.sqrt(hidden);
        return switch (type) {
            case BF16 -> Bf16.toFloat(Bf16.of(root));
            case F16 -> Float.float16ToFloat(Float.floatToFloat16(root));
            default -> root;
        };
    }

    /**
     * A layer.
     *
     * @param projected what a half computed, before it is normalised
     */
    private record Layer(
            Norm attentionNorm,
            Attention attention,
            Weight attentionPostNorm,
            Norm feedForwardNorm,
            GatedFeedForward feedForward,
            Weight feedForwardPostNorm,
            float epsilon,
            Buffer x,
            Buffer projected)
            implements Decoder.Layer {

        static Layer of(Parts parts, int i) {
            int hidden = parts.config().hidden();
            return new Layer(
                    Norm.of(parts, i, "attn_norm"),
                    Attention.withHeadNorms(parts, i),
                    parts.vector(Parts.name(i, "post_attention_norm"), hidden),
                    Norm.of(parts, i, "ffn_norm"),
                    GatedFeedForward.of(parts, i, Activation.GELU_TANH),
                    parts.vector(Parts.name(i, "post_ffw_norm"), hidden),
                    parts.config().epsilon(),
                    Decoder.residual(parts),
                    parts.tokens("projected", hidden));
        }

        @Override
        public void enqueue(Backend backend, KvCache cache) {
            attentionNorm.enqueue(backend);
            attention.put(backend, cache, projected);
            backend.rmsNormAdd(projected, attentionPostNorm, epsilon, x);
            feedForwardNorm.enqueue(backend);
            feedForward.put(backend, projected);
            backend.rmsNormAdd(projected, feedForwardPostNorm, epsilon, x);
        }
    }
}
