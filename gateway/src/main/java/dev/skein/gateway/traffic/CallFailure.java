package dev.skein.gateway.traffic;

/**
 * Why a sequence ended without an end.
 *
 * @param kind what to tell the client
 * @param message the worker's or network's own words
 */
public record CallFailure(Kind kind, String message) {
    public enum Kind {
        /** The worker says that the request is wrong. */
        INVALID,
        /** The worker has no room for another one. */
        BUSY,
        /** Its time was up before a worker had begun with it. */
        QUEUED,
        /** Its time was up before it was done. */
        SLOW,
        /** No group became ready in time. */
        NO_GROUP,
        /** A group was lost, or its step failed, after the request had been given to it. */
        LOST
    }
}
