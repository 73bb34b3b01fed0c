package dev.skein.worker.model;

import dev.skein.compute.AttentionShape;
import dev.skein.compute.Rope;

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
    }

    AttentionShape attention(int layer) {
        return new AttentionShape(heads.queries, heads.keyValues, heads.size, heads.scale);
    }

    /** The positions of a layer. One object for all layers that turn alike: backends keep a table for each. */
    Rope rope(int layer) {
        return rope;
    }
}
