package dev.skein.worker.engine;

import dev.skein.compute.ComputeException;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepOutputs;
import dev.skein.worker.model.Architecture.LoadProgress;
import java.util.concurrent.CompletableFuture;

/**
 * Computes what the engine planned: on this rank alone, or on all ranks of a group. The step loop's thread makes all
 * calls.
 */
public interface Stepper extends AutoCloseable {
    /** How many steps may be under way at once: as many as there are stages. */
    int depth();

    /** Whether one step more than {@link #depth} may be under way, if its ids name those that the one before it will bring. */
    default boolean runsAhead() {
        return false;
    }

    /** Loads the model; the first call. */
    void load(LoadProgress progress);

    /**
     * Done, on any thread, with the reason when steps would fail for good, also while none is under way that would say so.
     * Never failed. One future for each {@link #load} and {@link #resume}.
     */
    default CompletableFuture<ComputeException> broken() {
        return new CompletableFuture<>();
    }

    /**
     * Gives up all steps under way and all that the cache holds after a fatal failure, but not the weights.
     *
     * @return done, on any thread, when {@link #resume} may be called; failed if there is no way on
     */
    default CompletableFuture<Void> recover(ComputeException failure) {
        return CompletableFuture.failedFuture(failure);
    }

    /**
     * Takes steps again, with an empty cache.
     *
     * @throws ComputeException if that fails too; {@link #recover} may be called with it
     */
    default void resume() {
        throw new IllegalStateException("nothing was recovered");
    }

    /**
     * Starts a step. The inputs may be changed again when it returns.
     *
     * @throws ComputeException as {@link #take} does
     */
    void submit(StepInputs inputs);

    /**
     * Waits for the oldest step under way.
     *
     * @return valid until the next call
     * @throws ComputeException if the step failed; unless it is {@linkplain ComputeException#fatal fatal}, other steps
     *     go on
     */
    StepOutputs take();

    /** Frees everything. */
    @Override
    void close();
}
