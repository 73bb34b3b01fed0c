package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.KvCache;
import dev.skein.compute.OwnMemory;
import dev.skein.compute.StepInputs;
import java.util.List;
import java.util.Optional;

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
        config.family().network(parts);
    }

    static DescribedModel whole(Checkpoint checkpoint) {
        DescribedModel whole = new DescribedModel(checkpoint, Shard.whole(checkpoint.config()));
        whole.parts.refuseUnused();
        return whole;
    }

    @Override
    public List<Architecture> split(RankCount count) {
        if (parts.embeds()) {
            throw new IllegalArgumentException(
                    "%s is an embedding model; such a model is not split over ranks".formatted(checkpoint.path()));
        }
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
        return checkpoint
                .embedding()
                .flatMap(each -> each.longest().stream().boxed().findFirst())
                .map(longest -> Math.min(longest, config.context()))
                .orElse(config.context());
    }

    @Override
    public int hidden() {
        return config.hidden();
    }

    @Override
    public Optional<EmbeddingConfig> embedding() {
        return checkpoint.embedding();
    }

    @Override
    public KvCache.Shape cache(int blocks) {
        return new KvCache.Shape(
                parts.embeds() ? 1 : shard.layers().size(),
                shard.keyValueHeads().size(),
                config.heads().size(),
                blocks);
    }

    @Override
    public boolean hasWholeGroups() {
        return shard.attention(config, shard.layers().from()).hasWholeGroups();
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
    public DeviceBytes bytes(OwnMemory memory, StepInputs.Limits limits) {
        return new DeviceBytes(
                parts.weightBytes(memory),
                parts.ownBufferBytes(limits) + memory.workBytes(limits, config.vocabulary(), parts.largestWeight()),
                parts.expertBytes(memory, limits));
    }

    @Override
    public ForwardPass load(Backend backend, StepInputs.Limits limits, LoadProgress progress) {
        LoadedParts loaded = new LoadedParts(checkpoint, shard, backend, limits, progress);
        Network network = config.family().network(loaded);
        loaded.done();
        return new LoadedModel(network, backend, loaded.embeds() ? Network.states(loaded) : Decoder.residual(loaded));
    }

    private record LoadedModel(Network network, Backend backend, Buffer rows) implements ForwardPass {
        @Override
        public void enqueue(KvCache cache) {
            network.enqueue(backend, cache);
        }
    }
}
