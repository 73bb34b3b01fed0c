package dev.skein.worker.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.compute.Backend;
import dev.skein.compute.ElementType;
import dev.skein.compute.cpu.CpuBackends;
import dev.skein.compute.cpu.CpuOptions;
import dev.skein.compute.cpu.JavaBackend;
import dev.skein.worker.engine.TestEngine.Size;
import dev.skein.worker.model.FamilyModel;
import dev.skein.worker.model.RankCount;
import dev.skein.worker.model.TinyLlama;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/** Groups whose ranks are threads: each computes its part, and all together what one rank computes. */
final class GroupTest {
    private static final Size SIZE = new Size(8, 256, 256, 100);

    @TempDir
    private Path folder;

    record Case(String family, RankCount count) {}

    static Stream<Case> families() {
        return FamiliesTest.FAMILIES.stream()
                .flatMap(family -> Stream.of(new RankCount(2, 1), new RankCount(1, 2), new RankCount(2, 2))
                        .map(count -> new Case(family, count)));
    }

    @ParameterizedTest
    @MethodSource("families")
    void everyFamilyIsComputedAsTransformersDoes(Case each) {
        FamilyModel model = new FamilyModel(each.family);
        compare(model, model.folder(folder.resolve(each.family), ElementType.F32), each.count, GroupTest::cpu);
    }

    /** Two heads of keys for four ranks: two of them have the same. */
    @Test
    void keysAreReplicatedWhereThereAreFewerThanRanks() {
        FamilyModel model = new FamilyModel("qwen2");
        compare(model, model.folder(folder.resolve("four"), ElementType.BF16), new RankCount(4, 1), GroupTest::cpu);
    }

    @Test
    void plainJavaComputesInGroupsToo() {
        FamilyModel model = new FamilyModel("qwen3moe-dense");
        Path path = model.folder(folder.resolve("plain"), ElementType.F32);
        compare(model, path, new RankCount(2, 2), JavaBackend::new);
    }

    private static Backend cpu() {
        return CpuBackends.choose(CpuOptions.defaults().withThreads(1));
    }

    private static void compare(FamilyModel model, Path path, RankCount count, Supplier<Backend> backends) {
        try (TestEngine engine = new TestEngine(path, SIZE, 256, count, backends, null)) {
            List<Collected> answers = new ArrayList<>();
            for (JsonNode each : model.prompts().values()) {
                answers.add(
                        engine.submit(FamiliesTest.ints(each.get("prompt")), FamiliesTest.GREEDY, FamiliesTest.OUTPUT));
            }
            double worst = 0;
            for (int i = 0; i < answers.size(); i++) {
                answers.get(i).completion();
                worst = Math.max(worst, FamiliesTest.compare(model.prompts().get(i), answers.get(i)));
            }
            System.out.printf("GroupTest: %s, %s: largest logprob difference %.5f%n", path.getFileName(), count, worst);
            assertThat(worst).isLessThan(FamiliesTest.LOGPROB);
            assertThat(engine.broken()).isEmpty();
        }
    }

    /** All that a request may ask for comes back from the last stage as from one rank, also in chunks and preempted. */
    @Test
    void aPipelineAnswersAsOneRank() {
        Path path = TinyLlama.untied(ElementType.Q8_0, 3).write(folder.resolve("tiny.gguf"));
        List<Sampling> samplings = List.of(
                Samplings.greedy().ends(0, true).value(),
                Samplings.greedy()
                        .ends(0, true)
                        .random(1.5f, OptionalLong.of(42))
                        .logprobs(OptionalInt.of(5), OptionalInt.of(3))
                        .value(),
                Samplings.greedy()
                        .ends(4, false)
                        .penalties(1.3f, 0.2f, 0.1f)
                        .random(1f, OptionalLong.of(6))
                        .value());
        for (Size size : List.of(SIZE, new Size(4, 16, 256, 100), new Size(8, 256, 16, 100))) {
            for (Sampling sampling : samplings) {
                Map<String, List<Collected>> answers = Map.of(
                        "group",
                        answers(new TestEngine(path, size, 128, new RankCount(1, 2), JavaBackend::new, null), sampling),
                        "drafting",
                        answers(
                                new TestEngine(
                                        path,
                                        size,
                                        128,
                                        new RankCount(1, 2),
                                        JavaBackend::new,
                                        new PromptLookup(4, 1, 3)),
                                sampling));
                List<Collected> alone = answers(new TestEngine(path, size, 128), sampling);
                answers.forEach((name, group) -> {
                    for (int i = 0; i < alone.size(); i++) {
                        assertThat(group.get(i).ids())
                                .as("%s, %s", name, size)
                                .isEqualTo(alone.get(i).ids());
                        assertSameBits(group.get(i).logprobs(), alone.get(i).logprobs());
                    }
                });
            }
        }
    }

    private static List<Collected> answers(TestEngine engine, Sampling sampling) {
        try (engine) {
            Random random = new Random(3);
            List<Collected> answers = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                int[] prompt = random.ints(5 + 9 * i, 3, TinyLlama.VOCABULARY).toArray();
                answers.add(engine.submit(prompt, sampling, 24));
            }
            answers.forEach(Collected::completion);
            assertThat(engine.broken()).isEmpty();
            return answers;
        }
    }

    private static void assertSameBits(List<TokenLogprobs> some, List<TokenLogprobs> others) {
        assertThat(some).hasSameSizeAs(others);
        for (int i = 0; i < some.size(); i++) {
            assertThat(some.get(i).logprob()).isEqualTo(others.get(i).logprob());
            assertThat(some.get(i).rank()).isEqualTo(others.get(i).rank());
            assertThat(some.get(i).topIds()).containsExactly(others.get(i).topIds());
            assertThat(some.get(i).topLogprobs()).containsExactly(others.get(i).topLogprobs());
        }
    }
}
