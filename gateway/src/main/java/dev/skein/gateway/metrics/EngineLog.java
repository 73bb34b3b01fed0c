package dev.skein.gateway.metrics;

import dev.skein.protocol.v1.StatisticsResponse;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Turns what engines say of themselves into lines for the log, in the shape that readers of vLLM's logs look for. Not
 * thread-safe.
 */
public final class EngineLog {
    private record Seen(long nanos, StatisticsResponse said, boolean active) {}

    private final Map<Integer, Seen> seen = new HashMap<>();

    /**
     * What engine number {@code engine} did since the last call; nothing the first time, and while it idles but for one
     * line that says so.
     *
     * @param nanos {@code System.nanoTime()} of {@code now}
     */
    public Optional<String> line(int engine, StatisticsResponse now, long nanos) {
        Seen before = seen.get(engine);
        long prompt = before == null ? 0 : since(before.said.getPromptTokens(), now.getPromptTokens());
        long generated = before == null ? 0 : since(before.said.getGenerationTokens(), now.getGenerationTokens());
        boolean active = prompt + generated + now.getRunning() + now.getWaiting() > 0;
        seen.put(engine, new Seen(nanos, now, active));
        if (before == null || !active && !before.active) {
            return Optional.empty();
        }
        double seconds = Math.max(nanos - before.nanos, 1) / 1e9;
        return Optional.of(String.format(
                Locale.ROOT,
                "Engine %03d: Avg prompt throughput: %.1f tokens/s, Avg generation throughput: %.1f tokens/s,"
                        + " Running: %d reqs, Waiting: %d reqs, KV cache usage: %.1f%%, Prefix cache hit rate: %.1f%%",
                engine,
                prompt / seconds,
                generated / seconds,
                now.getRunning(),
                now.getWaiting(),
                percent(now.getBlocksUsed(), now.getBlocksTotal()),
                percent(
                        since(before.said.getPrefixCacheHits(), now.getPrefixCacheHits()),
                        since(before.said.getPrefixCacheQueries(), now.getPrefixCacheQueries()))));
    }

    private static double percent(long part, long whole) {
        return whole == 0 ? 0 : 100.0 * part / whole;
    }

    // A worker that was started again counts from nothing.
    private static long since(long before, long now) {
        return now < before ? now : now - before;
    }
}
