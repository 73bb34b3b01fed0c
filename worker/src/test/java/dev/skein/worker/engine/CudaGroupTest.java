package dev.skein.worker.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ElementType;
import dev.skein.worker.EmulatedGpu;
import dev.skein.worker.engine.TestEngine.Size;
import dev.skein.worker.model.FamilyModel;
import dev.skein.worker.model.RankCount;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** Two processes on a GPU that compute a model together: on a real one if a library was named, else on the emulated one. */
final class CudaGroupTest {
    private static final Size SIZE = new Size(8, 256, 256, 100);
    private static final int LENGTH = 256;
    private static final Sampling GREEDY = Samplings.greedy().ends(0, true).value();

    private final String group = "test-" + UUID.randomUUID();

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
    @CsvSource({"qwen3moe, true", "gemma3, false"})
    void familiesAreComputedAsTransformersDoes(String name, boolean graphs) throws InterruptedException {
        FamilyModel model = new FamilyModel(name);
        Path path = model.folder(folder.resolve(name), ElementType.F32);
        try (GpuRank other = new GpuRank(path, SIZE, LENGTH, 2, 1, group, TestEngine.LIMIT, graphs)) {
            try (TestEngine engine = leader(path, TestEngine.LIMIT, graphs)) {
                assertThat(engine.generate(lists(model, "prompt"), GREEDY, 12)).isEqualTo(outputs(model));
            }
            assertThat(other.end()).as("the other rank's exit code").isZero();
        }
    }

    /** On an emulated GPU the kernel itself finds out, after the limit. */
    @Test
    void aRankThatDiesEndsItsGroup() throws Exception {
        FamilyModel model = new FamilyModel("qwen3");
        Path path = model.folder(folder, ElementType.F32);
        List<int[]> prompts = lists(model, "prompt");
        Duration limit = Duration.ofSeconds(10);
        try (GpuRank other = new GpuRank(path, SIZE, LENGTH, 2, 1, group, limit, true);
                TestEngine engine = leader(path, limit, true)) {
            engine.finished(prompts.getFirst(), GREEDY, 3);
            other.kill();
            assertThatThrownBy(() -> engine.finished(prompts.getFirst(), GREEDY, 100));
            assertThat(engine.engine().failure().get(1, TimeUnit.MINUTES)).hasMessageContaining("rank 1 ");
        }
    }

    /** Steps that were captured know where the lost rank's memory was. */
    @Test
    void aRankThatComesBackIsGoneOnWith() throws Exception {
        FamilyModel model = new FamilyModel("qwen3");
        Path path = model.folder(folder, ElementType.F32);
        List<int[]> prompts = lists(model, "prompt");
        Duration limit = Duration.ofSeconds(20);
        String second = group + "-again";
        try (GpuRank lost = new GpuRank(path, SIZE, LENGTH, 2, 1, group, limit, true);
                GpuRank other = new GpuRank(path, SIZE, LENGTH, 2, 1, second, Duration.ofMinutes(2), true)) {
            try (TestEngine engine = new TestEngine(
                    path, SIZE, LENGTH, new RankCount(2, 1), group, limit, gpu.backend(true), () -> second)) {
                assertThat(engine.generate(prompts, GREEDY, 12)).isEqualTo(outputs(model));
                lost.kill();
                assertThat(engine.generate(prompts, GREEDY, 12)).isEqualTo(outputs(model));
            }
            assertThat(other.end()).as("the other rank's exit code").isZero();
        }
    }

    private TestEngine leader(Path path, Duration limit, boolean graphs) {
        return new TestEngine(path, SIZE, LENGTH, new RankCount(2, 1), group, limit, gpu.backend(graphs));
    }

    private static List<int[]> lists(FamilyModel model, String what) {
        return model.prompts().values().stream()
                .map(each -> each.get(what).values().stream()
                        .mapToInt(JsonNode::intValue)
                        .toArray())
                .toList();
    }

    private static List<List<Integer>> outputs(FamilyModel model) {
        return lists(model, "output").stream()
                .map(each -> Arrays.stream(each).boxed().toList())
                .toList();
    }
}
