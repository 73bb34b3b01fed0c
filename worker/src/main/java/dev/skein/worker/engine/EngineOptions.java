package dev.skein.worker.engine;

import dev.skein.compute.StepInputs;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What an engine may take on.
 *
 * @param maxModelLen prompt and output ids of a sequence together
 * @param maxNumSeqs sequences in a step
 * @param maxNumBatchedTokens tokens in a step
 * @param blocks of the cache
 * @param maxQueued requests that wait for their first step
 * @param maxLogprobs likeliest ids that may be asked for
 * @param seed of the seeds of requests that bring none
 * @param eosTokenIds ids that end a sequence
 * @param prefixCaching whether blocks of prompts and answers are kept, to be found by later requests
 * @param byPriority whether requests go by their priority before their arrival
 * @param speculation how answers are drafted; null for not at all
 */
public record EngineOptions(
        int maxModelLen,
        int maxNumSeqs,
        int maxNumBatchedTokens,
        int blocks,
        int maxQueued,
        int maxLogprobs,
        long seed,
        Set<Integer> eosTokenIds,
        boolean prefixCaching,
        boolean byPriority,
        @Nullable PromptLookup speculation) {

    /** Rows of logits in a step for scored prompts: each takes a whole row of the vocabulary. */
    private static final int MAX_SCORED_ROWS = 64;
    /** And for drafts. */
    private static final int MAX_DRAFT_ROWS = 64;

    public EngineOptions {
        eosTokenIds = Set.copyOf(eosTokenIds);
        if (maxModelLen < 1 || Sequence.blocksFor(maxModelLen) > blocks) {
            throw new IllegalArgumentException(
                    "a sequence of %d tokens does not fit into %d blocks".formatted(maxModelLen, blocks));
        }
        if (maxQueued < 1) {
            throw new IllegalArgumentException("a queue of %d requests; it must be 1 or more".formatted(maxQueued));
        }
    }

    /**
     * What the planner may put into a step.
     *
     * @param depth steps that are under way at once
     */
    Planner.Limits plannerLimits(int depth) {
        return new Planner.Limits(maxNumBatchedTokens, maxNumSeqs, scoredRows(maxNumBatchedTokens), draftRows(), depth);
    }

    private static int scoredRows(int maxNumBatchedTokens) {
        return Math.min(MAX_SCORED_ROWS, maxNumBatchedTokens);
    }

    private int draftRows() {
        return speculation == null ? 0 : MAX_DRAFT_ROWS;
    }

    /** What a step's inputs hold at most. */
    public StepInputs.Limits stepLimits() {
        return stepLimits(maxModelLen, maxNumSeqs, maxNumBatchedTokens, blocks, draftRows());
    }

    /** What a step's inputs hold at most, whatever the length of sequences: for asking what activations take. */
    public static StepInputs.Limits mostStep(int maxNumSeqs, int maxNumBatchedTokens) {
        return stepLimits(1, maxNumSeqs, maxNumBatchedTokens, 1, MAX_DRAFT_ROWS);
    }

    private static StepInputs.Limits stepLimits(
            int maxModelLen, int maxNumSeqs, int maxNumBatchedTokens, int blocks, int draftRows) {
        long tables = Math.min(blocks, (long) maxNumSeqs * Sequence.blocksFor(maxModelLen));
        return new StepInputs.Limits(
                maxNumBatchedTokens,
                maxNumSeqs,
                maxNumSeqs + scoredRows(maxNumBatchedTokens) + draftRows,
                (int) tables,
                maxModelLen);
    }
}
