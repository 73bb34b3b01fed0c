package dev.skein.worker.engine;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.skein.compute.ElementType;
import dev.skein.compute.cpu.JavaBackend;
import dev.skein.worker.engine.TestEngine.Size;
import dev.skein.worker.model.TinyLlama;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class EngineTest {
    private static final Sampling GREEDY = Samplings.greedy().ends(0, true).value();
    private static final Sampling SEEDED =
            Samplings.greedy().ends(0, true).random(1.5f, OptionalLong.of(42)).value();

    @TempDir
    private Path folder;

    private Path model = Path.of("");

    @BeforeEach
    void makeModel() {
        model = TinyLlama.of(ElementType.Q8_0, 5).write(folder.resolve("model.gguf"));
    }

    private TestEngine engine(Size size) {
        return new TestEngine(model, size, TinyLlama.CONTEXT);
    }

    private static List<int[]> prompts(int count) {
        Random random = new Random(3);
        List<int[]> prompts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            prompts.add(random.ints(5 + 9 * i, 3, TinyLlama.VOCABULARY).toArray());
        }
        return prompts;
    }

    private static int[] prompt(int length) {
        return new Random(length).ints(length, 3, TinyLlama.VOCABULARY).toArray();
    }

    // The same whatever else happens

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.MATCH_NONE, names = ".*_K") // whose blocks are wider than the model
    void answersDoNotDependOnBatchChunksOrPreemption(ElementType type) {
        Path path = TinyLlama.untied(type, 11).write(folder.resolve(type + ".gguf"));
        for (Sampling sampling : List.of(GREEDY, SEEDED)) {
            List<List<Integer>> alone = generate(path, new Size(1, 256, 16, 100), sampling);
            assertThat(alone).allSatisfy(ids -> assertThat(ids).hasSize(24));
            assertThat(generate(path, new Size(8, 256, 256, 100), sampling))
                    .as("8 at once")
                    .isEqualTo(alone);
            assertThat(generate(path, new Size(8, 16, 256, 100), sampling))
                    .as("chunks")
                    .isEqualTo(alone);
            assertThat(generate(path, new Size(8, 256, 16, 100), sampling))
                    .as("preempted")
                    .isEqualTo(alone);
        }
    }

    private static List<List<Integer>> generate(Path path, Size size, Sampling sampling) {
        try (TestEngine engine = new TestEngine(path, size, 128)) {
            List<List<Integer>> ids = engine.generate(prompts(8), sampling, 24);
            if (size.blocks() == 16 && size.sequences() > 1) {
                assertThat(engine.engine().statistics().preemptions()).isPositive();
            }
            return ids;
        }
    }

    /** The promise: many requests that begin alike compute the beginning once, and answer as if alone. */
    @Test
    void aCommonBeginningIsComputedOnce() {
        Sampling sampling = Samplings.greedy()
                .ends(0, true)
                .logprobs(OptionalInt.of(5), OptionalInt.empty())
                .value();
        List<int[]> prompts = new ArrayList<>();
        for (int i = 0; i < 24; i++) {
            prompts.add(IntStream.concat(IntStream.of(prompt(90)), IntStream.of(prompt(i + 1)))
                    .toArray());
        }
        try (TestEngine engine = engine(new Size(8, 64, 256, 100))) {
            List<Collected> shared = prompts.stream()
                    .map(prompt -> engine.submit(prompt, sampling, 10))
                    .toList();
            shared.forEach(Collected::completion);
            int cached = shared.stream()
                    .mapToInt(each -> each.completion().cachedTokens())
                    .sum();
            assertThat(cached).isGreaterThanOrEqualTo(23 * 80);
            assertThat(engine.engine().statistics().prefixHits()).isEqualTo(cached);
            assertThat(engine.engine().statistics().prefixQueries())
                    .isEqualTo(
                            prompts.stream().mapToInt(prompt -> prompt.length).sum());
            for (int i = 0; i < prompts.size(); i++) {
                assertSame(shared.get(i), alone(prompts.get(i), sampling));
            }
        }
    }

    private Collected alone(int[] prompt, Sampling sampling) {
        try (TestEngine engine = engine(Size.ROOMY)) {
            Collected answer = engine.submit(prompt, sampling, 10);
            answer.completion();
            return answer;
        }
    }

    private static void assertSame(Collected answer, Collected expected) {
        assertThat(answer.ids()).isEqualTo(expected.ids());
        for (int i = 0; i < expected.logprobs().size(); i++) {
            assertThat(answer.logprobs().get(i).topLogprobs())
                    .containsExactly(expected.logprobs().get(i).topLogprobs());
        }
    }

    /** Greedy or drawn, penalised or not, with logprobs to the last bit. */
    @Test
    void draftsChangeNothing() {
        for (Samplings each : List.of(
                Samplings.greedy(),
                Samplings.greedy().random(0.7f, OptionalLong.of(5)),
                Samplings.greedy().penalties(1.3f, 0.2f, 0.1f).random(1f, OptionalLong.of(6)))) {
            Sampling sampling = each.ends(4, false)
                    .logprobs(OptionalInt.of(3), OptionalInt.empty())
                    .value();
            for (int[] prompt : prompts(6)) {
                Collected drafted = new Collected();
                try (TestEngine engine = new TestEngine(
                        model, Size.ROOMY, TinyLlama.CONTEXT, new JavaBackend(), new PromptLookup(4, 1, 3))) {
                    engine.engine().submit(new GenerationRequest("test", prompt, 0, sampling, 60), drafted);
                    drafted.completion();
                }
                try (TestEngine engine = engine(Size.ROOMY)) {
                    assertSame(drafted, engine.finished(prompt, sampling, 60));
                }
            }
        }
    }

    @Test
    void draftsThatComeTrueSaveSteps() {
        Sampling repeats = Samplings.greedy()
                .ends(0, true)
                .ids(Map.of(9, 100f), List.of(), List.of())
                .value();
        try (TestEngine engine =
                new TestEngine(model, Size.ROOMY, TinyLlama.CONTEXT, new JavaBackend(), new PromptLookup(4, 1, 3))) {
            Collected answer = engine.finished(prompt(10), repeats, 51);
            assertThat(answer.ids()).hasSize(51).containsOnly(9);
            EngineStatistics statistics = engine.engine().statistics();
            assertThat(statistics.steps()).isLessThan(20);
            assertThat(statistics.acceptedAt(0)).isEqualTo(statistics.drafts()).isPositive();
            assertThat(statistics.draftTokens()).isLessThan(51);
        }
    }

    @Test
    void anotherSaltSharesNothing() {
        try (TestEngine engine = engine(Size.ROOMY)) {
            List<Integer> cached = new ArrayList<>();
            for (String salt : List.of("", "one", "two", "one")) {
                Collected answer = engine.submit(new GenerationRequest("test", prompt(50), 0, GREEDY, 2, 0, salt));
                cached.add(answer.completion().cachedTokens());
            }
            assertThat(cached).containsExactly(0, 0, 0, 48);
        }
    }

    @Test
    void aResumedRequestGoesOnWhereItWas() {
        Sampling sampling = Samplings.greedy()
                .ends(6, false)
                .random(1.2f, OptionalLong.of(9))
                .penalties(1.2f, 0.3f, 0.2f)
                .value();
        try (TestEngine engine = engine(Size.ROOMY)) {
            Collected whole = engine.submit(prompt(20), sampling, 30);
            whole.completion();
            int[] longer = IntStream.concat(
                            java.util.Arrays.stream(prompt(20)),
                            whole.ids().stream().limit(11).mapToInt(Integer::intValue))
                    .toArray();
            Collected rest = engine.submit(new GenerationRequest("again", longer, 11, sampling, 30));
            rest.completion();
            assertThat(rest.ids()).isEqualTo(whole.ids().subList(11, whole.ids().size()));
        }
    }

    // How sequences end

    @Test
    void endsAtMaxTokens() {
        try (TestEngine engine = engine(Size.ROOMY)) {
            Collected collected = engine.submit(prompt(9), GREEDY, 5);
            assertThat(collected.completion().reason()).isEqualTo(Completion.Reason.LENGTH);
            assertThat(collected.ids()).hasSize(5);
        }
    }

    @Test
    void endsWhenTheContextIsFull() {
        try (TestEngine engine = engine(Size.ROOMY)) {
            Collected collected = engine.submit(prompt(TinyLlama.CONTEXT - 3), GREEDY, 50);
            assertThat(collected.completion().reason()).isEqualTo(Completion.Reason.LENGTH);
            assertThat(collected.ids()).hasSize(3);
        }
    }

    @Test
    void endsAtAnEndOfSequenceIdAndAtStopIds() {
        Sampling toEos =
                Samplings.greedy().ids(Map.of(2, 100f), List.of(), List.of()).value();
        Sampling toStop = Samplings.greedy()
                .ids(Map.of(7, 100f), List.of(9, 7), List.of())
                .value();
        try (TestEngine engine = engine(Size.ROOMY)) {
            Collected eos = engine.submit(prompt(9), toEos, 50);
            assertThat(eos.completion().reason()).isEqualTo(Completion.Reason.STOP);
            assertThat(eos.completion().stopTokenId()).isEmpty();
            assertThat(eos.ids()).containsExactly(2);
            Collected stop = engine.submit(prompt(9), toStop, 50);
            assertThat(stop.completion().stopTokenId()).hasValue(7);
            assertThat(stop.ids()).containsExactly(7);
        }
    }

    @Test
    void minTokensHoldsTheEndBackAndIgnoreEosPassesIt() {
        Map<Integer, Float> bias = Map.of(2, 100f, 7, 60f);
        try (TestEngine engine = engine(Size.ROOMY)) {
            Collected late = engine.submit(
                    prompt(9),
                    Samplings.greedy()
                            .ids(bias, List.of(7), List.of())
                            .ends(4, false)
                            .value(),
                    50);
            assertThat(late.completion().stopTokenId()).isEmpty();
            assertThat(late.ids()).hasSize(5).endsWith(2);
            assertThat(late.ids().subList(0, 4)).doesNotContain(2, 7);
            Collected ignoring = engine.submit(
                    prompt(9),
                    Samplings.greedy()
                            .ids(bias, List.of(7), List.of())
                            .ends(0, true)
                            .value(),
                    6);
            assertThat(ignoring.completion().reason()).isEqualTo(Completion.Reason.LENGTH);
            assertThat(ignoring.ids()).containsOnly(2).hasSize(6);
        }
    }

    @Test
    void samplesOnlyAllowedIds() {
        Sampling some = Samplings.greedy()
                .random(2, OptionalLong.empty())
                .ids(Map.of(), List.of(), List.of(5, 6, 70))
                .value();
        try (TestEngine engine = engine(Size.ROOMY)) {
            Collected collected = engine.submit(prompt(9), some, 60);
            collected.completion();
            assertThat(collected.ids()).hasSize(60).isSubsetOf(5, 6, 70);
        }
    }

    /** Banned from what came without a ban: its first id, and a pair that came later, whose parts may still come. */
    @Test
    void badWordsDoNotComeOut() {
        for (PromptLookup lookup : Arrays.asList(null, new PromptLookup(4, 1, 3))) {
            try (TestEngine engine = new TestEngine(model, Size.ROOMY, TinyLlama.CONTEXT, new JavaBackend(), lookup)) {
                List<Integer> free = generate(engine, List.of());
                int first = free.getFirst();
                List<Integer> pair = List.of(free.get(3), free.get(4));
                assertThat(generate(engine, List.of(List.of(first)))).doesNotContain(first);
                List<Integer> apart = generate(engine, List.of(pair));
                assertThat(apart.subList(0, 4)).isEqualTo(free.subList(0, 4));
                assertThat(Collections.indexOfSubList(apart, pair)).isNegative();
            }
        }
    }

    private List<Integer> generate(TestEngine engine, List<List<Integer>> badWords) {
        Sampling sampling = Samplings.greedy().ends(0, true).without(badWords).value();
        return engine.generate(List.of(prompt(9)), sampling, 40).getFirst();
    }

    @Test
    void seedsOfItsOwnDiffer() {
        Sampling random =
                Samplings.greedy().ends(0, true).random(2, OptionalLong.empty()).value();
        try (TestEngine engine = engine(Size.ROOMY)) {
            assertThat(engine.generate(List.of(prompt(9), prompt(9)), random, 20))
                    .doesNotHaveDuplicates();
        }
    }

    // Logprobs

    @Test
    void scoresPromptsInChunksAsItScoresOutputs() {
        Sampling both = Samplings.greedy()
                .ends(0, true)
                .logprobs(OptionalInt.of(3), OptionalInt.of(2))
                .value();
        try (TestEngine engine = engine(new Size(4, 16, 256, 10))) {
            Collected first = engine.submit(prompt(30), both, 20);
            first.completion();
            int[] all = IntStream.concat(
                            java.util.Arrays.stream(prompt(30)),
                            first.ids().stream().mapToInt(Integer::intValue))
                    .toArray();
            Collected scored = engine.submit(all, both, 0);
            assertThat(scored.completion().reason()).isEqualTo(Completion.Reason.LENGTH);
            assertThat(scored.ids()).isEmpty();
            List<TokenLogprobs> scores = requireNonNull(scored.promptLogprobs());
            assertThat(scores).hasSize(49);
            assertThat(requireNonNull(first.promptLogprobs())).hasSize(29);
            for (int i = 0; i < 20; i++) {
                TokenLogprobs output = first.logprobs().get(i);
                TokenLogprobs prompt = scores.get(29 + i);
                assertThat(prompt.logprob()).isEqualTo(output.logprob());
                assertThat(output.rank()).isEqualTo(1).isEqualTo(prompt.rank());
                assertThat(output.topIds()).hasSize(3).startsWith(first.ids().get(i));
                assertThat(prompt.topIds()).containsExactly(output.topIds()[0], output.topIds()[1]);
                assertThat(output.topLogprobs()[0]).isEqualTo(output.logprob(), within(1e-6f));
            }
        }
    }

    @Test
    void promptLogprobsComeOnceThoughTheSequenceIsPreempted() {
        Sampling scored = Samplings.greedy()
                .ends(0, true)
                .logprobs(OptionalInt.empty(), OptionalInt.of(0))
                .value();
        try (TestEngine engine = new TestEngine(model, new Size(8, 64, 8, 100), 128)) {
            List<Collected> all = prompts(5).stream()
                    .map(prompt -> engine.submit(prompt, scored, 40))
                    .toList();
            all.forEach(Collected::completion);
            assertThat(engine.engine().statistics().preemptions()).isPositive();
            for (int i = 0; i < all.size(); i++) {
                assertThat(requireNonNull(all.get(i).promptLogprobs())).hasSize(4 + 9 * i);
                assertThat(all.get(i).ids()).hasSize(40);
            }
        }
    }

    @Test
    void nothingToComputeEndsAtOnce() {
        Sampling scored = Samplings.greedy()
                .logprobs(OptionalInt.empty(), OptionalInt.of(1))
                .value();
        try (TestEngine engine = engine(Size.ROOMY)) {
            Collected empty = engine.submit(prompt(5), GREEDY, 0);
            assertThat(empty.completion().reason()).isEqualTo(Completion.Reason.LENGTH);
            Collected one = engine.submit(prompt(1), scored, 0);
            assertThat(one.completion().reason()).isEqualTo(Completion.Reason.LENGTH);
            assertThat(requireNonNull(one.promptLogprobs())).isEmpty();
            Collected used = engine.submit(new GenerationRequest("used", prompt(9), 4, GREEDY, 4));
            used.completion();
            assertThat(used.ids()).isEmpty();
        }
    }

    // Cancelling, pausing, queueing

    @Test
    void cancellingFreesTheBlocksAndIsSilent() throws InterruptedException {
        try (TestEngine engine = engine(Size.ROOMY)) {
            CompletableFuture<Integer> third = new CompletableFuture<>();
            Collected collected = new Collected(count -> {
                if (count == 3) {
                    third.complete(count);
                }
            });
            Generation generation =
                    engine.engine().submit(new GenerationRequest("gone", prompt(20), 0, GREEDY, 200), collected);
            third.join();
            generation.cancel();
            engine.awaitIdle();
            assertThat(collected.ended()).isFalse();
            assertThat(collected.ids().size()).isLessThan(200);
            generation.cancel();
            assertThat(engine.submit(prompt(5), GREEDY, 2).completion().reason())
                    .isEqualTo(Completion.Reason.LENGTH);
        }
    }

    @Test
    void aPausedSequenceWaitsAndHoldsUpNobody() {
        try (TestEngine engine = engine(Size.ROOMY)) {
            List<Integer> alone =
                    engine.generate(List.of(prompt(20)), GREEDY, 30).getFirst();
            CompletableFuture<Generation> self = new CompletableFuture<>();
            Collected slow = new Collected(count -> {
                if (count == 3) {
                    self.join().pause();
                }
            });
            self.complete(engine.engine().submit(new GenerationRequest("slow", prompt(20), 0, GREEDY, 30), slow));
            List<List<Integer>> others = engine.generate(prompts(6), GREEDY, 40);
            assertThat(others).allSatisfy(ids -> assertThat(ids).hasSize(40));
            assertThat(slow.ended()).isFalse();
            assertThat(slow.ids()).hasSize(3);
            self.join().resume();
            slow.completion();
            assertThat(slow.ids()).isEqualTo(alone);
        }
    }

    @Test
    void aFullQueueRefuses() {
        try (TestEngine engine = engine(new Size(1, 64, 64, 2))) {
            CompletableFuture<Void> go = new CompletableFuture<>();
            CompletableFuture<Void> running = new CompletableFuture<>();
            Collected first = new Collected(_ -> {
                running.complete(null);
                go.join();
            });
            engine.engine().submit(new GenerationRequest("first", prompt(5), 0, GREEDY, 3), first);
            running.join();
            Collected second = engine.submit(prompt(5), GREEDY, 3);
            Collected third = engine.submit(prompt(6), GREEDY, 3);
            assertThatThrownBy(() -> engine.submit(prompt(7), GREEDY, 3))
                    .isInstanceOfSatisfying(
                            EngineException.class,
                            refused -> assertThat(refused.code()).isEqualTo(EngineException.Code.RESOURCE_EXHAUSTED))
                    .hasMessageContaining("2 requests are waiting");
            go.complete(null);
            first.completion();
            second.completion();
            third.completion();
            assertThat(engine.submit(prompt(7), GREEDY, 3).completion().preemptions())
                    .isZero();
        }
    }

    // Refusals

    @Test
    void refusesWhatTheModelCannotServe() {
        try (TestEngine engine = engine(Size.ROOMY)) {
            refused(() -> engine.submit(new int[0], GREEDY, 1), "the prompt is empty");
            refused(() -> engine.submit(new int[] {128}, GREEDY, 1), "prompt holds the id 128");
            refused(() -> engine.submit(new int[] {-1}, GREEDY, 1), "the id 4294967295");
            refused(() -> engine.submit(prompt(256), GREEDY, 1), "the prompt has 256 ids");
            refused(() -> engine.submit(new GenerationRequest("x", prompt(4), 4, GREEDY, 9)), "4 of 4 prompt ids");
            refused(
                    () -> engine.submit(
                            prompt(4), Samplings.greedy().ends(5, false).value(), 4),
                    "min_tokens is 5");
            refused(
                    () -> engine.submit(
                            prompt(4),
                            Samplings.greedy()
                                    .logprobs(OptionalInt.of(21), OptionalInt.empty())
                                    .value(),
                            4),
                    "logprobs is 21; it is at most 20");
            refused(
                    () -> engine.submit(
                            prompt(4),
                            Samplings.greedy()
                                    .ids(Map.of(500, 1f), List.of(), List.of())
                                    .value(),
                            4),
                    "logit_bias holds the id 500");
            refused(
                    () -> Samplings.greedy()
                            .random(Float.NaN, OptionalLong.empty())
                            .value(),
                    "temperature is NaN");
            refused(() -> Samplings.greedy().penalties(0, 0, 0).value(), "repetition_penalty is 0.0");
            refused(() -> Samplings.greedy().penalties(1, 3, 0).value(), "frequency_penalty is 3.0");
            refused(
                    () -> Samplings.greedy()
                            .ids(Map.of(1, Float.NaN), List.of(), List.of())
                            .value(),
                    "logit_bias of id 1 is NaN");
        }
    }

    private static void refused(org.assertj.core.api.ThrowableAssert.ThrowingCallable call, String message) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        EngineException.class,
                        refused -> assertThat(refused.code()).isEqualTo(EngineException.Code.INVALID_ARGUMENT))
                .hasMessageContaining(message);
    }

    // Failing and ending

    @Test
    void aFailedStepEndsOnlyItsOwnSequences() throws InterruptedException {
        FailingBackend backend = new FailingBackend(new JavaBackend());
        try (TestEngine engine = new TestEngine(model, new Size(1, 64, 64, 10), 128, backend)) {
            Collected first = new Collected(count -> {
                if (count == 3) {
                    backend.failNext(false);
                }
            });
            engine.engine().submit(new GenerationRequest("fails", prompt(5), 0, GREEDY, 20), first);
            Collected second = engine.submit(prompt(5), GREEDY, 20);
            assertThatThrownBy(first::completion)
                    .isInstanceOf(CompletionException.class)
                    .hasRootCauseMessage("the step failed; try again");
            assertThat(second.completion().reason()).isEqualTo(Completion.Reason.LENGTH);
            assertThat(second.ids()).hasSize(20);
            engine.awaitIdle();
            assertThat(engine.engine().failure()).isNotDone();
        }
    }

    @Test
    void aFatalFailureEndsEverythingAndIsTold() {
        FailingBackend backend = new FailingBackend(new JavaBackend());
        try (TestEngine engine = new TestEngine(model, Size.ROOMY, 128, backend)) {
            Collected first = new Collected(count -> {
                if (count == 3) {
                    backend.failNext(true);
                }
            });
            engine.engine().submit(new GenerationRequest("fails", prompt(5), 0, GREEDY, 20), first);
            assertThat(engine.engine().failure().join()).hasMessageContaining("made to fail");
            assertThatThrownBy(first::completion).isInstanceOf(CompletionException.class);
            assertThatThrownBy(() -> engine.submit(prompt(5), GREEDY, 1))
                    .isInstanceOfSatisfying(
                            EngineException.class,
                            refused -> assertThat(refused.code()).isEqualTo(EngineException.Code.UNAVAILABLE));
        }
    }

    @Test
    void drainingFinishesWhatRunsAndAdmitsNothing() {
        try (TestEngine engine = engine(new Size(1, 64, 64, 10))) {
            Collected first = engine.submit(prompt(5), GREEDY, 30);
            Collected second = engine.submit(prompt(6), GREEDY, 30);
            CompletableFuture<Void> drained = engine.engine().drain();
            assertThatThrownBy(() -> engine.submit(prompt(5), GREEDY, 1)).hasMessageContaining("draining");
            drained.join();
            assertThat(first.ended()).isTrue();
            assertThat(second.ended()).isTrue();
            assertThat(engine.engine().drain()).succeedsWithin(java.time.Duration.ofMinutes(1));
        }
    }

    @Test
    void closingEndsWhatRuns() {
        TestEngine engine = engine(Size.ROOMY);
        Collected running = engine.submit(prompt(5), GREEDY, 250);
        engine.close();
        assertThatThrownBy(running::completion)
                .isInstanceOf(CompletionException.class)
                .hasRootCauseMessage("the worker has stopped");
        assertThatThrownBy(() -> engine.submit(prompt(5), GREEDY, 1)).hasMessageContaining("stopped");
        assertThat(engine.engine().drain()).isCompleted();
    }

    @Test
    void countsWhatItDoes() throws InterruptedException {
        try (TestEngine engine = engine(Size.ROOMY)) {
            engine.generate(prompts(3), GREEDY, 10);
            engine.awaitIdle();
            EngineStatistics counted = engine.engine().statistics();
            assertThat(counted.promptTokens()).isEqualTo(5 + 14 + 23);
            assertThat(counted.generationTokens()).isEqualTo(30);
            assertThat(counted.stepTokens()).isEqualTo(5 + 14 + 23 + 27);
            long steps = 0;
            for (int bucket = 0; bucket < counted.stepBuckets(); bucket++) {
                steps += counted.stepBucket(bucket);
            }
            assertThat(steps).isEqualTo(counted.steps());
        }
    }
}
