package dev.skein.gateway.traffic;

import java.util.List;
import java.util.OptionalInt;

/** Which leader takes a request: of those that have not failed it, the one with the fewest tokens to do. */
final class Routing {
    private static final int ANSWER_WEIGHT = 1024;

    private Routing() {}

    /**
     * @param outstanding tokens to do
     * @param failed whether it failed this request before
     */
    record Candidate(long outstanding, boolean failed) {}

    /** Index of the pick, the first of equals; empty where all have failed or there is none. */
    static OptionalInt choose(List<Candidate> candidates) {
        int best = -1;
        for (int i = 0; i < candidates.size(); i++) {
            Candidate candidate = candidates.get(i);
            if (!candidate.failed()
                    && (best < 0
                            || candidate.outstanding() < candidates.get(best).outstanding())) {
                best = i;
            }
        }
        return best < 0 ? OptionalInt.empty() : OptionalInt.of(best);
    }

    /**
     * Tokens that a request stands for. How long an answer gets is not known, so a request that allows for the whole
     * context weighs no more than one that allows for 1024 tokens.
     */
    static long cost(int promptTokens, int maxTokens) {
        return promptTokens + (long) Math.min(maxTokens, ANSWER_WEIGHT);
    }
}
