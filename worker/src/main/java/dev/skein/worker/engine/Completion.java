package dev.skein.worker.engine;

import java.util.OptionalInt;

/**
 * How a sequence ended and where its time went.
 *
 * @param cachedTokens prompt ids that the prefix cache had; an earlier attempt's output counts where it is resumed
 * @param stopTokenId the request's stop id that ended it; empty for an end-of-sequence id of the model
 */
public record Completion(
        Reason reason,
        OptionalInt stopTokenId,
        long queueNanos,
        long prefillNanos,
        long decodeNanos,
        int preemptions,
        int cachedTokens) {

    /** Why. */
    public enum Reason {
        /** An end-of-sequence id or a stop id. */
        STOP,
        /** max_tokens or the context is used up. */
        LENGTH
    }
}
