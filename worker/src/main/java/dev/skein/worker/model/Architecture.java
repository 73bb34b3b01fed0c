package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.KvCache;
import dev.skein.compute.OwnMemory;
import dev.skein.compute.StepInputs;
import java.util.List;
import java.util.Optional;

/**
 * A model as its checkpoint describes it, before its weights are loaded. Making one finds all tensors and checks their
 * shapes, so whatever cannot be run is refused here.
 */
public interface Architecture {

    /**
     * The model of a checkpoint.
     *
     * @throws CheckpointException if a tensor is missing, has another shape, or is not part of such a model
     */
    static Architecture of(Checkpoint checkpoint) {
        return DescribedModel.whole(checkpoint);
    }

    /**
     * The parts of so many ranks, in the order of ranks: stage after stage.
     *
     * @throws IllegalArgumentException if the model cannot be split so; the message has the numbers
     */
    List<Architecture> split(RankCount count);

    /** Which part of the model it is. */
    Shard shard();

    /** The family's name. */
    String name();

    /** Rows of logits are this long. */
    int vocabularySize();

    /** Positions that the model was made for, or fewer if it says so. */
    int contextLength();

    /** Elements of a state. */
    int hidden();

    /** How it makes vectors of texts; empty where it generates. */
    Optional<EmbeddingConfig> embedding();

    /** A cache of that many blocks: of all layers, or of one where a text is computed in one step. */
    KvCache.Shape cache(int blocks);

    /** Whether the query heads that share a key and value head here are all that do, or all of them share one. */
    boolean hasWholeGroups();

    /** Bytes of the weights in the files, but for the embedding table, which is read there. */
    long weightBytes();

    /** About how many bytes the activations of a step take. */
    long activationBytes(StepInputs.Limits limits);

    /** About how many bytes all but the cache takes on a device with its own memory, for steps within the limits. */
    DeviceBytes bytes(OwnMemory memory, StepInputs.Limits limits);

    /**
     * Copies the weights into the backend, and makes the buffers for steps within the limits. The checkpoint must stay
     * open as long as the backend. Called by the thread that runs the steps.
     */
    ForwardPass load(Backend backend, StepInputs.Limits limits, LoadProgress progress);

    /** Hears how far loading is. Called by the loading thread. */
    interface LoadProgress {
        void loaded(int parts, int of);
    }
}
