package dev.skein.loadtest.report;

import dev.skein.loadtest.measure.Goal;
import dev.skein.loadtest.measure.Summary;
import dev.skein.loadtest.plan.Load;
import io.vertx.core.json.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/// All that a test found out.
///
/// @param sides the server, and its peer if there is one
/// @param ended why the test ended before its end; null if it did not
public record Report(
        Environment environment,
        Load load,
        Goal goal,
        List<Side> sides,
        @Nullable String ended) {

    /// A figure of one run that is better when it is more.
    ///
    /// @param key in JSON
    record Rate(String key, String name, String unit, ToDoubleFunction<Summary> of) {}

    public Report {
        sides = List.copyOf(sides);
    }

    /// Whether there are two servers, and runs of both.
    boolean compares() {
        return sides.size() == 2 && sides.stream().noneMatch(side -> side.runs().isEmpty());
    }

    List<Rate> rates() {
        List<Rate> rates = new ArrayList<>(List.of(
                new Rate("output_tokens_per_second", "output", "tok/s in all", Summary::tokensPerSecond),
                new Rate("requests_per_second", "answers", "/s", Summary::requestsPerSecond)));
        if (goal.given()) {
            rates.add(new Rate("goodput_per_second", "goodput: " + goal.text(), "/s", Summary::goodput));
        }
        return rates;
    }

    /// The median of the first server over that of the second; NaN where one has none.
    double ratio(ToDoubleFunction<Side> median) {
        double other = median.applyAsDouble(sides.get(1));
        return other > 0 ? median.applyAsDouble(sides.get(0)) / other : Double.NaN;
    }

    double ratio(Rate rate) {
        return ratio(side -> side.over(rate.of).median());
    }

    double ratio(Latency latency, double quantile) {
        return ratio(side -> latency.quantile(side, quantile).median());
    }

    /// For a terminal.
    public String text() {
        return TextReport.of(this);
    }

    /// For programs: every figure of every run, unrounded, and medians over the runs.
    public JsonObject json() {
        return JsonReport.of(this);
    }

    /// For people: one page that needs nothing else.
    public String html() {
        return HtmlReport.of(this);
    }
}
