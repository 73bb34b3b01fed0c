package dev.skein.worker.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.skein.compute.Backend;
import dev.skein.compute.ElementType;
import dev.skein.compute.cpu.CpuBackends;
import dev.skein.compute.cpu.CpuOptions;
import dev.skein.compute.cpu.JavaBackend;
import dev.skein.worker.engine.EngineException.Code;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Checkpoint;
import dev.skein.worker.model.FamilyModel;
import dev.skein.worker.model.SentenceFolder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Small models that embed against transformers, and how texts share steps. */
final class EmbeddingTest {
    /** Keys and values are of 16 bits, the reference's of 32; elements are about 1. */
    private static final float ELEMENT = 0.003f;

    private static final EmbeddingOptions ROOMY = new EmbeddingOptions(100, 8, 256, 100);
    /** In the order of llama.cpp's numbers, from 1. */
    private static final List<String> GGUF_POOLINGS = List.of("mean", "cls", "last");

    @TempDir
    private Path folder;

    static Stream<String[]> poolings() {
        return Stream.of("bert", "bert-tanh", "qwen3-embedding")
                .flatMap(name -> Stream.of("mean", "cls", "last").map(pooling -> new String[] {name, pooling}));
    }

    @ParameterizedTest
    @MethodSource("poolings")
    void aFolderEmbedsAsTransformersDoes(String name, String pooling) {
        FamilyModel model = new FamilyModel(name);
        Path path = model.folder(folder.resolve(name), ElementType.F32);
        SentenceFolder.write(path, pooling, false);
        compare(model, path, pooling, false, cpu());
        SentenceFolder.write(path, pooling, true);
        compare(model, path, pooling, true, cpu());
    }

    @ParameterizedTest
    @ValueSource(strings = {"bert", "bert-tanh", "qwen3-embedding"})
    void plainJavaComputesTheSame(String name) {
        FamilyModel model = new FamilyModel(name);
        Path path = model.folder(folder.resolve(name), ElementType.BF16, 2);
        SentenceFolder.write(path, "mean", false);
        compare(model, path, "mean", false, new JavaBackend());
    }

    @ParameterizedTest
    @MethodSource("poolings")
    void aGgufFile(String name, String pooling) {
        FamilyModel model = new FamilyModel(name);
        if (name.equals("bert-tanh")) {
            assertThat(model.hasGguf()).isFalse();
            return;
        }
        String key =
                "%s.pooling_type".formatted(model.config().get("model_type").stringValue());
        Path path = model.gguf().uint32(key, 1 + GGUF_POOLINGS.indexOf(pooling)).write(folder.resolve("model.gguf"));
        compare(model, path, pooling, true, cpu());
    }

    @Test
    void anEncoderThatSaysNothingTakesTheFirstToken() {
        FamilyModel model = new FamilyModel("bert");
        compare(model, model.folder(folder.resolve("plain"), ElementType.F16), "cls", true, cpu());
        compare(model, model.gguf().write(folder.resolve("model.gguf")), "cls", true, cpu());
    }

    private static Backend cpu() {
        return CpuBackends.choose(CpuOptions.defaults());
    }

    private static void compare(FamilyModel model, Path path, String pooling, boolean normalised, Backend backend) {
        try (Running running = new Running(path, ROOMY, backend)) {
            List<CompletableFuture<float[][]>> answers = new ArrayList<>();
            for (JsonNode each : model.texts().values()) {
                answers.add(running.submit(List.of(ids(each))));
            }
            double worst = 0;
            for (int i = 0; i < answers.size(); i++) {
                float[] expected = numbers(model.texts().get(i).get(pooling), normalised);
                float[] vector = answers.get(i).orTimeout(1, TimeUnit.MINUTES).join()[0];
                assertThat(vector).hasSameSizeAs(expected);
                for (int k = 0; k < vector.length; k++) {
                    worst = Math.max(worst, Math.abs(vector[k] - expected[k]));
                }
            }
            System.out.printf(
                    "EmbeddingTest: %s, %s, normalised %s: largest difference %.5f%n",
                    path.getFileName(), pooling, normalised, worst);
            assertThat(worst).isLessThan(ELEMENT);
        }
    }

    private static int[] ids(JsonNode text) {
        return text.get("ids").values().stream().mapToInt(JsonNode::intValue).toArray();
    }

