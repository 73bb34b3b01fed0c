package dev.skein.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import dev.skein.compute.StepInputs;
import dev.skein.compute.StepInputs.Output;
import dev.skein.compute.StepOutputs;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** Sampling: each parameter's meaning, the distribution drawn from, and native code against plain Java. */
@ParameterizedClass
@MethodSource("dev.skein.compute.cpu.Kinds#all")
class SampleTest {
    private static final float[] LOGITS = {1f, 3f, -2f, 3f, 0f, 2.5f};
    private static final float BAN = Float.NEGATIVE_INFINITY;

    private final HostBackend backend;
    private final HostBackend oracle = new JavaBackend();

    SampleTest(Kinds.Kind kind) {
        backend = kind.make();
    }

    @AfterEach
    void close() {
        backend.close();
        oracle.close();
    }

    /** What is asked of the one output of a step. */
    private interface Ask extends BiConsumer<StepInputs, Integer> {}

    private int sampled(float[] logits, Ask ask) {
        return sample(backend, logits, ask).id(0);
    }

    private static StepOutputs sample(HostBackend on, float[] logits, Ask ask) {
        return sample(on, new float[][] {logits}, ask);
    }

    private static StepOutputs sample(HostBackend on, float[][] logits, Ask ask) {
        StepInputs step = new StepInputs(new StepInputs.Limits(logits.length, logits.length, logits.length, 1, 1));
        for (int i = 0; i < logits.length; i++) {
            step.sequence();
            step.token(0, 0, 0);
            ask.accept(step, step.output());
        }
        HostBuffer x = Lab.buffer(on, logits);
        HostBuffer gathered = (HostBuffer) on.buffer(logits.length, logits[0].length);
        on.begin(step);
        on.gather(x, gathered);
        on.sample(gathered);
        return on.finish();
    }

    private static Ask warm(float temperature, int position) {
        return (step, output) -> {
            step.set(output, Output.TEMPERATURE, temperature);
            step.set(output, Output.SEED_LOW, 99);
            step.set(output, Output.SEED_HIGH, -5);
            step.set(output, Output.POSITION, position);
        };
    }

    private static Ask both(Ask one, Ask other) {
        return (step, output) -> {
            one.accept(step, output);
            other.accept(step, output);
        };
    }

    private Set<Integer> drawn(float[] logits, Ask ask) {
        Set<Integer> ids = new HashSet<>();
        for (int position = 0; position < 400; position++) {
            ids.add(sampled(logits, both(warm(1f, position), ask)));
        }
        return ids;
    }

    @Test
    void greedyTakesTheLowestOfTheHighest() {
        assertThat(sampled(LOGITS, (step, output) -> {})).isEqualTo(1);
        assertThat(sampled(LOGITS, warm(9e-6f, 0))).isEqualTo(1);
    }

    @Test
    void biasAndBans() {
        assertThat(sampled(LOGITS, (step, output) -> step.bias(output, 2, 5.5f)))
                .isEqualTo(2);
        assertThat(sampled(LOGITS, (step, output) -> {
                    step.bias(output, 1, BAN);
                    step.bias(output, 3, BAN);
                }))
                .isEqualTo(5);
        assertThat(drawn(LOGITS, (step, output) -> step.bias(output, 1, BAN)))
                .doesNotContain(1)
                .contains(3, 5, 0);
    }

    @Test
    void bansThatLeaveNothingAreIgnored() {
        assertThat(sampled(LOGITS, (step, output) -> {
                    step.allow(output, 4);
                    step.bias(output, 4, BAN);
                }))
                .isEqualTo(1);
    }

    @Test
    void onlyAllowedIds() {
        Ask allow = (step, output) -> {
            step.allow(output, 4);
            step.allow(output, 0);
        };
        assertThat(sampled(LOGITS, allow)).isEqualTo(0);
        assertThat(drawn(LOGITS, allow)).containsExactlyInAnyOrder(0, 4);
    }

    @Test
    void repetitionCountsPromptAndOutput() {
        Ask ask = (step, output) -> {
            step.set(output, Output.REPETITION_PENALTY, 2f);
            step.history(output, 1, true);
            step.history(output, 1, true);
            step.history(output, 3, false);
        };
        assertThat(sampled(LOGITS, ask)).as("both halved once").isEqualTo(5);
        float[] negative = {-1f, -1.5f, -3f};
        assertThat(sampled(negative, (step, output) -> {
                    step.set(output, Output.REPETITION_PENALTY, 2f);
                    step.history(output, 0, false);
                }))
                .as("negative ones are doubled")
                .isEqualTo(1);
    }

