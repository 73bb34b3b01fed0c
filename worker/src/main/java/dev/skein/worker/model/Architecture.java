package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.KvCache;
import dev.skein.compute.StepInputs;

/**
 * A model as its file describes it, before its weights are loaded. Making one reads and checks hyperparameters and the
 * shapes of all tensors, so whatever cannot be run is refused here.
 */
public interface Architecture {

    /**
     * The architecture that the file names.
     *
     * @throws GgufException if the architecture, or something in the file that would change its results, is unknown
     */
    static Architecture of(GgufFile file) {
        String name = file.metadata().requiredText("general.architecture");
        return switch (name) {
            case Llama.NAME -> new Llama(file);
            default ->
                throw new GgufException(
                        file.path(), "the architecture %s is not supported yet; %s is".formatted(name, Llama.NAME));
        };
    }

    /** The file's name for it. */
    String name();

    /** Rows of logits are this long. */
    int vocabularySize();

    /** Positions that the model was made for. */
    int contextLength();

    /** A cache of that many blocks. */
    KvCache.Shape cache(int blocks);

    /** About how many bytes the activations of a step take. */
    long activationBytes(StepInputs.Limits limits);

    /**
     * Copies the weights into the backend, and makes the buffers for steps within the limits. The file must stay open as
     * long as the backend. Called by the thread that runs the steps.
     */
    ForwardPass load(Backend backend, StepInputs.Limits limits, LoadProgress progress);

    /** Hears how far loading is. Called by the loading thread. */
    interface LoadProgress {
        void loaded(int parts, int of);
    }
}
