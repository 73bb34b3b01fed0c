package dev.skein.worker.engine;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.worker.model.EmbeddingConfig.Pooling;

/** Makes vectors of the states that a step left. Sums are of doubles, in the order of tokens. */
final class PooledStates {
    /** What lengths of vectors that are all 0 are taken for. */
    private static final double LEAST_LENGTH = 1e-12;

    private final Backend backend;
    private final Buffer states;
    private final Pooling pooling;
    private final float[] state;

    PooledStates(Backend backend, Buffer states, Pooling pooling) {
        this.backend = backend;
        this.states = states;
        this.pooling = pooling;
        state = new float[states.columns()];
    }

    /**
     * The vector of one text.
     *
     * @param first row of the text's first token
     * @param length rows of the text
     * @param dimensions elements that are wanted
     */
    float[] vector(int first, int length, int dimensions, boolean normalised) {
        double[] sum = switch (pooling) {
            case MEAN -> mean(first, length);
            case CLS -> mean(first, 1);
            case LAST -> mean(first + length - 1, 1);
        };
        double scale = normalised ? 1 / Math.max(LEAST_LENGTH, length(sum, dimensions)) : 1;
        float[] vector = new float[dimensions];
        for (int i = 0; i < dimensions; i++) {
            vector[i] = (float) (sum[i] * scale);
        }
        return vector;
    }

    private double[] mean(int first, int count) {
        double[] sum = new double[state.length];
        for (int row = first; row < first + count; row++) {
            backend.read(states, row, state);
            for (int i = 0; i < sum.length; i++) {
                sum[i] += state[i];
            }
        }
        for (int i = 0; i < sum.length; i++) {
            sum[i] /= count;
        }
        return sum;
    }

    private static double length(double[] vector, int dimensions) {
        double squares = 0;
        for (int i = 0; i < dimensions; i++) {
            squares += vector[i] * vector[i];
        }
        return Math.sqrt(squares);
    }
}
