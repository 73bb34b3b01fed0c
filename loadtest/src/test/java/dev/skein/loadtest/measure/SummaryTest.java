package dev.skein.loadtest.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SummaryTest {
    private static final long MS = 1_000_000;

    private static Observation answer(long due, long sent, int tokens, long... arrivals) {
        long[] nanos = Arrays.stream(arrivals).map(at -> at * MS).toArray();
        return new Observation(due * MS, sent * MS, new Outcome.Answer(nanos, tokens, 10, 4));
    }

    private static Observation failed(String cause, String example) {
        return new Observation(0, 0, new Outcome.Failure(cause, example));
    }

    @Test
    void figuresAreThoseOfVllm() {
        Summary summary = Summary.of(
                List.of(answer(0, 0, 5, 100, 120, 180), answer(500, 500, 1, 530), answer(1000, 1000, 4, 1200, 2000)),
                Goal.NONE);
        assertThat(summary.seconds()).isEqualTo(2);
        assertThat(summary.tokensPerSecond()).isEqualTo(5);
        assertThat(summary.requestsPerSecond()).isEqualTo(1.5);
        assertThat(summary.promptTokens()).isEqualTo(30);
        assertThat(summary.cachedTokens()).isEqualTo(12);
        assertThat(summary.ttft().count()).isEqualTo(3);
        assertThat(summary.ttft().quantile(0.5)).isEqualTo(100);
        assertThat(summary.ttft().most()).isEqualTo(200);
        assertThat(summary.itl().count()).isEqualTo(3);
        assertThat(summary.itl().mean()).isCloseTo((20 + 60 + 800) / 3.0, within(1e-9));
        // (180 - 100) / 4 and (2000 - 1200) / 3; an answer of one token has none.
        assertThat(summary.tpot().count()).isEqualTo(2);
        assertThat(summary.tpot().least()).isEqualTo(20);
        assertThat(summary.tpot().most()).isCloseTo(800 / 3.0, within(1e-9));
        assertThat(summary.e2el().quantile(0.99)).isEqualTo(1000);
    }

    /// A server that stands still for a second holds up requests that the generator could not send. By the times
    /// when they were sent all but one were fast; by the times when they were due they waited.
    @Test
    void waitingToBeSentIsLatency() {
        List<Observation> stalled = List.of(
                answer(0, 0, 1, 1000),
                answer(100, 1000, 1, 1010),
                answer(200, 1010, 1, 1020),
                answer(300, 1020, 1, 1030));
        Summary summary = Summary.of(stalled, Goal.NONE);
        assertThat(summary.ttft().least()).isEqualTo(730);
        assertThat(summary.ttft().quantile(0.5)).isEqualTo(820);
        assertThat(summary.late().most()).isEqualTo(900);
    }

    @Test
    void failuresAreCountedByCauseAndCutsAreNot() {
        Summary summary = Summary.of(
                List.of(
                        answer(0, 0, 2, 10, 1000),
                        failed("HTTP 503", "full"),
                        failed("HTTP 503", "still full"),
                        failed("a connection refused", "port 1"),
                        new Observation(0, 0, new Outcome.Cut())),
                Goal.NONE);
        assertThat(summary.completed()).isEqualTo(1);
        assertThat(summary.failed()).isEqualTo(3);
        assertThat(summary.cut()).isEqualTo(1);
        assertThat(summary.requestsPerSecond()).isEqualTo(1);
        assertThat(summary.failures())
                .containsEntry("HTTP 503", new Summary.Failures(2, "full"))
                .containsEntry("a connection refused", new Summary.Failures(1, "port 1"))
                .hasSize(2);
    }

    @Test
    void goodputCountsAnswersThatKeptAllBounds() {
        List<Observation> observations = List.of(
                answer(0, 0, 2, 100, 200),
                answer(0, 0, 2, 101, 200),
                answer(0, 0, 2, 100, 201),
                answer(0, 0, 1, 90),
                answer(0, 0, 2, 10, 2000),
                failed("HTTP 503", "full"));
        assertThat(Summary.of(observations, Goal.parse(List.of("ttft:100", "tpot:100")))
                        .good())
                .isEqualTo(2);
        assertThat(Summary.of(observations, Goal.parse(List.of("e2el:200"))).good())
                .isEqualTo(3);
        assertThat(Summary.of(observations, Goal.parse(List.of("e2el:200"))).goodput())
                .isEqualTo(1.5);
        assertThat(Summary.of(observations, Goal.NONE).good()).isEqualTo(5);
    }

    @Test
    void goalsAreReadAsVllmWritesThem() {
        assertThat(Goal.parse(List.of("ttft:500", "tpot:50.5", "e2el:5000"))).isEqualTo(new Goal(500, 50.5, 5000));
        assertThat(Goal.parse(List.of()).given()).isFalse();
        for (String wrong : List.of("ttft", "ttft:", "ttft:-1", "ttft:0", "itl:5", "ttft:fast", ":5")) {
            assertThatThrownBy(() -> Goal.parse(List.of(wrong))).hasMessageContaining("'" + wrong + "'");
        }
    }

    @Test
    void nothingMeasuredIsNoNumber() {
        Summary summary = Summary.of(List.of(), Goal.NONE);
        assertThat(summary.tokensPerSecond()).isNaN();
        assertThat(summary.ttft().median()).isNaN();
        assertThat(summary.ttft().text()).isEqualTo("none");
        assertThat(summary.ttft().json().getValue("median")).isNull();
    }

    @Test
    void samplesAreSortedAndSummed() {
        Samples samples = Samples.of(5, 1, 3, 2);
        assertThat(samples.median()).isEqualTo(2.5);
        assertThat(samples.text()).isEqualTo("2.5 (1.0-5.0)");
        assertThat(samples.quantile(0.5)).isEqualTo(2);
        assertThat(samples.quantile(0.99)).isEqualTo(5);
        assertThat(samples.mean()).isEqualTo(2.75);
        assertThat(Samples.of(4, 9, 1).median()).isEqualTo(4);
        assertThat(Samples.pooled(List.of(samples, Samples.of(), Samples.of(9))).most())
                .isEqualTo(9);
        double[] hundred = IntStream.rangeClosed(1, 100).mapToDouble(i -> i).toArray();
        assertThat(Samples.of(hundred).quantile(0.9)).isEqualTo(90);
        assertThat(Samples.of(hundred).quantile(0.99)).isEqualTo(99);
        assertThat(Samples.of(hundred).quantile(0.999)).isEqualTo(100);
    }

    @Test
    void timelinesPoolRunsByTheirStarts() {
        Summary first = Summary.of(List.of(answer(0, 0, 4, 500, 4000)), Goal.NONE);
        Summary second = Summary.of(List.of(answer(2000, 2000, 2, 2500, 2600)), Goal.NONE);
        Timeline timeline = Timeline.of(List.of(first, second), 4);
        assertThat(timeline.width()).isEqualTo(1);
        assertThat(timeline.times()).containsExactly(0.5, 1.5, 2.5, 3.5);
        // Two tokens of the first answer in the first second and two in the last, over two runs.
        assertThat(timeline.values(Timeline.Stretch::tokensPerSecond)).containsExactly(1, 0, 1, 1);
        assertThat(timeline.stretches().get(0).ttft().median()).isEqualTo(500);
        assertThat(timeline.stretches().get(2).itl().median()).isCloseTo(100, within(1e-9));
        assertThat(timeline.stretches().get(1).itl().count()).isZero();
        assertThat(Timeline.of(List.of(), 3).stretches()).hasSize(3);
    }
}
