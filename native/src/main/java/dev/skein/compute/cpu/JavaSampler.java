package dev.skein.compute.cpu;

import dev.skein.compute.ComputeException;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepInputs.Output;
import dev.skein.compute.StepInputs.Region;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Chooses an id from a row of logits, in vLLM's order: logprobs of the raw logits; allowed ids; bias; penalties; the
 * highest if the temperature is 0; else temperature, min_p, top_k, top_p and a draw.
 *
 * <p>Probabilities are integers, {@code rint(2^30 exp(logit - highest))}, whose sums are exact in any order. The draw
 * walks them by rising id up to a 64-bit random number that is a function of seed and position only.
 *
 * <p>Ties: the lower id wins for the highest and among the likeliest; all are kept at rank k; the higher ids are dropped
 * first at the edge of top_p. If bans leave nothing, they are ignored.
 */
final class JavaSampler {
    private static final float ONE = 0x1p30f;
    private static final float GREEDY_BELOW = 1e-5f;
    /** Processed logits are kept within this, so that differences of two stay finite. */
    private static final float LARGEST = 1e38f;

    private static final long GOLDEN = 0x9E3779B97F4A7C15L;

    private final StepInputs step;
    private final int output;
    private final float[] raw;

    JavaSampler(StepInputs step, int output, float[] raw) {
        this.step = step;
        this.output = output;
        this.raw = raw;
    }

    void run(HostOutputs outputs) {
        for (float logit : raw) {
            if (!Float.isFinite(logit)) {
                throw new ComputeException(
                        "sample failed: a logit of output %d is %s, not finite".formatted(output, logit), false);
            }
        }
        int target = slot(Output.TARGET);
        checkId(target, -1, "target");
        int id = target >= 0 ? target : choose();
        outputs.result(output, id);
        if (slot(Output.LOGPROBS) >= 0) {
            score(outputs, id);
        }
    }

    private void score(HostOutputs outputs, int id) {
        float highest = raw[highest(raw)];
        double logSum = Math.log(sum(weights(raw)) * 0x1p-30);
        int rank = 0;
        for (float logit : raw) {
            rank += logit >= raw[id] ? 1 : 0;
        }
        outputs.score(output, logprob(id, highest, logSum), rank);
        int count = outputs.topCount(output);
        int[] likeliest = likeliest(count);
        for (int k = 0; k < count; k++) {
            outputs.top(output, k, likeliest[k], logprob(likeliest[k], highest, logSum));
        }
    }

    private float logprob(int id, float highest, double logSum) {
        return (float) ((double) raw[id] - highest - logSum);
    }

    private int[] likeliest(int count) {
        if (count == 0) {
            return new int[0];
        }
        return IntStream.range(0, raw.length)
                .boxed()
                .sorted((a, b) -> raw[a] != raw[b] ? Float.compare(raw[b], raw[a]) : a - b)
                .limit(count)
                .mapToInt(Integer::intValue)
                .toArray();
    }

    private int choose() {
        float[] logits = restrict();
        bias(logits);
        penalise(logits);
        bound(logits);
        int highest = highest(logits);
        if (logits[highest] == Float.NEGATIVE_INFINITY) {
            return highest(raw);
        }
        float temperature = number(Output.TEMPERATURE);
        if (!(temperature >= GREEDY_BELOW)) {
            return highest;
        }
        for (int i = 0; i < logits.length; i++) {
            logits[i] /= temperature;
        }
        int[] weights = weights(logits);
        keepMinP(weights);
        keepTopK(logits, weights);
        keepTopP(weights);
        return draw(weights);
    }

    private float[] restrict() {
        int count = slot(Output.ALLOWED_LENGTH);
        if (count == 0) {
            return raw.clone();
        }
        float[] logits = new float[raw.length];
        Arrays.fill(logits, Float.NEGATIVE_INFINITY);
        for (int i = 0; i < count; i++) {
            int id = step.get(Region.ALLOWED, slot(Output.ALLOWED_START) + i);
            checkId(id, 0, "allowed id");
            logits[id] = raw[id];
        }
        return logits;
    }

    private void bias(float[] logits) {
        for (int i = 0; i < slot(Output.BIAS_LENGTH); i++) {
            int pair = 2 * (slot(Output.BIAS_START) + i);
            int id = step.get(Region.BIAS, pair);
            checkId(id, 0, "biased id");
            logits[id] += Float.intBitsToFloat(step.get(Region.BIAS, pair + 1));
        }
    }

