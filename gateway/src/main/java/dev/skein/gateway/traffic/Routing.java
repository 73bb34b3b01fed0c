package dev.skein.gateway.traffic;

import java.util.List;
import java.util.OptionalInt;

/**
 * Which leader takes a request: the one that needs the least time for the tokens that it has to do before the first one of
 * this, counting the part of the prompt that it has not seen lately. A pure function.
 *
 * <p>So requests that begin alike meet where that beginning was computed, until that group is busier than another one by
 * more than what computing it anew costs there, and of groups on unequal machines each gets what it can do. Of equals the
 * one goes first that has waited longest for a request.
 */
final class Routing {
    private static final int ANSWER_WEIGHT = 1024;
    /** How fast a leader is counts as the mean for so long, besides what is known of it. */
    private static final double MEAN_SECONDS = 0.25;
    /** So far from the mean, to either side, leaders count as equally fast: times to first tokens vary that much. */
    private static final double NOISE = 0.2;

    private Routing() {}

    /**
     * @param outstanding tokens to do
     * @param seen tokens of this prompt's beginning that it has seen lately
     * @param lastTaken grows with each request that it was given; compared, never measured
     * @param failed whether it failed this request before
     * @param rate of the prompts that it computed lately
     */
    record Candidate(long outstanding, int seen, long lastTaken, boolean failed, PromptRate.Sums rate) {
        long tokens(int promptTokens) {
            return outstanding + Math.max(0, promptTokens - seen);
        }
    }

    /** Index of the pick; empty where all have failed or there is none. */
    static OptionalInt choose(List<Candidate> candidates, int promptTokens) {
        double mean = meanRate(candidates);
        int best = -1;
        double least = 0;
        for (int i = 0; i < candidates.size(); i++) {
            Candidate candidate = candidates.get(i);
            double cost = candidate.tokens(promptTokens) / speed(candidate.rate(), mean);
            if (!candidate.failed()
                    && (best < 0
                            || cost < least
                            || cost == least
                                    && candidate.lastTaken()
                                            < candidates.get(best).lastTaken())) {
                best = i;
                least = cost;
            }
        }
        return best < 0 ? OptionalInt.empty() : OptionalInt.of(best);
    }

    /** Tokens per second of all; any number will do where nothing is known of any. */
    private static double meanRate(List<Candidate> candidates) {
        double tokens = 0;
        double seconds = 0;
        for (Candidate candidate : candidates) {
            tokens += candidate.rate().tokens();
            seconds += candidate.rate().seconds();
        }
        return tokens > 0 && seconds > 0 ? tokens / seconds : 1;
    }

    /** How many times as fast as the mean it is. */
    static double speed(PromptRate.Sums rate, double mean) {
        double speed = (rate.tokens() / mean + MEAN_SECONDS) / (rate.seconds() + MEAN_SECONDS);
        return Math.abs(speed - 1) < NOISE ? 1 : speed;
    }

    /**
     * Tokens that an answer stands for. How long it gets is not known, so a request that allows for the whole context
     * weighs no more than one that allows for 1024 tokens.
     */
    static long answerCost(int maxTokens) {
        return Math.min(maxTokens, ANSWER_WEIGHT);
    }
}
