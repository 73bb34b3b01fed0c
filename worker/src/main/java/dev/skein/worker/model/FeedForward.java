package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;

/** The part of a layer that looks at each token by itself. */
sealed interface FeedForward permits GatedFeedForward, MixtureOfExperts {
    /** {@code inOut += feedForward(normed)}. */
    void add(Backend backend, Buffer inOut);
}
