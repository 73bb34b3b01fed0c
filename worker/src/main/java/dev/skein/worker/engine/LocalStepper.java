package dev.skein.worker.engine;

import dev.skein.compute.Backend;
import dev.skein.compute.KvCache;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepOutputs;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Architecture.LoadProgress;
import dev.skein.worker.model.ForwardPass;
import org.jspecify.annotations.Nullable;

/** A whole model on one backend. */
final class LocalStepper implements Stepper {
    private final EngineOptions options;
    private final Architecture architecture;
    private final Backend backend;
    private @Nullable Runnable pass;

    LocalStepper(EngineOptions options, Architecture architecture, Backend backend) {
        this.options = options;
        this.architecture = architecture;
        this.backend = backend;
    }

    @Override
    public int depth() {
        return 1;
    }

    @Override
    public boolean runsAhead() {
        return backend.runsAhead();
    }

    @Override
    public void load(LoadProgress progress) {
        KvCache cache = backend.kvCache(architecture.cache(options.blocks()));
        ForwardPass model = architecture.load(backend, options.stepLimits(), progress);
        pass = () -> model.enqueue(cache);
    }

    @Override
    public void submit(StepInputs inputs) {
        Runnable enqueued = pass;
        if (enqueued == null) {
            throw new IllegalStateException("the model is not loaded");
        }
        backend.begin(inputs);
        backend.enqueue(enqueued);
        backend.submit();
    }

    @Override
    public StepOutputs take() {
        return backend.finish();
    }

    @Override
    public void close() {
        backend.close();
    }
}
