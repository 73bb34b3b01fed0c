package dev.skein.loadtest.report;

import dev.skein.loadtest.measure.Samples;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleBiFunction;
import java.util.stream.Collectors;

/// For a terminal.
final class TextReport {
    /// A generator that is later than this at one request in a hundred says so: its figures hold its own delays.
    private static final double LATE_MILLIS = 5;

    private TextReport() {}

    static String of(Report report) {
        StringBuilder text = new StringBuilder(report.load().text());
        text.append("; median (least-most) of ")
                .append(report.sides().getFirst().runs().size())
                .append(" runs\n");
        for (Side side : report.sides()) {
            text.append(side.title()).append('\n').append(side(report, side));
        }
        if (report.compares()) {
            text.append("the first server's figures over the second's\n").append(ratios(report));
        }
        return text.append(report.ended() == null ? "" : report.ended() + "\n").toString();
    }

    private static String side(Report report, Side side) {
        if (side.runs().isEmpty()) {
            return "  nothing measured\n";
        }
        StringBuilder text = new StringBuilder(Figure.text(report.rates().stream()
                .map(rate -> new Figure(rate.name(), side.over(rate.of()), rate.unit()))
                .toList()));
        text.append(table((latency, share) -> latency.quantile(side, share).median(), "%10.1f", " ms"));
        return text.append(failures(side)).append(late(side)).toString();
    }

    private static String ratios(Report report) {
        return report.rates().stream()
                        .map(rate -> String.format(Locale.ROOT, "  %-34s %26.2f%n", rate.name(), report.ratio(rate)))
                        .collect(Collectors.joining())
                + table(report::ratio, "%10.2f", "");
    }

    private static String table(ToDoubleBiFunction<Latency, Double> cell, String format, String unit) {
        StringBuilder text = new StringBuilder(String.format("  %-20s", ""));
        for (Map.Entry<String, Double> quantile : Latency.QUANTILES) {
            text.append(String.format("%10s", quantile.getKey()));
        }
        text.append('\n');
        for (Latency latency : Latency.ALL) {
            text.append(String.format("  %-20s", latency.name()));
            for (Map.Entry<String, Double> quantile : Latency.QUANTILES) {
                double value = cell.applyAsDouble(latency, quantile.getValue());
                text.append(Double.isFinite(value) ? String.format(Locale.ROOT, format, value) : "         -");
            }
            text.append(unit).append('\n');
        }
        return text.toString();
    }

    private static String failures(Side side) {
        StringBuilder text = new StringBuilder();
        side.failures()
                .forEach((cause, those) -> text.append(String.format(
                        "  %d of %d requests failed by %s, such as: %s%n",
                        those.count(), side.requests(), cause, those.example())));
        if (side.cut() > 0) {
            text.append(String.format("  %d requests were open at the end and are not counted%n", side.cut()));
        }
        return text.toString();
    }

    private static String late(Side side) {
        Samples late = side.pooled(run -> run.late());
        return late.quantile(0.99) < LATE_MILLIS
                ? ""
                : String.format(
                        Locale.ROOT,
                        "  requests left %.1f ms (p50) and %.1f ms (p99) after they were due, which the latencies hold%n",
                        late.median(),
                        late.quantile(0.99));
    }
}
