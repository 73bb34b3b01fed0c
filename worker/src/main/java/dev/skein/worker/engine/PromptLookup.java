package dev.skein.worker.engine;

/**
 * Drafts by looking back (Saxena, "Prompt Lookup Decoding", 2023): where the last ids of a sequence stood before, what
 * followed them there may follow again. Good for answers that quote their prompt; free of any second model.
 *
 * <p>A draft changes no token. The model computes the logits at every drafted place in one step, and ids are taken from
 * them one after the other just as without drafts, for as long as the id taken is the one that was drafted.
 *
 * @param tokens drafted at most for a step
 * @param least ids that must match
 * @param most ids that are tried to match, before fewer
 */
public record PromptLookup(int tokens, int least, int most) {
    /** Drafted for one sequence at most. */
    public static final int MOST_TOKENS = 32;

    private static final int LONGEST_MATCH = 64;

    public PromptLookup {
        if (tokens < 1 || tokens > MOST_TOKENS) {
            throw new IllegalArgumentException(
                    "num_speculative_tokens is %d; it may be from 1 to %d".formatted(tokens, MOST_TOKENS));
        }
        if (least < 1 || most < least || most > LONGEST_MATCH) {
            throw new IllegalArgumentException(
                    "prompt_lookup_min is %d and prompt_lookup_max %d; they may be from 1 to %d, the first not above the second"
                            .formatted(least, most, LONGEST_MATCH));
        }
    }

    /**
     * Replaces `draft` by what followed the last time that most of the last ids stood there, or nothing if they never did. Text
     * that repeats itself goes on repeating.
     */
    void draft(IntList ids, int limit, IntList draft) {
        draft.clear();
        int size = ids.size();
        int best = 0;
        int after = 0;
        for (int end = size - 1; end >= least && best < most; end--) {
            int match = matching(ids, end);
            if (match > best) {
                best = match;
                after = end;
            }
        }
        for (int i = after; best >= least && draft.size() < Math.min(tokens, limit); i++) {
            draft.add(i < size ? ids.get(i) : draft.get(i - size));
        }
    }

    /** How many ids before `end` are the sequence's last ones; no more than are looked for. */
    private int matching(IntList ids, int end) {
        int match = 0;
        while (match < most && match < end && ids.get(end - 1 - match) == ids.get(ids.size() - 1 - match)) {
            match++;
        }
        return match;
    }
}
