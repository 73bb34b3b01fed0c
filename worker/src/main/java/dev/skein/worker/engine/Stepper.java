package dev.skein.worker.engine;

import dev.skein.compute.ComputeException;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepOutputs;
import dev.skein.worker.model.Architecture.LoadProgress;

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
