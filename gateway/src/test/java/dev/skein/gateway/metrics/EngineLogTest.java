package dev.skein.gateway.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.protocol.v1.StatisticsResponse;
import org.junit.jupiter.api.Test;

class EngineLogTest {
    private static final long SECOND = 1_000_000_000L;

    private final EngineLog log = new EngineLog();

    private static StatisticsResponse said(int prompt, int generated, int running) {
        return StatisticsResponse.newBuilder()
                .setPromptTokens(prompt)
                .setGenerationTokens(generated)
                .setRunning(running)
                .setWaiting(running / 2)
                .setBlocksUsed(running)
                .setBlocksTotal(16)
                .setPrefixCacheQueries(prompt)
                .setPrefixCacheHits(prompt / 2)
                .build();
    }

    @Test
    void aLineTellsWhatWasDoneSinceTheLast() {
        assertThat(log.line(0, said(100, 50, 0), 0)).isEmpty();
        assertThat(log.line(0, said(150, 300, 4), 10 * SECOND))
                .hasValue("Engine 000: Avg prompt throughput: 5.0 tokens/s, Avg generation throughput: 25.0 tokens/s,"
                        + " Running: 4 reqs, Waiting: 2 reqs, KV cache usage: 25.0%,"
                        + " Prefix cache hit rate: 50.0%");
    }

    @Test
    void anIdleEngineSaysSoOnce() {
        log.line(0, said(0, 0, 0), 0);
        assertThat(log.line(0, said(0, 0, 0), SECOND)).isEmpty();
        assertThat(log.line(0, said(9, 9, 0), 2 * SECOND)).isPresent();
        assertThat(log.line(0, said(9, 9, 0), 3 * SECOND)).isPresent();
        assertThat(log.line(0, said(9, 9, 0), 4 * SECOND)).isEmpty();
        assertThat(log.line(0, said(9, 9, 1), 5 * SECOND)).isPresent();
    }

    @Test
    void enginesCountByThemselvesAndMayStartAnew() {
        log.line(0, said(100, 100, 0), 0);
        log.line(1, said(0, 0, 0), 0);
        assertThat(log.line(1, said(0, 0, 0), SECOND)).isEmpty();
        assertThat(log.line(0, said(7, 0, 0), SECOND)).get().asString().contains("prompt throughput: 7.0 tokens/s");
    }
}