    @Test
    void frequencyAndPresenceCountOutputOnly() {
        Ask history = (step, output) -> {
            step.history(output, 3, true);
            step.history(output, 1, false);
            step.history(output, 1, false);
        };
        Ask frequency = (step, output) -> step.set(output, Output.FREQUENCY_PENALTY, 0.1f);
        Ask presence = (step, output) -> step.set(output, Output.PRESENCE_PENALTY, 0.1f);
        assertThat(sampled(LOGITS, both(frequency, history))).isEqualTo(3);
        assertThat(sampled(LOGITS, both(presence, history))).isEqualTo(3);
        float[] close = {3.15f, 3f};
        Ask twice = (step, output) -> {
            step.history(output, 0, false);
            step.history(output, 0, false);
        };
        assertThat(sampled(close, both(frequency, twice))).as("0.2 less").isEqualTo(1);
        assertThat(sampled(close, both(presence, twice))).as("0.1 less").isEqualTo(0);
    }

    @Test
    void topKKeepsTies() {
        assertThat(drawn(LOGITS, (step, output) -> step.set(output, Output.TOP_K, 1)))
                .containsExactlyInAnyOrder(1, 3);
        assertThat(drawn(LOGITS, (step, output) -> step.set(output, Output.TOP_K, 3)))
                .containsExactlyInAnyOrder(1, 3, 5);
        assertThat(drawn(LOGITS, (step, output) -> step.set(output, Output.TOP_K, 100)))
                .contains(0, 1, 3, 4, 5);
    }

    @Test
    void topPKeepsTheSmallestSetThatReachesIt() {
        float[] logits = {logit(0.1), logit(0.5), logit(0.15), logit(0.25)};
        assertThat(drawn(logits, topP(0.4f))).containsExactlyInAnyOrder(1);
        assertThat(drawn(logits, topP(0.51f))).containsExactlyInAnyOrder(1, 3);
        assertThat(drawn(logits, topP(0.76f))).containsExactlyInAnyOrder(1, 2, 3);
        assertThat(drawn(logits, topP(0.95f))).containsExactlyInAnyOrder(0, 1, 2, 3);
        assertThat(drawn(new float[] {1f, 1f, 1f, 1f}, topP(0.5f)))
                .as("the lower ids of equals")
                .containsExactlyInAnyOrder(0, 1);
        assertThat(drawn(logits, topP(0f))).containsExactlyInAnyOrder(1);
    }

    private static Ask topP(float value) {
        return (step, output) -> step.set(output, Output.TOP_P, value);
    }

    private static float logit(double probability) {
        return (float) Math.log(probability);
    }

    @Test
    void minPIsRelativeToTheLikeliest() {
        float[] logits = {logit(0.5), logit(0.3), logit(0.15), logit(0.05)};
        assertThat(drawn(logits, (step, output) -> step.set(output, Output.MIN_P, 0.2f)))
                .containsExactlyInAnyOrder(0, 1, 2);
        assertThat(drawn(logits, (step, output) -> step.set(output, Output.MIN_P, 1f)))
                .containsExactlyInAnyOrder(0);
    }

    @Test
    void drawsFromTheDistribution() {
        double[] probabilities = {0.4, 0.05, 0.3, 0.2, 0.05};
        float[] logits = new float[5];
        for (int i = 0; i < 5; i++) {
            logits[i] = (float) (2 * Math.log(probabilities[i])) + 11;
        }
        int draws = 20000;
        int[] counts = new int[5];
        float[][] rows = new float[500][];
        Arrays.fill(rows, logits);
        for (int from = 0; from < draws; from += rows.length) {
            int first = from;
            StepOutputs outputs = sample(
                    backend, rows, (step, output) -> warm(2f, first + output).accept(step, output));
            IntStream.range(0, rows.length).forEach(i -> counts[outputs.id(i)]++);
        }
        double chi = 0;
        for (int i = 0; i < 5; i++) {
            double expected = probabilities[i] * draws;
            chi += (counts[i] - expected) * (counts[i] - expected) / expected;
        }
        assertThat(chi)
                .as("chi-square of %s, 4 degrees; 1 in 1000 exceeds 18.5", Arrays.toString(counts))
                .isLessThan(18.5);
    }

    @Test
    void seedsGiveUniformNumbers() {
        int[] buckets = new int[64];
        for (int seed = 0; seed < 640; seed++) {
            for (int position = 0; position < 100; position++) {
                buckets[(int) (JavaSampler.random(seed, position) >>> 58)]++;
            }
        }
        double chi = Arrays.stream(buckets)
                .mapToDouble(n -> (n - 1000.0) * (n - 1000.0) / 1000)
                .sum();
        assertThat(chi).as("63 degrees; 1 in 1000 exceeds 103.4").isLessThan(103.4);
    }

    @Test
    void logprobsAreOfRawLogits() {
        Ask ask = (step, output) -> {
            step.bias(output, 2, 100f);
            step.set(output, Output.LOGPROBS, 4);
        };
        StepOutputs outputs = sample(backend, LOGITS, ask);
        double sum = 0;
        for (float logit : LOGITS) {
            sum += Math.exp(logit);
        }
        assertThat(outputs.id(0)).isEqualTo(2);
        assertThat((double) outputs.logprob(0)).isCloseTo(-2 - Math.log(sum), offset(1e-6));
        assertThat(outputs.rank(0)).isEqualTo(6);
        assertThat(outputs.topCount(0)).isEqualTo(4);
        assertThat(IntStream.range(0, 4).map(k -> outputs.topId(0, k))).containsExactly(1, 3, 5, 0);
        assertThat((double) outputs.topLogprob(0, 2)).isCloseTo(2.5 - Math.log(sum), offset(1e-6));
    }

