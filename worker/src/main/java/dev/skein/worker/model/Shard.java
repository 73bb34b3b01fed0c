package dev.skein.worker.model;

import dev.skein.compute.AttentionShape;
import java.util.List;

/**
 * The part of a model that one rank has: of some layers, some heads and columns. {@link Split} makes them.
 *
 * @param tensorRank which of the ranks that share these layers
 * @param stage which part of the layers
 * @param keyValueHeads of keys and of values, some of which other ranks may have too
 * @param queryHeads those that read these keys and values
 * @param sharedHead which of them another rank has too
 * @param feedForward columns between the halves of a feed-forward layer
 * @param expertFeedForward the same of each expert; empty where there are none
 * @param vocabularies rows of the head, of each tensor rank
 */
public record Shard(
        RankCount count,
        int tensorRank,
        int stage,
        Span layers,
        Span keyValueHeads,
        Span queryHeads,
        AttentionShape.Shared sharedHead,
        Span feedForward,
        Span expertFeedForward,
        List<Span> vocabularies) {

    public Shard {
        vocabularies = List.copyOf(vocabularies);
    }

    /** All of a model. */
    static Shard whole(ModelConfig config) {
        ModelConfig.Experts experts = config.experts();
        return new Shard(
                RankCount.ONE,
                0,
                0,
                Span.all(config.layers()),
                Span.all(config.heads().keyValues()),
                Span.all(config.heads().queries()),
                AttentionShape.Shared.NONE,
                Span.all(config.feedForward()),
                Span.all(experts == null ? 0 : experts.feedForward()),
                List.of(Span.all(config.vocabulary())));
    }

    /** Its place in the group: stage after stage, as vLLM counts them. */
    public int rank() {
        return stage * count.tensor() + tensorRank;
    }

    public boolean firstStage() {
        return stage == 0;
    }

    public boolean lastStage() {
        return stage == count.pipeline() - 1;
    }

    /** Whether other ranks have parts of the same layers. */
    public boolean shared() {
        return count.tensor() > 1;
    }

    /** Whether logits come together here. */
    public boolean samples() {
        return lastStage() && tensorRank == 0;
    }

    Span vocabulary() {
        return vocabularies.get(tensorRank);
    }

    /** Where a layer's keys and values are in this rank's cache. */
    int cacheLayer(int layer) {
        return layer - layers.from();
    }

    AttentionShape attention(ModelConfig config, int layer) {
        return config.attention(layer).part(queryHeads.from(), queryHeads.size(), sharedHead);
    }
}
