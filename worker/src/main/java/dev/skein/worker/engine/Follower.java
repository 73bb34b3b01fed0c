package dev.skein.worker.engine;

import static java.util.Objects.requireNonNull;

import dev.skein.compute.Backend;
import dev.skein.compute.ComputeException;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepOutputs;
import dev.skein.compute.collective.Collective;
import dev.skein.compute.collective.CollectiveException;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Architecture.LoadProgress;
import dev.skein.worker.model.Shard;

/**
 * A rank that is not the leader: holds its part of the weights and of the cache, and computes its part of each step that
 * it is told. It plans nothing and knows no request. One thread makes all calls.
 */
public final class Follower implements AutoCloseable {
    private final RankPart part;
    private final StepInputs inputs;
    private final StepMessage step = new StepMessage();
    private final ResultMessage result = new ResultMessage();

    /**
     * Loads the weights.
     *
     * @param backend closed with the follower
     * @param limits of the leader's steps
     * @param blocks of the cache on every rank
     */
    public Follower(
            Architecture architecture, Backend backend, StepInputs.Limits limits, int blocks, LoadProgress progress) {
        part = new RankPart(architecture, backend);
        inputs = new StepInputs(limits);
        part.load(limits, blocks, progress);
    }

    /**
     * Computes step after step until the leader says that there are no more. May be called again with other links.
     *
     * @param links closed in any case
     * @throws CollectiveException if another rank is gone; this one has its weights still
     * @throws ComputeException if this one cannot go on
     */
    public void run(Links links) {
        part.join(links);
        try {
            computeAll(links);
        } catch (ComputeException broken) {
            links.abort(String.valueOf(broken.getMessage()));
            throw broken;
        } finally {
            part.leave();
        }
    }

    private void computeAll(Links links) {
        Shard shard = part.shard();
        Collective told = requireNonNull(shard.firstStage() ? links.tensor() : links.previous());
        step.await(told);
        while (!step.stops()) {
            step.inputs(inputs);
            part.begin(inputs);
            end(links);
            step.await(told);
        }
        if (links.next() != null) {
            step.tell(links.next());
        }
    }

    private void end(Links links) {
        if (links.results() == null) {
            part.end(step);
            return;
        }
        try {
            StepOutputs outputs = part.end(step);
            result.outputs(outputs, inputs.outputs());
        } catch (ComputeException failed) {
            if (failed.fatal()) {
                throw failed;
            }
            result.failed(failed);
        }
        result.tell(links.results());
    }

    @Override
    public void close() {
        part.close();
        inputs.close();
        step.close();
        result.close();
    }
}
