package dev.skein.worker.engine;

import java.util.OptionalInt;

/**
 * How a sequence ended and where its time went.
 *
 * @param stopTokenId the request's stop id that ended it; empty for an end-of-sequence id of the model
 */
public record Completion(
        Reason reason, OptionalInt stopTokenId, long queueNanos, long prefillNanos, long decodeNanos, int preemptions) {

    /** Why. */
    public enum Reason {
        /** An end-of-sequence id or a stop id. */
        STOP,
        /** max_tokens or the context is used up. */
        LENGTH
    }
}
