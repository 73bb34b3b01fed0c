package dev.skein.worker.model;

import static java.util.Objects.requireNonNull;

import dev.skein.compute.Activation;
import dev.skein.compute.AttentionShape;
import dev.skein.compute.Rope;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * How large a model is and which turns of its family it takes: the same whatever format it was read from. Whoever makes
 * one has checked each number against its bound, under the name that the format gives it.
 *
 * @param layers how many
 * @param hidden elements of the residual stream
 * @param feedForward elements between the two halves of a feed-forward layer
 * @param vocabulary rows of the embedding table and of the head
 * @param context positions that the model was made for
 * @param epsilon added to the mean square before its root in every norm
 * @param rope of layers that see the whole context
 * @param sliding of layers that see a window of it; null where none do
 * @param experts null where feed-forward layers are not split into experts
 * @param encoding of an encoder; null where tokens see only those before them
 * @param tied whether the head is the embedding table
 */
public record ModelConfig(
        Family family,
        int layers,
        int hidden,
        int feedForward,
        int vocabulary,
        int context,
        float epsilon,
        Heads heads,
        Rope rope,
        @Nullable Sliding sliding,
        @Nullable Experts experts,
        @Nullable Encoding encoding,
        boolean tied) {

    /**
     * Heads of an attention layer.
     *
     * @param queries and how many of them
     * @param keyValues heads of keys, and as many of values; each serves the same number of query heads
     * @param size elements of each
     * @param scale multiplies the dot products before the softmax
     */
    public record Heads(int queries, int keyValues, int size, float scale) {
        /** Elements of all query heads. */
        public int queryColumns() {
            return queries * size;
        }

        /** Elements of all key heads, or of all value heads. */
        public int keyColumns() {
            return keyValues * size;
        }

        Heads withScale(double other) {
            return new Heads(queries, keyValues, size, (float) other);
        }
    }

    /**
     * Layers whose tokens attend to the last so many only.
     *
     * @param window positions that a token attends to, its own included
     * @param rope of these layers
     * @param layers which they are, from 0
     */
    public record Sliding(int window, Rope rope, Set<Integer> layers) {
        public Sliding {
            layers = Set.copyOf(layers);
        }
    }

    /**
     * Experts of a feed-forward layer.
     *
     * @param count in each layer
     * @param chosen for each token
     * @param feedForward elements between the two halves of one
     * @param normalised whether the chosen ones' weights are divided by their sum
     * @param dense layers, from 0, that have one feed-forward layer and no experts
     */
    public record Experts(int count, int chosen, int feedForward, boolean normalised, Set<Integer> dense) {
        public Experts {
            dense = Set.copyOf(dense);
        }
    }

    /**
     * What an encoder has of its own.
     *
     * @param types kinds of segments
     * @param activation between the two halves of a feed-forward layer
     */
    public record Encoding(int types, Activation activation) {}

    AttentionShape attention(int layer) {
        return new AttentionShape(heads.queries, heads.keyValues, heads.size, heads.scale, window(layer));
    }

    /** The positions of a layer. One object for all layers that turn alike: backends keep a table for each. */
    Rope rope(int layer) {
        return slides(layer) ? requireNonNull(sliding).rope : rope;
    }

    private int window(int layer) {
        if (encoding != null) {
            return AttentionShape.WHOLE;
        }
        return slides(layer) ? requireNonNull(sliding).window : 0;
    }

    private boolean slides(int layer) {
        return sliding != null && sliding.layers.contains(layer);
    }
}
