package dev.skein.worker.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.compute.Backend;
import dev.skein.compute.ElementType;
import dev.skein.worker.EmulatedGpu;
import dev.skein.worker.engine.TestEngine.Size;
import dev.skein.worker.model.FamilyModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** The engine on a GPU: a real one if a library was named, else the emulated one. */
final class CudaEngineTest {
    private static final Sampling GREEDY = Samplings.greedy().ends(0, true).value();

    @TempDir
    private Path folder;

    private EmulatedGpu gpu;

    @BeforeEach
    void open() {
        gpu = EmulatedGpu.orSkip();
    }

    @AfterEach
    void close() {
        if (gpu != null) {
            gpu.close();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"mistral", "qwen3", "qwen3moe", "gemma3"})
    void familiesAreComputedAsTransformersDoes(String name) {
        FamilyModel model = new FamilyModel(name);
        Path path = model.folder(folder.resolve(name), ElementType.F32);
        List<int[]> prompts = model.prompts().values().stream()
                .map(each -> each.get("prompt").values().stream()
                        .mapToInt(JsonNode::intValue)
                        .toArray())
                .toList();
        List<List<Integer>> expected = model.prompts().values().stream()
                .map(each -> each.get("output").values().stream()
                        .map(JsonNode::intValue)
                        .toList())
                .toList();
        assertThat(generate(path, new Size(8, 256, 256, 100), prompts, gpu.backend(true)))
                .as("launched or replayed, all together")
                .isEqualTo(expected);
        assertThat(generate(path, new Size(2, 16, 256, 100), prompts, gpu.backend(false)))
                .as("launched, two at a time and in chunks")
                .isEqualTo(expected);
    }

    /** Beside others whose next step begins early or must not, which end when nobody foresees it, and who come later. */
    @Test
    void answersAreThoseThatEachGetsAlone() {
        FamilyModel model = new FamilyModel("qwen3");
        Path path = model.folder(folder, ElementType.F32);
        List<int[]> prompts = model.prompts().values().stream()
                .map(each -> each.get("prompt").values().stream()
                        .mapToInt(JsonNode::intValue)
                        .toArray())
                .toList();
        try (TestEngine engine = new TestEngine(path, new Size(4, 64, 256, 100), 256, gpu.backend(true))) {
            int third = engine.finished(prompts.getFirst(), GREEDY, 3).ids().getLast();
            List<Sampling> samplings = List.of(
                    GREEDY,
                    Samplings.greedy()
                            .ids(Map.of(), List.of(third), List.of())
                            .ends(0, true)
                            .value(),
                    Samplings.greedy()
                            .random(1, OptionalLong.of(5))
                            .ends(0, true)
                            .value(),
                    Samplings.greedy().penalties(1.3f, 0, 0).ends(0, true).value());
            List<List<Integer>> alone = new ArrayList<>();
            for (int i = 0; i < prompts.size(); i++) {
                alone.add(engine.finished(prompts.get(i / 4 * 4), samplings.get(i % 4), 6 + 3 * i)
                        .ids());
            }
            List<Collected> together = new ArrayList<>();
            for (int i = 0; i < prompts.size(); i++) {
                together.add(engine.submit(prompts.get(i / 4 * 4), samplings.get(i % 4), 6 + 3 * i));
            }
            together.forEach(Collected::completion);
            assertThat(alone.get(1)).as("ends at the id that it stops at").hasSizeLessThanOrEqualTo(3);
            assertThat(together.stream().map(Collected::ids).toList()).isEqualTo(alone);
        }
    }

    private static List<List<Integer>> generate(Path path, Size size, List<int[]> prompts, Backend backend) {
        try (TestEngine engine = new TestEngine(path, size, 256, backend)) {
            return engine.generate(prompts, GREEDY, 12);
        }
    }
}
