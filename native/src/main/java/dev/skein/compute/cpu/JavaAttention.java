package dev.skein.compute.cpu;

import java.util.ArrayList;
import java.util.List;

/**
 * Attention of one query head over the tokens of its window up to its position, with a softmax that is never held whole (Milakov and
 * Gimelshein, arXiv 1805.02867): tiles of 64 tokens move a running maximum, by which sums so far are scaled down; chunks
 * of 256 tokens start afresh and are merged in order.
 */
final class JavaAttention {
    static final int TILE = 64;
    static final int CHUNK = 256;

    /** Where the keys and values of a token of the sequence are. */
    interface Cached {
        float key(int token, int element);

        float value(int token, int element);
    }

    private final Cached cached;
    private final float[] query;
    private final float scale;

    private final float[] output;
    private final float[] lanes = new float[Arithmetic.LANES];
    private float highest;

    private JavaAttention(Cached cached, float[] query, float scale) {
        this.cached = cached;
        this.query = query;
        this.scale = scale;
        output = new float[query.length];
    }

    /** What the query sees of a sequence from one token (inclusive) to another (exclusive). */
    static float[] attend(Cached cached, float[] query, float scale, int from, int to) {
        int chunks = (to + CHUNK - 1) / CHUNK;
        List<JavaAttention> parts = new ArrayList<>();
        float highest = Float.NEGATIVE_INFINITY;
        for (int chunk = from / CHUNK; chunk < chunks; chunk++) {
            JavaAttention part = new JavaAttention(cached, query, scale);
            part.walk(Math.max(from, chunk * CHUNK), Math.min(to, (chunk + 1) * CHUNK));
            highest = Math.max(highest, part.highest);
            parts.add(part);
        }
        return merge(parts, highest, query.length);
    }

    private static float[] merge(List<JavaAttention> parts, float highest, int headSize) {
        float[] out = new float[headSize];
        float sum = 0f;
        for (JavaAttention part : parts) {
            float weight = Arithmetic.exp(part.highest - highest);
            sum = Math.fma(Arithmetic.fold(part.lanes), weight, sum);
            for (int i = 0; i < headSize; i++) {
                out[i] = Math.fma(part.output[i], weight, out[i]);
            }
        }
        float inverse = 1f / sum;
        for (int i = 0; i < headSize; i++) {
            out[i] *= inverse;
        }
        return out;
    }

    private void walk(int from, int to) {
        highest = Float.NEGATIVE_INFINITY;
        for (int tile = from / TILE * TILE; tile < to; tile += TILE) {
            addTile(Math.max(from, tile), Math.min(to, tile + TILE));
        }
    }

    private void addTile(int from, int to) {
        float[] scores = new float[to - from];
        float before = highest;
        for (int i = 0; i < scores.length; i++) {
            scores[i] = score(from + i);
            highest = Math.max(highest, scores[i]);
        }
        scaleDown(Arithmetic.exp(before - highest));
        for (int i = 0; i < scores.length; i++) {
            float weight = Arithmetic.exp(scores[i] - highest);
            lanes[(from + i) % Arithmetic.LANES] += weight;
            for (int element = 0; element < output.length; element++) {
                output[element] = Math.fma(weight, cached.value(from + i, element), output[element]);
            }
        }
    }

    private float score(int token) {
        float dot = 0f;
        for (int i = 0; i < query.length; i++) {
            dot = Math.fma(query[i], cached.key(token, i), dot);
        }
        return dot * scale;
    }

    private void scaleDown(float by) {
        for (int i = 0; i < output.length; i++) {
            output[i] *= by;
        }
        for (int i = 0; i < lanes.length; i++) {
            lanes[i] *= by;
        }
    }
}
