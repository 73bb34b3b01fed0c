package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.KvCache;
import dev.skein.compute.StepInputs;

/** A checkpoint whose parts have all been found. */
final class DescribedModel implements Architecture {
    private final Checkpoint checkpoint;
    private final ModelConfig config;
    private final CheckedParts parts;

    DescribedModel(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
        config = checkpoint.config();
        parts = new CheckedParts(checkpoint);
        config.family().decoder(parts);
        parts.refuseUnused();
    }

    @Override
    public String name() {
        return config.family().label();
    }

    @Override
    public int vocabularySize() {
        return config.vocabulary();
    }

    @Override
    public int contextLength() {
        return config.context();
    }

    @Override
    public KvCache.Shape cache(int blocks) {
        return new KvCache.Shape(
                config.layers(), config.heads().keyValues(), config.heads().size(), blocks);
    }

    @Override
    public long activationBytes(StepInputs.Limits limits) {
        return parts.bufferBytes(limits);
    }

    @Override
    public ForwardPass load(Backend backend, StepInputs.Limits limits, LoadProgress progress) {
        LoadedParts loaded = new LoadedParts(checkpoint, backend, limits, progress);
        Decoder decoder = config.family().decoder(loaded);
        loaded.done();
        return cache -> decoder.enqueue(backend, cache);
    }
}
