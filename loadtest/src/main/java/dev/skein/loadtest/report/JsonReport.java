package dev.skein.loadtest.report;

import dev.skein.loadtest.measure.Goal;
import dev.skein.loadtest.measure.Samples;
import dev.skein.loadtest.measure.Summary;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// For programs. Numbers that there are none of are null.
final class JsonReport {
    private JsonReport() {}

    static JsonObject of(Report report) {
        JsonObject json = new JsonObject()
                .put("environment", report.environment().json())
                .put("load", report.load().json())
                .put("goal", goal(report.goal()))
                .put("ended", report.ended())
                .put("server", side(report, report.sides().getFirst()));
        if (report.sides().size() == 2) {
            json.put("peer", side(report, report.sides().getLast()));
        }
        return report.compares() ? json.put("ratios", ratios(report)) : json;
    }

    private static JsonObject goal(Goal goal) {
        return new JsonObject()
                .put("ttft_ms", finite(goal.ttftMillis()))
                .put("tpot_ms", finite(goal.tpotMillis()))
                .put("e2el_ms", finite(goal.e2elMillis()));
    }

    private static JsonObject side(Report report, Side side) {
        JsonArray runs = new JsonArray();
        side.runs().forEach(run -> runs.add(run(run)));
        return new JsonObject()
                .put("url", side.url())
                .put("model", side.model())
                .put("software", side.software())
                .put("medians", medians(report, side))
                .put("failures", failures(side.failures()))
                .put("runs", runs);
    }

    private static JsonObject medians(Report report, Side side) {
        JsonObject json = new JsonObject();
        report.rates().forEach(rate -> json.put(rate.key(), side.over(rate.of()).json()));
        for (Latency latency : Latency.ALL) {
            for (Map.Entry<String, Double> quantile : Latency.QUANTILES) {
                json.put(
                        latency.key() + "_ms_" + quantile.getKey(),
                        latency.quantile(side, quantile.getValue()).json());
            }
        }
        return json;
    }

    private static JsonObject run(Summary run) {
        JsonObject json = new JsonObject()
                .put("seconds", run.seconds())
                .put("requests", run.observations().size())
                .put("completed", run.completed())
                .put("failed", run.failed())
                .put("cut", run.cut())
                .put("good", run.good())
                .put("output_tokens", run.outputTokens())
                .put("prompt_tokens", run.promptTokens())
                .put("cached_prompt_tokens", run.cachedTokens())
                .put("output_tokens_per_second", finite(run.tokensPerSecond()))
                .put("requests_per_second", finite(run.requestsPerSecond()))
                .put("goodput_per_second", finite(run.goodput()))
                .put("failures", failures(run.failures()));
        Latency.ALL.forEach(
                latency -> json.put(latency.key() + "_ms", samples(latency.of().apply(run))));
        return json.put("late_ms", samples(run.late()));
    }

    private static JsonObject samples(Samples samples) {
        JsonObject json = new JsonObject().put("count", samples.count()).put("mean", finite(samples.mean()));
        Latency.QUANTILES.forEach(
                quantile -> json.put(quantile.getKey(), finite(samples.quantile(quantile.getValue()))));
        return json;
    }

    private static JsonArray failures(Map<String, Summary.Failures> failures) {
        JsonArray json = new JsonArray();
        failures.forEach((cause, those) ->
                json.add(JsonObject.of("cause", cause, "count", those.count(), "example", those.example())));
        return json;
    }

    private static JsonObject ratios(Report report) {
        JsonObject json = new JsonObject();
        report.rates().forEach(rate -> json.put(rate.key(), finite(report.ratio(rate))));
        for (Latency latency : Latency.ALL) {
            for (Map.Entry<String, Double> quantile : Latency.QUANTILES) {
                json.put(
                        latency.key() + "_ms_" + quantile.getKey(), finite(report.ratio(latency, quantile.getValue())));
            }
        }
        return json;
    }

    /// JSON has no NaN and no infinity.
    private static @Nullable Double finite(double value) {
        return Double.isFinite(value) ? value : null;
    }
}
