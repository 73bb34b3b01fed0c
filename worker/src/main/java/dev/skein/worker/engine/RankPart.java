package dev.skein.worker.engine;

import dev.skein.compute.Backend;
import dev.skein.compute.KvCache;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepOutputs;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Architecture.LoadProgress;
import dev.skein.worker.model.ForwardPass;
import dev.skein.worker.model.Shard;
import org.jspecify.annotations.Nullable;

/** What one rank of a group computes of every step, with a backend of its own. */
final class RankPart implements AutoCloseable {
    private final Architecture architecture;
    private final Backend backend;
    private @Nullable Links links;
    private @Nullable ForwardPass model;
    private @Nullable Runnable pass;

    /** @param backend closed with the part */
    RankPart(Architecture architecture, Backend backend) {
        this.architecture = architecture;
        this.backend = backend;
    }

    Shard shard() {
        return architecture.shard();
    }

    void load(StepInputs.Limits limits, int blocks, LoadProgress progress) {
        KvCache cache = backend.kvCache(architecture.cache(blocks));
        ForwardPass loaded = architecture.load(backend, limits, progress);
        model = loaded;
        pass = () -> loaded.enqueue(cache);
    }

    /** @param others closed when the part leaves them or is closed */
    void join(Links others) {
        links = others;
        backend.join(others.tensor(), others.previous(), others.next());
    }

    /** Lets go of the others, and keeps the weights. */
    void leave() {
        if (links != null) {
            links.close();
            links = null;
            backend.join(null, null, null);
        }
    }

    /** Computes what comes before the head, or enqueues it where nobody has to wait for it. */
    void begin(StepInputs inputs) {
        if (model == null || pass == null) {
            throw new IllegalStateException("rank %d has not loaded its part".formatted(shard().rank()));
        }
        backend.begin(inputs);
        if (!shard().firstStage()) {
            backend.receive(model.rows());
        }
        backend.enqueue(pass);
    }

    /** Hands the rows on, with the step that they belong to; or returns the outputs if there is nobody to go on. */
    StepOutputs end(StepMessage step) {
        if (links != null && links.next() != null && model != null) {
            backend.flush();
            step.tell(links.next());
            backend.send(model.rows());
        }
        return backend.finish();
    }

    @Override
    public void close() {
        leave();
        backend.close();
    }
}
