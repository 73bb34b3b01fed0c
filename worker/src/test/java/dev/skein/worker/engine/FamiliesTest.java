package dev.skein.worker.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.compute.Backend;
import dev.skein.compute.ElementType;
import dev.skein.compute.cpu.CpuBackends;
import dev.skein.compute.cpu.CpuOptions;
import dev.skein.compute.cpu.JavaBackend;
import dev.skein.worker.engine.TestEngine.Size;
import dev.skein.worker.model.FamilyModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/**
 * Small models of each family against transformers: the goldens say which versions made them. Their weights are numbers
 * that every type of float holds, so all formats must give the same.
 */
final class FamiliesTest {
    /** Keys and values are of 16 bits in the cache, the reference's of 32. */
    static final double LOGPROB = 0.01;

    private static final int TOP = 6;
    static final int OUTPUT = 12;
    private static final Size TOGETHER = new Size(8, 256, 256, 100);
    static final Sampling GREEDY = Samplings.greedy()
            .ends(0, true)
            .logprobs(OptionalInt.of(TOP), OptionalInt.empty())
            .value();

    static final List<String> FAMILIES =
            List.of("llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3moe", "qwen3moe-dense", "gemma3");

    @TempDir
    private Path folder;

    @ParameterizedTest
    @FieldSource("FAMILIES")
    void aFolderIsComputedAsTransformersDoes(String name) {
        FamilyModel model = new FamilyModel(name);
        compare(model, model.folder(folder.resolve(name), ElementType.F32), cpu());
    }

    @ParameterizedTest
    @FieldSource("FAMILIES")
    void plainJavaComputesTheSame(String name) {
        FamilyModel model = new FamilyModel(name);
        compare(model, model.folder(folder.resolve(name), ElementType.F32), new JavaBackend());
    }

    @ParameterizedTest
    @FieldSource("FAMILIES")
    void aFolderOfShardsIn16Bits(String name) {
        FamilyModel model = new FamilyModel(name);
        compare(model, model.folder(folder.resolve("bf16"), ElementType.BF16, 3), cpu());
        compare(model, model.folder(folder.resolve("f16"), ElementType.F16), cpu());
    }

    static Stream<String> inGguf() {
        return FAMILIES.stream().filter(name -> new FamilyModel(name).hasGguf());
    }

    @ParameterizedTest
    @MethodSource("inGguf")
    void aGgufFile(String name) {
        FamilyModel model = new FamilyModel(name);
        compare(model, model.gguf().write(folder.resolve("model.gguf")), cpu());
    }

    @ParameterizedTest
    @FieldSource("FAMILIES")
    void answersDoNotDependOnBatchOrChunks(String name) {
        FamilyModel model = new FamilyModel(name);
        Path path = model.folder(folder.resolve(name), ElementType.F32);
        List<List<Integer>> together = generate(path, TOGETHER, model);
        assertThat(generate(path, new Size(1, 256, 256, 100), model)).isEqualTo(together);
        assertThat(generate(path, new Size(8, 16, 256, 100), model)).isEqualTo(together);
    }

    private static List<List<Integer>> generate(Path path, Size size, FamilyModel model) {
        try (TestEngine engine = new TestEngine(path, size, 256, cpu())) {
            return engine.generate(
                    model.prompts().values().stream()
                            .map(each -> ints(each.get("prompt")))
                            .toList(),
                    GREEDY,
                    OUTPUT);
        }
    }

    private static Backend cpu() {
        return CpuBackends.choose(CpuOptions.defaults());
    }

    private static void compare(FamilyModel model, Path path, Backend backend) {
        try (TestEngine engine = new TestEngine(path, TOGETHER, 256, backend)) {
            List<Collected> answers = new ArrayList<>();
            for (JsonNode each : model.prompts().values()) {
                answers.add(engine.submit(ints(each.get("prompt")), GREEDY, OUTPUT));
            }
            double worst = 0;
            for (int i = 0; i < answers.size(); i++) {
                answers.get(i).completion();
                worst = Math.max(worst, compare(model.prompts().get(i), answers.get(i)));
            }
            System.out.printf(
                    "FamiliesTest: %s, %s: largest logprob difference %.5f%n",
                    model.config().get("model_type").stringValue(), path.getFileName(), worst);
            assertThat(worst).isLessThan(LOGPROB);
        }
    }

    /** The largest difference of a logprob. */
    static double compare(JsonNode reference, Collected answer) {
        assertThat(answer.ids()).isEqualTo(List.of(boxed(reference.get("output"))));
        double worst = 0;
        for (int step = 0; step < OUTPUT; step++) {
            JsonNode top = reference.get("top").get(step);
            TokenLogprobs ours = answer.logprobs().get(step);
            for (int k = 0; k < TOP; k++) {
                // Sorted, the k-th differ by no more than any one of them does.
                double expected = top.get("logprobs").get(k).doubleValue();
                worst = Math.max(worst, Math.abs(ours.topLogprobs()[k] - expected));
            }
            assertThat(ours.topIds()[0]).isEqualTo(top.get("ids").get(0).intValue());
        }
        return worst;
    }

    static int[] ints(JsonNode array) {
        return array.values().stream().mapToInt(JsonNode::intValue).toArray();
    }

    private static Integer[] boxed(JsonNode array) {
        return array.values().stream().map(JsonNode::intValue).toArray(Integer[]::new);
    }
}
