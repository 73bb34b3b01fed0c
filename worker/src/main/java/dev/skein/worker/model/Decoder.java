package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.ElementType;
import dev.skein.compute.KvCache;
import dev.skein.compute.Weight;
import dev.skein.worker.model.Parts.Matrix;
import java.util.List;

/**
 * What all families here have in common: each token's row x starts as a row of the embedding table, runs through the
 * layers, each of which adds to it, and ends as a row of logits:
 *
 * <pre>
 * x = embed(id)
 * for each layer:  x += ...
 * logits = head norm(x)
 * </pre>
 *
 * The last line runs only for rows that are sampled or scored: they are gathered before the final norm.
 */
record Decoder(Embedding embedding, List<Layer> layers, Head head) {

    Decoder {
        layers = List.copyOf(layers);
    }

    /** What a layer does to x, which is the buffer that {@link #residual} names. */
    @FunctionalInterface
    interface Layer {
        void enqueue(Backend backend, KvCache cache);
    }

    /** The residual stream x. */
    static Buffer residual(Parts parts) {
        return parts.tokens("residual", parts.config().hidden());
    }

    /** Where norms put x for those who multiply it. */
    static Buffer normed(Parts parts) {
        return parts.tokens("normed", parts.config().hidden());
    }

    void enqueue(Backend backend, KvCache cache) {
        embedding.enqueue(backend);
        for (Layer layer : layers) {
            layer.enqueue(backend, cache);
        }
        head.enqueue(backend);
    }

    /** The table of the rows that tokens start as. */
    record Embedding(Weight table, float scale, Buffer x) {
        /** What rows are multiplied by, for a table of that type and rows of that length. */
        interface Scale {
            float of(ElementType table, int hidden);
        }

        static Embedding of(Parts parts) {
            return of(parts, (_, _) -> 1);
        }

        static Embedding of(Parts parts, Scale scale) {
            Matrix table = table(parts.config());
            return new Embedding(parts.table(table), scale.of(parts.type(table), table.columns()), residual(parts));
        }

        private static Matrix table(ModelConfig config) {
            return new Matrix("token_embd.weight", config.vocabulary(), config.hidden());
        }

        void enqueue(Backend backend) {
            backend.embed(table, scale, x);
        }
    }

    /** The final norm and the projection to logits, whose weight is the embedding's where the model is tied. */
    record Head(Weight norm, float epsilon, Weight weight, Buffer x, Buffer last, Buffer normed, Buffer logits) {
        static Head of(Parts parts) {
            ModelConfig config = parts.config();
            return new Head(
                    parts.vector("output_norm.weight", config.hidden()),
                    config.epsilon(),
                    parts.weight(
                            config.tied()
                                    ? Embedding.table(config)
                                    : new Matrix("output.weight", config.vocabulary(), config.hidden())),
                    residual(parts),
                    parts.outputs("last", config.hidden()),
                    parts.outputs("lastNormed", config.hidden()),
                    parts.outputs("logits", config.vocabulary()));
        }

        void enqueue(Backend backend) {
            backend.gather(x, last);
            backend.rmsNorm(last, norm, epsilon, normed);
            backend.matmul(weight, normed, logits);
            backend.sample(logits);
        }
    }
}