    private void penalise(float[] logits) {
        Map<Integer, Integer> outputCounts = new HashMap<>();
        for (int i = 0; i < slot(Output.HISTORY_LENGTH); i++) {
            int id = step.get(Region.HISTORY, slot(Output.HISTORY_START) + i);
            checkId(id, 0, "id of the history");
            outputCounts.merge(id, i < slot(Output.HISTORY_PROMPT) ? 0 : 1, Integer::sum);
        }
        outputCounts.forEach((id, count) -> logits[id] = penalised(logits[id], count));
    }

    private float penalised(float logit, int outputCount) {
        float repetition = number(Output.REPETITION_PENALTY);
        float repeated = logit > 0 ? logit / repetition : logit * repetition;
        float frequent = repeated - number(Output.FREQUENCY_PENALTY) * outputCount;
        return outputCount > 0 ? frequent - number(Output.PRESENCE_PENALTY) : frequent;
    }

    private static void bound(float[] logits) {
        for (int i = 0; i < logits.length; i++) {
            logits[i] = Float.isNaN(logits[i]) ? Float.NEGATIVE_INFINITY : Math.min(logits[i], LARGEST);
        }
    }

    private void keepMinP(int[] weights) {
        double lowest = Math.min(number(Output.MIN_P), 1.0) * ONE;
        for (int i = 0; i < weights.length; i++) {
            if (weights[i] < lowest) {
                weights[i] = 0;
            }
        }
    }

    private void keepTopK(float[] logits, int[] weights) {
        int k = slot(Output.TOP_K);
        if (k <= 0 || k >= logits.length) {
            return;
        }
        float[] sorted = logits.clone();
        Arrays.sort(sorted);
        float lowest = sorted[sorted.length - k];
        for (int i = 0; i < weights.length; i++) {
            if (logits[i] < lowest) {
                weights[i] = 0;
            }
        }
    }

    private void keepTopP(int[] weights) {
        float topP = number(Output.TOP_P);
        if (topP >= 1f) {
            return;
        }
        long limit = (long) ((1.0 - topP) * sum(weights));
        long[] order = new long[weights.length];
        for (int i = 0; i < order.length; i++) {
            order[i] = (long) weights[i] << 32 | ~i & 0xFFFFFFFFL;
        }
        Arrays.sort(order);
        long dropped = 0;
        for (int i = 0; i < order.length - 1; i++) {
            int id = ~(int) order[i];
            dropped += weights[id];
            if (dropped > limit) {
                return;
            }
            weights[id] = 0;
        }
    }

    private int draw(int[] weights) {
        long random = random(seed(), slot(Output.POSITION));
        long target = Math.unsignedMultiplyHigh(random, sum(weights));
        int id = 0;
        for (long below = weights[0]; below <= target; below += weights[id]) {
            id++;
        }
        return id;
    }

    private long seed() {
        return (long) slot(Output.SEED_HIGH) << 32 | slot(Output.SEED_LOW) & 0xFFFFFFFFL;
    }

    /** 64 bits from a counter: the mixing of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) over mixed seed and position. */
    static long random(long seed, int position) {
        return mix(mix(seed + GOLDEN) + (position + 1) * GOLDEN);
    }

    private static long mix(long z) {
        long a = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        long b = (a ^ a >>> 27) * 0x94D049BB133111EBL;
        return b ^ b >>> 31;
    }

    /** {@code rint(2^30 exp(logit - highest))}. */
    private static int[] weights(float[] logits) {
        float highest = logits[highest(logits)];
        int[] weights = new int[logits.length];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (int) Math.rint(Arithmetic.exp(logits[i] - highest) * ONE);
        }
        return weights;
    }

    private static long sum(int[] weights) {
        long sum = 0;
        for (int weight : weights) {
            sum += weight;
        }
        return sum;
    }

    private static int highest(float[] logits) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            if (logits[i] > logits[best]) {
                best = i;
            }
        }
        return best;
    }

    private void checkId(int id, int lowest, String what) {
        if (id < lowest || id >= raw.length) {
            throw new ComputeException(
                    "sample failed: %s %d of output %d is not among %d logits".formatted(what, id, output, raw.length),
                    false);
        }
    }

    private int slot(Output slot) {
        return step.get(output, slot);
    }

    private float number(Output slot) {
        return step.getFloat(output, slot);
    }
}
