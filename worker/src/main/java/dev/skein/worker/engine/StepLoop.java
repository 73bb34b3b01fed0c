package dev.skein.worker.engine;

import java.util.concurrent.CompletableFuture;

/**
 * One platform thread that owns a backend, loads a model into it and computes step after step what it is asked for: an
 * {@link Engine} the sequences of a model that generates, an {@link EmbeddingEngine} the vectors of one that embeds.
 */
public sealed interface StepLoop extends AutoCloseable permits Engine, EmbeddingEngine {
    EngineStatistics statistics();

    /** Requests that the statistics do not know of yet. */
    int unseen();

    /** Of the cache that is kept between steps. */
    int blocks();

    /** Done when the weights are loaded; failed if they cannot be. */
    CompletableFuture<Void> loaded();

    /** Done with the reason if the loop breaks; never if it is closed. */
    CompletableFuture<Throwable> failure();

    /** Admits nothing more; done when all admitted requests have ended. */
    CompletableFuture<Void> drain();

    /** Ends what runs with UNAVAILABLE, and closes the backend. Waits for the step that is being computed. */
    @Override
    void close();
}
