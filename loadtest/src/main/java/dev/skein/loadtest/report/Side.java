package dev.skein.loadtest.report;

import dev.skein.loadtest.measure.Samples;
import dev.skein.loadtest.measure.Summary;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/// One of the servers measured.
///
/// @param software what it says it is; empty if it says nothing
/// @param runs that were measured, in order
public record Side(String url, String model, String software, List<Summary> runs) {
    public Side {
        runs = List.copyOf(runs);
    }

    /// With one run more.
    public Side and(Summary run) {
        List<Summary> more = new ArrayList<>(runs);
        more.add(run);
        return new Side(url, model, software, more);
    }

    /// One figure of each run.
    Samples over(ToDoubleFunction<Summary> figure) {
        return Samples.of(
                runs.stream().mapToDouble(figure).filter(Double::isFinite).toArray());
    }

    /// A kind of latencies of all runs together.
    Samples pooled(Function<Summary, Samples> latency) {
        return Samples.pooled(runs.stream().map(latency).toList());
    }

    /// Of all runs together, by cause.
    Map<String, Summary.Failures> failures() {
        Map<String, Summary.Failures> failures = new TreeMap<>();
        runs.forEach(
                run -> run.failures().forEach((cause, those) -> failures.merge(cause, those, Summary.Failures::and)));
        return failures;
    }

    int requests() {
        return runs.stream().mapToInt(run -> run.observations().size()).sum();
    }

    int cut() {
        return runs.stream().mapToInt(Summary::cut).sum();
    }

    String title() {
        return url + "  " + model + (software.isEmpty() ? "" : "  (" + software + ")");
    }
}
