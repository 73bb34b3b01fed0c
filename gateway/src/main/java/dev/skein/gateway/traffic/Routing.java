package dev.skein.gateway.traffic;

import java.util.List;
import java.util.OptionalInt;

/**
 * Which leader takes a request: the one with the fewest tokens to do before its first token, counting the part of the
 * prompt that it has not seen lately. A pure function.
 *
 * <p>So requests that begin alike meet where that beginning was computed, until that group is busier than another one by
 * more than what computing it anew costs there. Of equals the one goes first that has waited longest for a request.
 */
final class Routing {
    private static final int ANSWER_WEIGHT = 1024;

    private Routing() {}

    /**
     * @param outstanding tokens to do
     * @param seen tokens of this prompt's beginning that it has seen lately
     * @param lastTaken grows with each request that it was given; compared, never measured
     * @param failed whether it failed this request before
     */
    record Candidate(long outstanding, int seen, long lastTaken, boolean failed) {
        long cost(int promptTokens) {
            return outstanding + Math.max(0, promptTokens - seen);
        }
    }

    /** Index of the pick; empty where all have failed or there is none. */
    static OptionalInt choose(List<Candidate> candidates, int promptTokens) {
        int best = -1;
        for (int i = 0; i < candidates.size(); i++) {
            if (!candidates.get(i).failed()
                    && (best < 0 || better(candidates.get(i), candidates.get(best), promptTokens))) {
                best = i;
            }
        }
        return best < 0 ? OptionalInt.empty() : OptionalInt.of(best);
    }

    private static boolean better(Candidate one, Candidate other, int promptTokens) {
        long cost = one.cost(promptTokens);
        long otherCost = other.cost(promptTokens);
        return cost != otherCost ? cost < otherCost : one.lastTaken() < other.lastTaken();
    }

    /**
     * Tokens that an answer stands for. How long it gets is not known, so a request that allows for the whole context
     * weighs no more than one that allows for 1024 tokens.
     */
    static long answerCost(int maxTokens) {
        return Math.min(maxTokens, ANSWER_WEIGHT);
    }
}
