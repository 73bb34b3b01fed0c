package dev.skein.worker.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ComputeException;
import dev.skein.compute.ElementType;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepOutputs;
import dev.skein.worker.engine.EngineException.Code;
import dev.skein.worker.engine.TestEngine.Size;
import dev.skein.worker.model.Architecture.LoadProgress;
import dev.skein.worker.model.TinyLlama;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the step loop does when its stepper breaks and may recover. */
final class EngineRecoveryTest {
    private static final Sampling GREEDY = Samplings.greedy().ends(0, true).value();
    private static final Size SMALL = new Size(4, 16, 64, 100);
    private static final int IDS = 30;

    @TempDir
    private Path folder;

    private Path model = Path.of("");

    @BeforeEach
    void makeModel() {
        model = TinyLlama.untied(ElementType.Q8_0, 5).write(folder.resolve("model.gguf"));
    }

    private static int[] prompt(int length) {
        return new Random(length).ints(length, 3, TinyLlama.VOCABULARY).toArray();
    }

    @Test
    void answersDoNotDependOnRecoveries() {
        List<Collected> undisturbed;
        try (TestEngine engine = new TestEngine(model, SMALL, TinyLlama.CONTEXT)) {
            undisturbed = answers(engine);
        }
        for (int life : List.of(16, 19, 40)) {
            Breaking breaking = new Breaking(life, CompletableFuture.completedFuture(null));
            try (TestEngine engine = new TestEngine(model, SMALL, TinyLlama.CONTEXT, breaking::through)) {
                List<Collected> disturbed = answers(engine);
                for (int i = 0; i < undisturbed.size(); i++) {
                    assertSame(disturbed.get(i), undisturbed.get(i));
                }
                assertThat(breaking.recoveries).isGreaterThan(1);
            }
        }
    }

    /** More than there are seats; prompts of many chunks among them. */
    private static List<Collected> answers(TestEngine engine) {
        List<Sampling> samplings = List.of(
                GREEDY,
                Samplings.greedy()
                        .ends(0, true)
                        .random(1.5f, OptionalLong.of(42))
                        .penalties(1.2f, 0.4f, 0.2f)
                        .logprobs(OptionalInt.of(2), OptionalInt.of(3))
                        .value());
        List<Collected> answers = new ArrayList<>();
        for (int length : List.of(3, 40, 70)) {
            for (Sampling sampling : samplings) {
                answers.add(engine.submit(prompt(length), sampling, IDS));
            }
        }
        answers.forEach(Collected::completion);
        return answers;
    }

    private static void assertSame(Collected answer, Collected expected) {
        assertThat(answer.ids()).hasSize(IDS).isEqualTo(expected.ids());
        assertThat(answer.logprobs()).usingRecursiveComparison().isEqualTo(expected.logprobs());
        assertThat(answer.promptLogprobs()).usingRecursiveComparison().isEqualTo(expected.promptLogprobs());
    }

    @Test
    void whatIsAskedMeanwhileIsObeyed() throws Exception {
        CompletableFuture<Void> recovery = new CompletableFuture<>();
        Breaking breaking = new Breaking(5, recovery);
        try (TestEngine engine = new TestEngine(model, SMALL, TinyLlama.CONTEXT, breaking::through)) {
            Collected left = new Collected();
            Generation leaving = engine.engine().submit(new GenerationRequest("left", prompt(3), 0, GREEDY, IDS), left);
            breaking.broke.join();
            leaving.cancel();
            Collected come = engine.submit(prompt(3), GREEDY, 4);
            EngineStatistics now = engine.engine().statistics();
            while (engine.engine().unseen() > 0 || now.waiting() != 1 || now.running() != 0) {
                Thread.sleep(1);
            }
            int heard = left.ids().size();
            assertThat(come.ids()).isEmpty();
            CompletableFuture<Void> drained = engine.engine().drain();
            recovery.complete(null);
            drained.join();
            assertThat(come.ids()).hasSize(4);
            assertThat(left.ids()).hasSize(heard).startsWith(come.ids().toArray(Integer[]::new));
            assertThat(left.ended()).isFalse();
        }
    }

    @Test
    void closingEndsTheWait() {
        Breaking breaking = new Breaking(3, new CompletableFuture<>());
        Collected waiting;
        try (TestEngine engine = new TestEngine(model, SMALL, TinyLlama.CONTEXT, breaking::through)) {
            waiting = engine.submit(prompt(3), GREEDY, IDS);
            breaking.broke.join();
        }
        assertFails(waiting, Code.UNAVAILABLE);
    }

    @Test
    void theEngineFailsWhenThereIsNoWayOn() {
        ComputeException late = new ComputeException("nobody came", true);
        Breaking breaking = new Breaking(3, CompletableFuture.failedFuture(late));
        try (TestEngine engine = new TestEngine(model, SMALL, TinyLlama.CONTEXT, breaking::through)) {
            Collected waiting = engine.submit(prompt(3), GREEDY, IDS);
            assertThat(engine.engine().failure().join()).isSameAs(late);
            assertFails(waiting, Code.INTERNAL);
        }
    }

    @Test
    void theThirdBreakAfterAFewStepsIsTheLast() {
        Breaking breaking = new Breaking(15, CompletableFuture.completedFuture(null));
        try (TestEngine engine = new TestEngine(model, SMALL, TinyLlama.CONTEXT, breaking::through)) {
            Collected poisonous = engine.submit(prompt(3), GREEDY, 100);
            assertThat(engine.engine().failure().join()).hasMessage("made to break");
            assertThat(breaking.recoveries).as("two, each made twice").isEqualTo(4);
            assertFails(poisonous, Code.INTERNAL);
        }
    }

    private static void assertFails(Collected answer, Code code) {
        assertThatThrownBy(answer::completion)
                .isInstanceOf(CompletionException.class)
                .cause()
                .isInstanceOfSatisfying(
                        EngineException.class,
                        reason -> assertThat(reason.code()).isEqualTo(code));
    }

    /** Breaks after so many steps, and then once more when it resumes. */
    private static final class Breaking implements Stepper {
        private final int life;
        private final CompletableFuture<Void> recovery;
        private final CompletableFuture<Void> broke = new CompletableFuture<>();
        /** Itself until it is told. */
        private Stepper real = this;

        private int steps;
        private int recoveries;

        Breaking(int life, CompletableFuture<Void> recovery) {
            this.life = life;
            this.recovery = recovery;
        }

        Stepper through(Stepper stepper) {
            real = stepper;
            return this;
        }

        @Override
        public int depth() {
            return real.depth();
        }

        @Override
        public void load(LoadProgress progress) {
            real.load(progress);
        }

        @Override
        public void submit(StepInputs inputs) {
            real.submit(inputs);
        }

        @Override
        public StepOutputs take() {
            StepOutputs outputs = real.take();
            if (++steps > life) {
                throw new ComputeException("made to break", true);
            }
            return outputs;
        }

        @Override
        public CompletableFuture<Void> recover(ComputeException failure) {
            recoveries++;
            broke.complete(null);
            return recovery.copy();
        }

        @Override
        public void resume() {
            if (recoveries % 2 == 1) {
                throw new ComputeException("made to break once more", true);
            }
            steps = 0;
        }

        @Override
        public void close() {
            real.close();
        }
    }
}