    private static float[] numbers(JsonNode vector, boolean normalised) {
        double squares = vector.values().stream()
                .mapToDouble(each -> each.doubleValue() * each.doubleValue())
                .sum();
        float[] numbers = new float[vector.size()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = (float) (vector.get(i).doubleValue() / (normalised ? Math.sqrt(squares) : 1));
        }
        return numbers;
    }

    /** Whatever is with a text, and however many are in a step: the same bits. */
    @Test
    void vectorsDoNotDependOnWhatIsComputedWithThem() {
        Path path = encoder("mean", true);
        long seed = 11;
        Random random = new Random(seed);
        List<int[]> texts = Stream.generate(
                        () -> random.ints(1 + random.nextInt(100), 0, 128).toArray())
                .limit(40)
                .toList();
        float[][] alone;
        try (Running running = new Running(path, new EmbeddingOptions(100, 1, 100, 100), cpu())) {
            alone = running.vectors(texts);
        }
        try (Running running = new Running(path, new EmbeddingOptions(100, 16, 512, 100), cpu())) {
            List<CompletableFuture<float[][]>> others = new ArrayList<>();
            for (int[] text : texts) {
                others.add(running.submit(List.of(text)));
            }
            assertThat(running.vectors(texts)).as("seed %d", seed).isDeepEqualTo(alone);
            for (int i = 0; i < texts.size(); i++) {
                assertThat(others.get(i).join()[0]).as("seed %d", seed).isEqualTo(alone[i]);
            }
            EngineStatistics now = running.engine.statistics();
            assertThat(now.steps()).isLessThan(texts.size());
            assertThat(now.promptTokens())
                    .isEqualTo(2L * texts.stream().mapToInt(text -> text.length).sum());
            assertThat(now.running() + now.waiting()).isZero();
        }
    }

    private Path encoder(String pooling, boolean normalised) {
        Path path = new FamilyModel("bert").folder(folder.resolve("encoder"), ElementType.F32);
        SentenceFolder.write(path, pooling, normalised);
        return path;
    }

    @Test
    void aRequestMayAskForAnotherLengthAndScale() {
        Path path = encoder("mean", true);
        SentenceFolder.config(path, "\"matryoshka_dimensions\":[8,32]");
        try (Running running = new Running(path, ROOMY, cpu())) {
            float[] raw = running.vector(OptionalInt.empty(), Optional.of(false));
            float[] whole = running.vector(OptionalInt.of(64), Optional.empty());
            float[] shorter = running.vector(OptionalInt.of(8), Optional.empty());
            float[] rawShorter = running.vector(OptionalInt.of(8), Optional.of(false));
            assertThat(length(whole)).isCloseTo(1, within(1e-6));
            assertThat(length(shorter)).isCloseTo(1, within(1e-6));
            assertThat(rawShorter).hasSize(8).isEqualTo(java.util.Arrays.copyOf(raw, 8));
            for (int i = 0; i < 8; i++) {
                assertThat((double) shorter[i]).isCloseTo(rawShorter[i] / length(rawShorter), within(1e-6));
            }
            assertRefused(() -> running.vector(OptionalInt.of(9), Optional.empty()), "9", "64", "[8, 32]");
        }
    }

    private static double length(float[] vector) {
        double squares = 0;
        for (float each : vector) {
            squares += (double) each * each;
        }
        return Math.sqrt(squares);
    }

    @Test
    void whatCannotBeServed() {
        try (Running running = new Running(encoder("mean", true), ROOMY, cpu())) {
            assertRefused(() -> running.submit(List.of()), "no texts");
            assertRefused(() -> running.submit(List.of(new int[] {1}, new int[0])), "text 1 is empty");
            assertRefused(() -> running.submit(List.of(new int[101])), "101", "100");
            assertRefused(() -> running.submit(List.of(new int[] {3, 128})), "128");
            assertRefused(() -> running.submit(List.of(new int[] {-1})), "4294967295");
            assertRefused(() -> running.vector(OptionalInt.of(8), Optional.empty()), "8", "64", "not made to be");
            assertRefused(() -> running.vector(OptionalInt.of(0), Optional.empty()), "0", "64");
            assertThat(running.vectors(List.of(new int[100]))[0]).hasSize(64);
        }
    }

