package dev.skein.worker.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.compute.Backend;
import dev.skein.compute.ElementType;
import dev.skein.compute.cpu.CpuBackends;
import dev.skein.compute.cpu.CpuOptions;
import dev.skein.compute.cpu.JavaBackend;
import dev.skein.worker.engine.TestEngine.Size;
import dev.skein.worker.model.TinyLlama;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A file of each type, mixed with another as quantisers do: native code and plain Java give the same ids. That each reads
 * a type as its definition says is tested beside them.
 */
final class GgufTypesTest {
    private static final Sampling GREEDY = Samplings.greedy().ends(0, true).value();

    @TempDir
    private Path folder;

    @ParameterizedTest
    @EnumSource(ElementType.class)
    void isServedAlikeByAllBackends(ElementType type) {
        Path file = TinyLlama.wide(type, ElementType.Q8_0, 7).write(folder.resolve("model.gguf"));
        List<List<Integer>> expected = generate(file, new JavaBackend());
        assertThat(expected).allSatisfy(ids -> assertThat(ids).hasSize(8));
        assertThat(generate(file, CpuBackends.choose(CpuOptions.defaults()))).isEqualTo(expected);
    }

    private static List<List<Integer>> generate(Path file, Backend backend) {
        Random random = new Random(3);
        List<int[]> prompts = List.of(
                random.ints(9, 3, TinyLlama.VOCABULARY).toArray(),
                random.ints(2, 3, TinyLlama.VOCABULARY).toArray());
        try (TestEngine engine = new TestEngine(file, Size.ROOMY, 64, backend)) {
            return engine.generate(prompts, GREEDY, 8);
        }
    }
}