    @Test
    void targetsAreScoredNotSampled() {
        StepOutputs outputs = sample(backend, LOGITS, (step, output) -> {
            step.set(output, Output.TARGET, 4);
            step.set(output, Output.LOGPROBS, 0);
        });
        assertThat(outputs.id(0)).isEqualTo(4);
        assertThat(outputs.rank(0)).isEqualTo(5);
        assertThat(outputs.topCount(0)).isZero();
    }

    @Test
    void asManyLogprobsAsThereAreIds() {
        StepOutputs outputs = sample(backend, LOGITS, (step, output) -> step.set(output, Output.LOGPROBS, 50));
        assertThat(outputs.topCount(0)).isEqualTo(6);
        assertThat(outputs.topId(0, 5)).isEqualTo(2);
    }

    /** Vocabularies of all sizes, parameters of all kinds, ties, the same from both. */
    @Test
    void sameAsPlainJava() {
        long seed = 20;
        Random random = new Random(seed);
        for (int round = 0; round < 200; round++) {
            int vocabulary = round % 25 == 0 ? 5000 + random.nextInt(50000) : 1 + random.nextInt(300);
            float[][] logits = new float[2][vocabulary];
            boolean coarse = random.nextInt(4) == 0;
            for (float[] row : logits) {
                for (int i = 0; i < vocabulary; i++) {
                    float logit = (float) random.nextGaussian() * 4;
                    row[i] = coarse ? Math.round(logit) : logit;
                }
            }
            long asked = random.nextLong();
            Ask ask = (step, output) -> any(step, output, vocabulary, new Random(asked + output));
            StepOutputs expected = sample(oracle, logits, ask);
            StepOutputs outputs = sample(backend, logits, ask);
            for (int output = 0; output < 2; output++) {
                assertSame(outputs, expected, output, "round %d, seed %d, output %d".formatted(round, seed, output));
            }
        }
    }

    private static void any(StepInputs step, int output, int vocabulary, Random random) {
        float[] temperatures = {0f, 0.3f, 1f, 5f};
        step.set(output, Output.TEMPERATURE, temperatures[random.nextInt(4)]);
        step.set(output, Output.LOGPROBS, random.nextInt(24) - 1);
        step.set(output, Output.TARGET, random.nextInt(8) == 0 ? random.nextInt(vocabulary) : -1);
        step.set(output, Output.TOP_K, random.nextBoolean() ? 0 : 1 + random.nextInt(vocabulary + 5));
        step.set(output, Output.TOP_P, random.nextBoolean() ? 1f : random.nextFloat());
        step.set(output, Output.MIN_P, random.nextBoolean() ? 0f : random.nextFloat() / 10);
        step.set(output, Output.SEED_LOW, random.nextInt());
        step.set(output, Output.SEED_HIGH, random.nextInt());
        step.set(output, Output.POSITION, random.nextInt(1000));
        if (random.nextBoolean()) {
            step.set(output, Output.REPETITION_PENALTY, 0.5f + random.nextFloat());
            step.set(output, Output.FREQUENCY_PENALTY, random.nextFloat() - 0.5f);
            step.set(output, Output.PRESENCE_PENALTY, random.nextFloat());
            int prompt = random.nextInt(20);
            for (int i = 0; i < 40; i++) {
                step.history(output, random.nextInt(vocabulary), i < prompt);
            }
        }
        for (int i = random.nextInt(3); i > 0; i--) {
            step.bias(output, random.nextInt(vocabulary), random.nextBoolean() ? BAN : random.nextFloat() * 10);
        }
        for (int i = random.nextInt(4) == 0 ? 10 : 0; i > 0; i--) {
            step.allow(output, random.nextInt(vocabulary));
        }
    }

    private static void assertSame(StepOutputs outputs, StepOutputs expected, int output, String what) {
        assertThat(outputs.id(output)).as(what).isEqualTo(expected.id(output));
        assertThat(outputs.topCount(output)).as(what).isEqualTo(expected.topCount(output));
        assertThat(outputs.rank(output)).as(what).isEqualTo(expected.rank(output));
        assertThat(outputs.logprob(output)).as(what).isEqualTo(expected.logprob(output), offset(1e-6f));
        for (int k = 0; k < expected.topCount(output); k++) {
            assertThat(outputs.topId(output, k)).as(what).isEqualTo(expected.topId(output, k));
            assertThat(outputs.topLogprob(output, k)).isEqualTo(expected.topLogprob(output, k), offset(1e-6f));
        }
    }
}