    private static void assertRefused(Runnable call, String... words) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        EngineException.class,
                        refused -> assertThat(refused.code()).isEqualTo(Code.INVALID_ARGUMENT))
                .hasMessageContainingAll(words);
    }

    @Test
    void aStepThatFailsEndsItsRequestsOnly() {
        FailingBackend backend = new FailingBackend(cpu());
        try (Running running = new Running(encoder("mean", true), ROOMY, backend)) {
            running.vectors(List.of(new int[3]));
            backend.failNext(false);
            assertThat(code(running.submit(List.of(new int[3])))).isEqualTo(Code.INTERNAL);
            assertThat(running.vectors(List.of(new int[3]))[0]).hasSize(64);
            backend.failNext(true);
            assertThat(code(running.submit(List.of(new int[3])))).isEqualTo(Code.INTERNAL);
            running.engine.failure().orTimeout(1, TimeUnit.MINUTES).join();
            assertThatThrownBy(() -> running.submit(List.of(new int[3])))
                    .isInstanceOfSatisfying(
                            EngineException.class,
                            refused -> assertThat(refused.code()).isEqualTo(Code.UNAVAILABLE));
        }
    }

    private static Code code(CompletableFuture<float[][]> answer) {
        return answer.handle((_, failed) -> ((EngineException) failed).code())
                .orTimeout(1, TimeUnit.MINUTES)
                .join();
    }

    @Test
    void cancelledRequestsAreForgottenAndDrainingWaitsForTheRest() {
        try (Running running = new Running(encoder("mean", true), ROOMY, cpu())) {
            List<int[]> many = Stream.generate(() -> new int[100]).limit(200).toList();
            CompletableFuture<float[][]> kept = running.submit(many);
            running.engine
                    .submit(
                            new EmbeddingRequest("gone", many, OptionalInt.empty(), Optional.empty()),
                            new Answer(new CompletableFuture<>()))
                    .cancel();
            running.engine.drain().orTimeout(1, TimeUnit.MINUTES).join();
            assertThat(kept.join()).hasNumberOfRows(200);
            assertThat(running.engine.statistics().running()).isZero();
            assertThatThrownBy(() -> running.submit(List.of(new int[3]))).hasMessageContaining("draining");
        }
    }

    @Test
    void aFullQueueSaysSo() {
        try (Running running =
                new Running(encoder("mean", true), new EmbeddingOptions(100, 1, 100, 2), new JavaBackend())) {
            List<CompletableFuture<float[][]>> taken = new ArrayList<>();
            EngineException refused = null;
            while (refused == null) {
                try {
                    taken.add(running.submit(List.of(new int[100])));
                } catch (EngineException full) {
                    refused = full;
                }
            }
            assertThat(refused.code()).isEqualTo(Code.RESOURCE_EXHAUSTED);
            taken.forEach(each -> assertThat(each.join()).hasNumberOfRows(1));
        }
    }

    private record Answer(CompletableFuture<float[][]> vectors) implements EmbeddingSink {
        @Override
        public void done(float[][] made, long queueNanos, long computeNanos) {
            vectors.complete(made);
        }

        @Override
        public void failed(EngineException reason) {
            vectors.completeExceptionally(reason);
        }
    }

    /** An engine over a model. */
    private static final class Running implements AutoCloseable {
        private final Checkpoint checkpoint;
        private final EmbeddingEngine engine;

        Running(Path model, EmbeddingOptions options, Backend backend) {
            checkpoint = Checkpoint.open(model);
            engine = EmbeddingEngine.start(options, Architecture.of(checkpoint), backend, (_, _) -> {});
        }

        CompletableFuture<float[][]> submit(List<int[]> texts) {
            return submit(texts, OptionalInt.empty(), Optional.empty());
        }

        private CompletableFuture<float[][]> submit(
                List<int[]> texts, OptionalInt dimensions, Optional<Boolean> normalised) {
            CompletableFuture<float[][]> vectors = new CompletableFuture<>();
            engine.submit(new EmbeddingRequest("test", texts, dimensions, normalised), new Answer(vectors));
            return vectors;
        }

        float[][] vectors(List<int[]> texts) {
            return submit(texts).orTimeout(1, TimeUnit.MINUTES).join();
        }

        float[] vector(OptionalInt dimensions, Optional<Boolean> normalised) {
            return submit(List.of(new int[] {5, 6, 7, 8}), dimensions, normalised)
                    .orTimeout(1, TimeUnit.MINUTES)
                    .join()[0];
        }

        @Override
        public void close() {
            engine.close();
            checkpoint.close();
        }
    }
}
