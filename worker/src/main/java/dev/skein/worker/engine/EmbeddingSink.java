package dev.skein.worker.engine;

/**
 * Hears what comes of a request for vectors: one of the two, once, unless it is cancelled. Called by the loop's thread,
 * which waits: an implementation hands on and returns.
 */
public interface EmbeddingSink {

    /**
     * All vectors are there.
     *
     * @param vectors in the order of the texts
     * @param queueNanos from the submission to the first step that computed a text of it
     * @param computeNanos from there to the end of the last
     */
    void done(float[][] vectors, long queueNanos, long computeNanos);

    void failed(EngineException reason);
}
