package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.KvCache;

/** What a model computes in a step, as a sequence of operations: of a decoder or of an encoder. */
sealed interface Network permits Decoder, Bert {
    void enqueue(Backend backend, KvCache cache);

    /** Where a model that embeds leaves its tokens' last states. */
    static Buffer states(Parts parts) {
        return parts.tokens("states", parts.config().hidden());
    }
}
