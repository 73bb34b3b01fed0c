package dev.skein.worker.model;

import dev.skein.compute.KvCache;

/** A loaded model. Used by the step loop's thread alone. */
public interface ForwardPass {

    /**
     * Enqueues the operations of one step, between the backend's {@link dev.skein.compute.Backend#begin begin} and
     * {@link dev.skein.compute.Backend#finish finish}. Waits for nothing.
     */
    void enqueue(KvCache cache);
}
