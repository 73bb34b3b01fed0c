package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.ElementType;
import dev.skein.compute.KvCache;
import dev.skein.compute.Weight;
import dev.skein.worker.model.Parts.Matrix;
import java.util.List;
import org.jspecify.annotations.Nullable;

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
 * The last line runs only for rows that are sampled or scored: they are gathered before the final norm. Of a model that
 * embeds, all rows end as what the norm makes of them.
 *
 * @param embedding of the first stage of a pipeline
 * @param head of the last stage
 */
record Decoder(
        @Nullable Embedding embedding,
        List<Layer> layers,
        @Nullable Head head) implements Network {

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

    @Override
    public void enqueue(Backend backend, KvCache cache) {
        if (embedding != null) {
            embedding.enqueue(backend);
        }
        for (Layer layer : layers) {
            layer.enqueue(backend, cache);
        }
        if (head != null) {
            head.enqueue(backend);
        }
    }

    /** The table of the rows that tokens start as. */
    record Embedding(Weight table, float scale, Buffer x) {
        /** What rows are multiplied by, for a table of that type and rows of that length. */
        interface Scale {
            float of(ElementType table, int hidden);
        }

        static @Nullable Embedding of(Parts parts) {
            return of(parts, (_, _) -> 1);
        }

        /** Null but in the first stage. */
        static @Nullable Embedding of(Parts parts, Scale scale) {
            if (!parts.shard().firstStage()) {
                return null;
            }
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

    /** What becomes of x after the last layer. */
    sealed interface Head permits Logits, LastStates {
        /** Null but in the last stage. */
        static @Nullable Head of(Parts parts) {
            if (!parts.shard().lastStage()) {
                return null;
            }
            return parts.embeds() ? LastStates.of(parts) : Logits.of(parts);
        }

        static Matrix matrix(ModelConfig config) {
            return config.tied()
                    ? Embedding.table(config)
                    : new Matrix("output.weight", config.vocabulary(), config.hidden());
        }

        void enqueue(Backend backend);
    }

    /** The final norm and nothing else. */
    record LastStates(Weight norm, float epsilon, Buffer x, Buffer states) implements Head {
        static LastStates of(Parts parts) {
            ModelConfig config = parts.config();
            return new LastStates(
                    parts.vector("output_norm.weight", config.hidden()),
                    config.epsilon(),
                    residual(parts),
                    Network.states(parts));
        }

        @Override
        public void enqueue(Backend backend) {
            backend.rmsNorm(x, norm, epsilon, states);
        }
    }

    /**
     * The final norm and the projection to logits, whose weight is the embedding's where the model is tied.
     *
     * @param columns of the logits, of each tensor rank
     * @param part this rank's logits
     * @param logits all of them; null where they do not come together
     */
    record Logits(
            Weight norm,
            float epsilon,
            Weight weight,
            int[] columns,
            Buffer x,
            Buffer last,
            Buffer normed,
            Buffer part,
            @Nullable Buffer logits)
            implements Head {

        static Logits of(Parts parts) {
            Shard shard = parts.shard();
            ModelConfig config = parts.config();
            Buffer logits = shard.samples() ? parts.outputs("logits", config.vocabulary()) : null;
            return new Logits(
                    parts.vector("output_norm.weight", config.hidden()),
                    config.epsilon(),
                    parts.weight(Head.matrix(config).takeRows(shard.vocabulary())),
                    shard.vocabularies().stream().mapToInt(Span::size).toArray(),
                    residual(parts),
                    parts.outputs("last", config.hidden()),
                    parts.outputs("lastNormed", config.hidden()),
                    logits != null && !shard.shared()
                            ? logits
                            : parts.outputs("logitsPart", shard.vocabulary().size()),
                    logits);
        }

        @Override
        public void enqueue(Backend backend) {
            backend.gather(x, last);
            backend.rmsNorm(last, norm, epsilon, normed);
            backend.matmul(weight, normed, part);
            if (columns.length > 1) {
                backend.gatherColumns(part, columns, logits);
            }
            if (logits != null) {
                backend.sample(logits);
            }
        }
    }
}
