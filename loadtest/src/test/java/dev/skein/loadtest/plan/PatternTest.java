package dev.skein.loadtest.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PatternTest {
    private static final int MANY = 200_000;

    private static double[] gaps(Pattern.Open pattern, long seed) {
        long[] due = pattern.due(MANY, new Random(seed));
        return IntStream.range(1, MANY)
                .mapToDouble(i -> (due[i] - due[i - 1]) / 1e9)
                .toArray();
    }

    /// A gamma distribution of shape k has a deviation of 1 / sqrt(k) means.
    @ParameterizedTest
    @ValueSource(doubles = {0.25, 0.5, 1, 3, 20})
    void gapsHaveTheRatesMeanAndTheBurstinessesSpread(double burstiness) {
        long seed = System.nanoTime();
        double[] gaps = gaps(new Pattern.Rate(50, burstiness, 0), seed);
        double mean = Arrays.stream(gaps).average().orElseThrow();
        double variance = Arrays.stream(gaps)
                .map(gap -> (gap - mean) * (gap - mean))
                .average()
                .orElseThrow();
        assertThat(mean).as("seed " + seed).isCloseTo(1 / 50.0, within(0.04 / 50));
        assertThat(Math.sqrt(variance) / mean)
                .as("seed " + seed)
                .isCloseTo(1 / Math.sqrt(burstiness), within(0.1 / Math.sqrt(burstiness)));
        assertThat(Arrays.stream(gaps).min().orElseThrow()).as("seed " + seed).isNotNegative();
    }

    /// The median of an exponential distribution is ln 2 of its mean, which no other shape has.
    @Test
    void burstinessOneIsPoisson() {
        long seed = System.nanoTime();
        double[] gaps = gaps(new Pattern.Rate(1, 1, 0), seed);
        Arrays.sort(gaps);
        assertThat(gaps[MANY / 2]).as("seed " + seed).isCloseTo(Math.log(2), within(0.02));
    }

    @Test
    void infiniteBurstinessIsEven() {
        assertThat(new Pattern.Rate(4, Double.POSITIVE_INFINITY, 0).due(4, new Random(1)))
                .containsExactly(0, 250_000_000, 500_000_000, 750_000_000);
    }

    @Test
    void aTraceBeginsAtItsFirstRequest() {
        assertThat(new Pattern.Replay(new double[] {100, 100.5, 300}, 2, 0).due(3, new Random(1)))
                .containsExactly(0, 250_000, 100_000_000);
        assertThatThrownBy(() -> new Pattern.Replay(new double[] {1}, 1, 0).due(2, new Random(1)))
                .hasMessageContaining("2 requests of a trace of 1");
    }

    @Test
    void nonsenseIsRefused() {
        assertThatThrownBy(() -> new Pattern.Clients(0)).hasMessageContaining("at least 1");
        assertThatThrownBy(() -> new Pattern.Rate(0, 1, 0)).hasMessageContaining("rate of 0.0");
        assertThatThrownBy(() -> new Pattern.Rate(Double.NaN, 1, 0)).hasMessageContaining("NaN");
        assertThatThrownBy(() -> new Pattern.Rate(1, -1, 0)).hasMessageContaining("burstiness of -1.0");
        assertThatThrownBy(() -> new Pattern.Rate(1, 1, -1)).hasMessageContaining("at most -1");
        assertThatThrownBy(() -> new Pattern.Replay(new double[] {1}, 0, 0)).hasMessageContaining("0.0 times");
    }
}
