package dev.skein.worker.model;

import dev.skein.compute.Buffer;
import dev.skein.compute.KvCache;

/** A loaded model, or a rank's part of one. Used by the step loop's thread alone. */
public interface ForwardPass {

    /**
     * Enqueues the operations of one step, between the backend's {@link dev.skein.compute.Backend#begin begin} and
     * {@link dev.skein.compute.Backend#finish finish}. Waits for nothing.
     */
    void enqueue(KvCache cache);

    /**
     * The residual stream: what a stage of the pipeline gets from the one before, and leaves for the one after it. Of a
     * model that embeds, the state of each token after the last layer.
     */
    Buffer rows();
}
