package dev.skein.worker.engine;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.skein.compute.Backend;
import dev.skein.compute.cpu.CpuBackends;
import dev.skein.compute.cpu.CpuOptions;
import dev.skein.worker.TestModel;
import dev.skein.worker.engine.TestEngine.Size;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The default model against transformers on the same weights, de-quantised: the goldens say which versions made them.
 *
 * <p>A tie: where the ids chosen differ, the reference's logprobs of the two must be no further apart than
 * {@link #TIE}. From there on the texts are different ones, so that prompt's comparison ends.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class RealModelTest {
    private static final double TIE = 0.02;
    private static final double LOGPROB = 0.05;
    private static final double PERPLEXITY = 0.002;

    private static final Sampling GREEDY = Samplings.greedy().ends(0, true).value();
    private static final Sampling TOP20 = Samplings.greedy()
            .ends(0, true)
            .logprobs(OptionalInt.of(20), OptionalInt.empty())
            .value();

    private TestEngine engine;
    private JsonNode greedy;

    @BeforeAll
    void start() throws IOException {
        greedy = golden("greedy.json");
        engine = engine(new Size(8, 512, 512, 100));
    }

    @AfterAll
    void stop() {
        engine.close();
    }

    private static TestEngine engine(Size size) {
        return engine(size, 2048);
    }

    private static TestEngine engine(Size size, int maxModelLen) {
        Backend backend = CpuBackends.choose(CpuOptions.defaults());
        return new TestEngine(TestModel.path(), size, maxModelLen, backend);
    }

    private static JsonNode golden(String name) throws IOException {
        try (InputStream in = RealModelTest.class.getResourceAsStream("/goldens/" + name)) {
            return JsonMapper.shared().readTree(requireNonNull(in, name));
        }
    }

    private static int[] ints(JsonNode array) {
        return array.values().stream().mapToInt(JsonNode::intValue).toArray();
    }

    private List<int[]> prompts() {
        return greedy.get("prompts").values().stream()
                .map(each -> ints(each.get("prompt")))
                .toList();
    }

    @Test
    void greedyOutputAndTop20LogprobsAreTheReferences() {
        List<Collected> answers = new ArrayList<>();
        for (int[] prompt : prompts()) {
            answers.add(engine.submit(prompt, TOP20, 64));
        }
        answers.forEach(Collected::completion);
        int compared = 0;
        int ties = 0;
        double worst = 0;
        for (int i = 0; i < answers.size(); i++) {
            JsonNode reference = greedy.get("prompts").get(i);
            Comparison comparison = compare(reference, answers.get(i));
            compared += comparison.steps;
            ties += comparison.tied ? 1 : 0;
            worst = Math.max(worst, comparison.worst);
        }
        System.out.printf(
                "RealModelTest: %d prompts, %d steps compared, %d prompts ended by a tie, largest logprob difference %.4f%n",
                answers.size(), compared, ties, worst);
        assertThat(answers).hasSizeGreaterThanOrEqualTo(32);
        assertThat(worst).isLessThanOrEqualTo(LOGPROB);
        assertThat(compared).as("steps compared").isGreaterThan(answers.size() * 64 * 9 / 10);
    }

    /** To the last bit: what the native kernels computed for another request is what they would compute again. */
    @Test
    void aCachedBeginningChangesNothing() {
        int[] text = prompts().stream().flatMapToInt(IntStream::of).limit(300).toArray();
        assertThat(text).hasSize(300);
        // A salt of its own: other tests ask the same engine.
        GenerationRequest request = new GenerationRequest("test", text, 0, TOP20, 16, 0, "twice");
        Collected alone = engine.submit(request);
        assertThat(alone.completion().cachedTokens()).isZero();
        Collected again = engine.submit(request);
        assertThat(again.completion().cachedTokens()).isEqualTo(288);
        assertThat(again.ids()).isEqualTo(alone.ids());
        for (int i = 0; i < again.ids().size(); i++) {
            assertThat(again.logprobs().get(i).topLogprobs())
                    .containsExactly(alone.logprobs().get(i).topLogprobs());
        }
    }

    /** The tables of 8 sequences that share a beginning have more entries than the cache has blocks. */
    @Test
    void manyShareASmallCache() {
        int[] text = prompts().stream().flatMapToInt(IntStream::of).limit(300).toArray();
        try (TestEngine small = engine(new Size(8, 512, 40, 100), 320)) {
            List<int[]> prompts = IntStream.range(0, 8)
                    .mapToObj(i -> IntStream.concat(IntStream.of(text), IntStream.of(1000 + i))
                            .toArray())
                    .toList();
            assertThat(small.generate(prompts, GREEDY, 8)).isEqualTo(engine.generate(prompts, GREEDY, 8));
            assertThat(small.engine().statistics().preemptions()).isZero();
        }
    }

    /**
     * How one answer compares.
     *
     * @param steps up to the first tie
     * @param worst largest difference of a logprob of the reference's 20 best
     */
    private record Comparison(int steps, boolean tied, double worst) {}

    private static Comparison compare(JsonNode reference, Collected answer) {
        int[] expected = ints(reference.get("output"));
        assertThat(answer.ids()).hasSameSizeAs(expected);
        double worst = 0;
        for (int step = 0; step < expected.length; step++) {
            JsonNode top = reference.get("top").get(step);
            Map<Integer, Double> known = new HashMap<>();
            for (int k = 0; k < top.get("ids").size(); k++) {
                known.put(
                        top.get("ids").get(k).intValue(),
                        top.get("logprobs").get(k).doubleValue());
            }
            worst = Math.max(worst, difference(known, answer.logprobs().get(step)));
            int chosen = answer.ids().get(step);
            if (chosen != expected[step]) {
                double best = requireNonNull(known.get(expected[step]));
                assertThat(best - known.getOrDefault(chosen, Double.NEGATIVE_INFINITY))
                        .as("gap where %s leaves the reference, at step %d", reference.get("name"), step)
                        .isLessThanOrEqualTo(TIE);
                return new Comparison(step + 1, true, worst);
            }
        }
        return new Comparison(expected.length, false, worst);
    }

    private static double difference(Map<Integer, Double> known, TokenLogprobs ours) {
        double worst = 0;
        int shared = 0;
        for (int k = 0; k < ours.topIds().length; k++) {
            Double reference = known.get(ours.topIds()[k]);
            if (reference != null) {
                shared++;
                worst = Math.max(worst, Math.abs(reference - ours.topLogprobs()[k]));
            }
        }
        // The last of 20 may be a neighbour of the first that is left out.
        assertThat(shared).isGreaterThanOrEqualTo(17);
        return worst;
    }

    @Test
    void perplexityIsTheReferences() throws IOException {
        JsonNode reference = golden("perplexity.json");
        int[] ids = ints(reference.get("ids"));
        Sampling scored = Samplings.greedy()
                .logprobs(OptionalInt.empty(), OptionalInt.of(0))
                .value();
        Collected answer = engine.submit(ids, scored, 0);
        answer.completion();
        double sum = requireNonNull(answer.promptLogprobs()).stream()
                .mapToDouble(TokenLogprobs::logprob)
                .sum();
        double perplexity = Math.exp(-sum / (ids.length - 1));
        double expected = reference.get("perplexity").doubleValue();
        System.out.printf("RealModelTest: perplexity %.4f, the reference's %.4f%n", perplexity, expected);
        assertThat(perplexity).isEqualTo(expected, within(PERPLEXITY * expected));
    }

    @Test
    void answersDoNotDependOnBatchOrChunks() {
        List<int[]> prompts = prompts().stream().limit(16).toList();
        List<List<Integer>> together = engine.generate(prompts, GREEDY, 24);
        for (Size size : List.of(new Size(1, 512, 128, 100), new Size(8, 16, 512, 100))) {
            try (TestEngine other = engine(size)) {
                assertThat(other.generate(prompts, GREEDY, 24)).as("%s", size).isEqualTo(together);
            }
        }
    }

    /** To the last bit, though not all numbers of threads divide the work evenly. */
    @Test
    void answersDoNotDependOnThreads() {
        List<int[]> prompts = prompts().stream().limit(8).toList();
        List<Collected> expected = answers(engine, prompts);
        for (int threads : new int[] {1, 2, 3}) {
            Backend backend = CpuBackends.choose(CpuOptions.defaults().withThreads(threads));
            try (TestEngine other = new TestEngine(TestModel.path(), new Size(8, 512, 512, 100), 2048, backend)) {
                List<Collected> answers = answers(other, prompts);
                for (int i = 0; i < prompts.size(); i++) {
                    assertSame(answers.get(i), expected.get(i), "prompt %d on %d threads".formatted(i, threads));
                }
            }
        }
    }

    private static List<Collected> answers(TestEngine engine, List<int[]> prompts) {
        List<Collected> answers =
                prompts.stream().map(prompt -> engine.submit(prompt, TOP20, 16)).toList();
        answers.forEach(Collected::completion);
        return answers;
    }

    private static void assertSame(Collected answer, Collected expected, String what) {
        assertThat(answer.ids()).as(what).isEqualTo(expected.ids());
        for (int i = 0; i < answer.ids().size(); i++) {
            assertThat(answer.logprobs().get(i).topLogprobs())
                    .as("%s, token %d", what, i)
                    .containsExactly(expected.logprobs().get(i).topLogprobs());
        }
    }

    @Test
    void answersDoNotDependOnPreemption() {
        List<int[]> prompts = prompts().stream()
                .filter(prompt -> prompt.length < 100)
                .limit(12)
                .toList();
        List<List<Integer>> roomy = engine.generate(prompts, GREEDY, 64);
        try (TestEngine tight = tight()) {
            assertThat(tight.generate(prompts, GREEDY, 64)).isEqualTo(roomy);
            assertThat(tight.engine().statistics().preemptions()).isPositive();
        }
    }

    private static TestEngine tight() {
        return new TestEngine(
                TestModel.path(), new Size(8, 256, 14, 100), 200, CpuBackends.choose(CpuOptions.defaults()));
    }
}
