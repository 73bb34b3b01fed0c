package dev.skein.worker.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.AttentionShape;
import dev.skein.compute.AttentionShape.Shared;
import dev.skein.compute.ElementType;
import dev.skein.compute.Rope;
import dev.skein.compute.StepInputs;
import dev.skein.worker.TestModel;
import dev.skein.worker.model.ModelConfig.Experts;
import dev.skein.worker.model.ModelConfig.Heads;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class SplitTest {
    private static final Rope ROPE = Rope.none();

    @TempDir
    private Path folder;

    private static ModelConfig config(int layers, int hidden, int feedForward, Heads heads, @Nullable Experts experts) {
        return new ModelConfig(
                Family.LLAMA, layers, hidden, feedForward, 49_152, 2048, 1e-5f, heads, ROPE, null, experts, null, true);
    }

    private static ModelConfig smol() {
        return new ModelConfig(
                Family.LLAMA,
                30,
                576,
                1536,
                49_152,
                2048,
                1e-5f,
                new Heads(9, 3, 64, 0.125f),
                ROPE,
                null,
                null,
                null,
                true);
    }

    private static List<Shard> split(ModelConfig config, ElementType type, int tensor, int pipeline) {
        return Split.of(config, _ -> type, new RankCount(tensor, pipeline));
    }

    /** The head in the middle is both ranks', with the keys and values of its group. */
    @Test
    void threeGroupsOfHeadsForTwoRanks() {
        List<Shard> shards = split(smol(), ElementType.Q4_1, 2, 1);
        Shard first = shards.getFirst();
        Shard second = shards.getLast();
        assertThat(first.keyValueHeads()).isEqualTo(new Span(0, 2));
        assertThat(first.queryHeads()).isEqualTo(new Span(0, 5));
        assertThat(second.keyValueHeads()).isEqualTo(new Span(1, 3));
        assertThat(second.queryHeads()).isEqualTo(new Span(4, 9));
        assertThat(second.attention(smol(), 0)).isEqualTo(new AttentionShape(5, 2, 64, 0.125f, 0, 3, 1, Shared.FIRST));
        assertThat(first.attention(smol(), 0)).isEqualTo(new AttentionShape(5, 2, 64, 0.125f, 0, 3, 0, Shared.LAST));
        assertThat(first.feedForward()).isEqualTo(new Span(0, 768));
        assertThat(second.feedForward()).isEqualTo(new Span(768, 1536));
        assertThat(first.vocabularies()).containsExactly(new Span(0, 24_576), new Span(24_576, 49_152));
    }

    /** A quarter of the head's bytes count, as much as two layers. */
    @Test
    void theLastStageHasFewerLayersAsItHasTheHead() {
        List<Shard> shards = split(smol(), ElementType.Q4_1, 1, 2);
        assertThat(shards.getFirst().layers()).isEqualTo(new Span(0, 16));
        assertThat(shards.getLast().layers()).isEqualTo(new Span(16, 30));
        assertThat(shards.getLast().cacheLayer(16)).isZero();
        assertThat(shards.getLast().samples()).isTrue();
        assertThat(shards.getFirst().samples()).isFalse();
    }

    @Test
    void ranksAreCountedStageAfterStage() {
        List<Shard> shards = split(smol(), ElementType.Q4_1, 2, 2);
        for (int rank = 0; rank < 4; rank++) {
            assertThat(shards.get(rank).rank()).isEqualTo(rank);
            assertThat(shards.get(rank).stage()).isEqualTo(rank / 2);
            assertThat(shards.get(rank).tensorRank()).isEqualTo(rank % 2);
        }
    }

    @Test
    void fewerGroupsThanRanksAreHeldByMoreThanOne() {
        ModelConfig config = config(2, 512, 1024, new Heads(8, 2, 64, 1), null);
        List<Shard> shards = split(config, ElementType.F16, 4, 1);
        assertThat(shards)
                .extracting(Shard::keyValueHeads)
                .containsExactly(new Span(0, 1), new Span(0, 1), new Span(1, 2), new Span(1, 2));
        assertThat(shards)
                .extracting(Shard::queryHeads)
                .containsExactly(new Span(0, 2), new Span(2, 4), new Span(4, 6), new Span(6, 8));
    }

    /** Eight groups for three ranks: 3 + 12 heads are no more than 4 + 11. */
    @Test
    void groupsStayWholeWherePartingThemWinsNothing() {
        ModelConfig config = config(2, 2048, 4096, new Heads(32, 8, 64, 1), null);
        List<Shard> shards = split(config, ElementType.Q4_1, 3, 1);
        assertThat(shards)
                .extracting(Shard::keyValueHeads)
                .containsExactly(new Span(0, 3), new Span(3, 6), new Span(6, 8));
    }

    /** Blocks of 256 are not cut: heads of 64 stay together by fours. */
    @Test
    void longBlocksKeepHeadsTogether() {
        ModelConfig config = config(2, 1024, 2048, new Heads(16, 16, 64, 1), null);
        List<Shard> shards = split(config, ElementType.Q4_K, 3, 1);
        assertThat(shards)
                .extracting(Shard::queryHeads)
                .containsExactly(new Span(0, 8), new Span(8, 12), new Span(12, 16));
        assertThat(shards)
                .allSatisfy(each -> assertThat(each.feedForward().from() % 256).isZero());
    }

    @Test
    void refusesWhatCannotBeSplit() {
        assertRefused(
                smol(),
                ElementType.Q4_1,
                10,
                1,
                "--tensor-parallel-size 10: the model has 3 query heads of a group, which is too few for 4 ranks");
        assertRefused(
                config(2, 768, 1024, new Heads(12, 6, 64, 1), null),
                ElementType.Q4_K,
                4,
                1,
                "--tensor-parallel-size 4: the model has 6 groups of heads that can be parted after every 2 only");
        assertRefused(
                smol(),
                ElementType.Q4_1,
                1,
                31,
                "--pipeline-parallel-size 31: the model has 30 layers, and each stage needs one");
        ModelConfig narrow = config(2, 512, 64, new Heads(8, 8, 64, 1), null);
        assertRefused(
                narrow,
                ElementType.Q8_0,
                4,
                1,
                "--tensor-parallel-size 4: the model has 64 feed-forward columns that can be parted after every 32 only");
    }

    private static void assertRefused(ModelConfig config, ElementType type, int tensor, int pipeline, String why) {
        assertThatThrownBy(() -> split(config, type, tensor, pipeline))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(why);
    }

    /** Every head, column, row and layer is somebody's, none is cut inside a block, and nobody has much more than others. */
    @Test
    void everythingIsSomebodys() {
        long seed = System.nanoTime();
        System.out.println("SplitTest: seed " + seed);
        Random random = new Random(seed);
        int split = 0;
        for (int i = 0; i < 5000; i++) {
            int keyValues = 1 + random.nextInt(16);
            Heads heads = new Heads(keyValues * (1 + random.nextInt(8)), keyValues, 32 * (1 + random.nextInt(4)), 1);
            int inner = 256 * (1 + random.nextInt(40));
            Experts experts =
                    random.nextInt(3) == 0 ? new Experts(8, 2, 256 * (1 + random.nextInt(8)), true, Set.of(0)) : null;
            ModelConfig config = config(2 + random.nextInt(40), 256 * (1 + random.nextInt(16)), inner, heads, experts);
            ElementType type = ElementType.values()[random.nextInt(ElementType.values().length)];
            if (heads.queryColumns() % type.blockElements() > 0) {
                continue;
            }
            try {
                check(config, type, split(config, type, 1 + random.nextInt(8), 1 + random.nextInt(5)));
                split++;
            } catch (IllegalArgumentException tooMany) {
                assertThat(tooMany).hasMessageMatching("(?s)--(tensor|pipeline)-parallel-size .*");
            }
        }
        assertThat(split).isGreaterThan(1000);
    }

    private static void check(ModelConfig config, ElementType type, List<Shard> shards) {
        RankCount count = shards.getFirst().count();
        List<Shard> stage = shards.subList(0, count.tensor());
        int size = config.heads().size();
        covered(stage, SplitTest::ownHeads, config.heads().queries(), size, type);
        covered(stage, Shard::feedForward, config.feedForward(), 1, type);
        Experts experts = config.experts();
        if (experts != null) {
            covered(stage, Shard::expertFeedForward, experts.feedForward(), 1, type);
        }
        covered(stage, Shard::vocabulary, config.vocabulary(), 1, ElementType.F32);
        int at = 0;
        for (int s = 0; s < count.pipeline(); s++) {
            Span layers = shards.get(s * count.tensor()).layers();
            assertThat(layers.from()).isEqualTo(at);
            assertThat(layers.size()).isPositive();
            at = layers.to();
        }
        assertThat(at).isEqualTo(config.layers());
        int shared = config.heads().queries() / config.heads().keyValues();
        assertThat(stage).allSatisfy(each -> {
            assertThat(each.keyValueHeads().from()).isEqualTo(each.queryHeads().from() / shared);
            assertThat(each.keyValueHeads().to()).isEqualTo((each.queryHeads().to() - 1) / shared + 1);
            assertThat(each.attention(config, 0).queryHeads())
                    .isEqualTo(each.queryHeads().size());
        });
    }

    /** Without the head that the rank before counts. */
    private static Span ownHeads(Shard shard) {
        Span all = shard.queryHeads();
        return shard.sharedHead() == Shared.FIRST ? new Span(all.from() + 1, all.to()) : all;
    }

    private static void covered(List<Shard> stage, Function<Shard, Span> part, int all, int columns, ElementType type) {
        int at = 0;
        for (Shard shard : stage) {
            Span span = part.apply(shard);
            assertThat(span.from()).isEqualTo(at);
            assertThat(span.size()).isPositive();
            assertThat((long) span.from() * columns % type.blockElements()).isZero();
            at = span.to();
        }
        assertThat(at).isEqualTo(all);
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "mixtral", "qwen2", "qwen3", "qwen3moe", "qwen3moe-dense", "gemma3"})
    void eachOfTwoRanksHoldsHalf(String name) {
        Path path = new FamilyModel(name).folder(folder.resolve(name), ElementType.BF16);
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            Architecture whole = Architecture.of(checkpoint);
            for (Architecture part : whole.split(new RankCount(2, 1))) {
                // Norms and routers, and the type of vectors, make up for the rest.
                assertThat((double) part.weightBytes() / whole.weightBytes()).isBetween(0.45, 0.56);
                assertThat(part.cache(8).bytes()).isEqualTo(whole.cache(8).bytes() / 2);
            }
        }
    }

    @Test
    void theDefaultModelsRanksHoldTheirShare() {
        StepInputs.Limits limits = new StepInputs.Limits(2048, 256, 320, 4096, 2048);
        try (Checkpoint checkpoint = Checkpoint.open(TestModel.path())) {
            Architecture whole = Architecture.of(checkpoint);
            long all = whole.weightBytes();
            for (Architecture part : whole.split(new RankCount(2, 1))) {
                assertThat((double) part.weightBytes() / all).isBetween(0.46, 0.54);
                assertThat(part.activationBytes(limits)).isLessThan(2 * whole.activationBytes(limits));
            }
            List<Architecture> four = whole.split(new RankCount(2, 2));
            assertThat(four.stream().mapToLong(Architecture::weightBytes).sum()).isBetween(all, all + all / 25);
            assertThat(four).allSatisfy(part -> assertThat(part.weightBytes()).isLessThan(2 * all / 5));
            // Of three heads of keys and values two ranks hold the one in the middle.
            assertThat(four.stream().mapToLong(part -> part.cache(1).bytes()).sum())
                    .isEqualTo(whole.cache(1).bytes() * 4 / 3);
        }
    }
}
