package dev.skein.loadtest.report;

import dev.skein.loadtest.measure.Samples;
import dev.skein.loadtest.measure.Summary;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/// The kinds of latency that a report has.
///
/// @param key in JSON, as vLLM's benchmark calls it
/// @param name for people
record Latency(String key, String name, Function<Summary, Samples> of) {
    static final List<Latency> ALL = List.of(
            new Latency("ttft", "time to first token", Summary::ttft),
            new Latency("itl", "between tokens", Summary::itl),
            new Latency("tpot", "per output token", Summary::tpot),
            new Latency("e2el", "end to end", Summary::e2el));

    /// Those that are shown, in order.
    static final List<Map.Entry<String, Double>> QUANTILES =
            List.of(Map.entry("p50", 0.5), Map.entry("p90", 0.9), Map.entry("p99", 0.99), Map.entry("max", 1.0));

    /// One quantile of each run.
    Samples quantile(Side side, double share) {
        return side.over(run -> of.apply(run).quantile(share));
    }
}
