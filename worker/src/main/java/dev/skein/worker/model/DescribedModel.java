package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.KvCache;
import dev.skein.compute.OwnMemory;
import dev.skein.compute.StepInputs;
import java.util.List;

/** A checkpoint whose parts have all been found, and that part of it that this rank computes. */
final class DescribedModel implements Architecture {
    private final Checkpoint checkpoint;
    private final ModelConfig config;
    private final Shard shard;
    private final CheckedParts parts;

    private DescribedModel(Checkpoint checkpoint, Shard shard) {
        this.checkpoint = checkpoint;
        this.shard = shard;
        config = checkpoint.config();
        parts = new CheckedParts(checkpoint, shard);
        config.family().decoder(parts);
    }

    static DescribedModel whole(Checkpoint checkpoint) {
        DescribedModel whole = new DescribedModel(checkpoint, Shard.whole(checkpoint.config()));
        whole.parts.refuseUnused();
        return whole;
    }

    @Override
    public List<Architecture> split(RankCount count) {
        return Split.of(config, parts::type, count).stream()
                .<Architecture>map(each -> new DescribedModel(checkpoint, each))
                .toList();
    }

    @Override
    public Shard shard() {
        return shard;
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
                shard.layers().size(),
                shard.keyValueHeads().size(),
                config.heads().size(),
                blocks);
    }

    @Override
    public long weightBytes() {
        return parts.weightBytes();
    }

    @Override
    public long activationBytes(StepInputs.Limits limits) {
        return parts.bufferBytes(limits);
    }

    @Override
    public long bytes(OwnMemory memory, StepInputs.Limits limits) {
        return parts.weightBytes(memory)
                + parts.bufferBytes(limits)
                + memory.workBytes(limits, config.vocabulary(), parts.largestWeight());
    }

    @Override
    public ForwardPass load(Backend backend, StepInputs.Limits limits, LoadProgress progress) {
        LoadedParts loaded = new LoadedParts(checkpoint, shard, backend, limits, progress);
        Decoder decoder = config.family().decoder(loaded);
        loaded.done();
        return new LoadedModel(decoder, backend, Decoder.residual(loaded));
    }

    private record LoadedModel(Decoder decoder, Backend backend, Buffer rows) implements ForwardPass {
        @Override
        public void enqueue(KvCache cache) {
            decoder.enqueue(backend, cache);
        }
    }
}
