package dev.skein.worker.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.compute.Backend;
import dev.skein.compute.ElementType;
import dev.skein.worker.EmulatedGpu;
import dev.skein.worker.engine.TestEngine.Size;
import dev.skein.worker.model.FamilyModel;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
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

    private static List<List<Integer>> generate(Path path, Size size, List<int[]> prompts, Backend backend) {
        try (TestEngine engine = new TestEngine(path, size, 256, backend)) {
            return engine.generate(prompts, GREEDY, 12);
        }
    }
}
