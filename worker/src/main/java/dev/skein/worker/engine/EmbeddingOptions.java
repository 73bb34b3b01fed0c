package dev.skein.worker.engine;

import dev.skein.compute.KvCache;
import dev.skein.compute.StepInputs;

/**
 * The sizes of a loop that embeds.
 *
 * @param maxModelLen ids of a text at most
 * @param maxNumSeqs texts in a step at most
 * @param maxNumBatchedTokens ids in a step at most; a text is never divided
 * @param maxQueued requests that may wait
 */
public record EmbeddingOptions(int maxModelLen, int maxNumSeqs, int maxNumBatchedTokens, int maxQueued) {
    public EmbeddingOptions {
        if (maxModelLen < 1 || maxNumSeqs < 1 || maxQueued < 1) {
            throw new IllegalArgumentException("texts of %d ids, %d at a time, %d waiting; each must be 1 or more"
                    .formatted(maxModelLen, maxNumSeqs, maxQueued));
        }
        if (maxNumBatchedTokens < maxModelLen) {
            throw new IllegalArgumentException(
                    "a step of %d ids does not hold a text of %d".formatted(maxNumBatchedTokens, maxModelLen));
        }
    }

    /** Blocks that a step's texts fill at most, each beginning a block of its own. */
    public int blocks() {
        return maxNumBatchedTokens / KvCache.BLOCK_SIZE + maxNumSeqs;
    }

    /** What a step's inputs hold at most. */
    public StepInputs.Limits stepLimits() {
        return new StepInputs.Limits(maxNumBatchedTokens, maxNumSeqs, 0, blocks(), 0);
    }
}
