package dev.skein.compute.cpu;

import dev.skein.compute.Routing;

/** The experts that a token's logits choose, likeliest first, and their weights. */
final class JavaRouter {
    final int[] experts;
    final float[] weights;

    JavaRouter(float[] logits, Routing routing) {
        experts = new int[routing.chosen()];
        weights = new float[routing.chosen()];
        float highest = Float.NEGATIVE_INFINITY;
        for (float logit : logits) {
            highest = logit > highest ? logit : highest;
        }
        float sum = choose(logits, highest);
        float all = routing.normalised() ? sum : sum(logits, highest);
        for (int i = 0; i < weights.length; i++) {
            weights[i] /= all;
        }
    }

    private float choose(float[] logits, float highest) {
        boolean[] taken = new boolean[logits.length];
        float sum = 0f;
        for (int i = 0; i < experts.length; i++) {
            experts[i] = likeliest(logits, taken);
            taken[experts[i]] = true;
            weights[i] = Arithmetic.exp(logits[experts[i]] - highest);
            sum += weights[i];
        }
        return sum;
    }

    private static int likeliest(float[] logits, boolean[] taken) {
        int best = -1;
        for (int e = 0; e < logits.length; e++) {
            if (!taken[e] && (best < 0 || logits[e] > logits[best])) {
                best = e;
            }
        }
        return best;
    }

    private static float sum(float[] logits, float highest) {
        float[] lanes = new float[Arithmetic.LANES];
        for (int e = 0; e < logits.length; e++) {
            lanes[e % Arithmetic.LANES] += Arithmetic.exp(logits[e] - highest);
        }
        return Arithmetic.fold(lanes);
    }
}
