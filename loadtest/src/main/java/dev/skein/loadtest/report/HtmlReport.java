package dev.skein.loadtest.report;

import dev.skein.loadtest.measure.Samples;
import dev.skein.loadtest.measure.Summary;
import dev.skein.loadtest.measure.Timeline;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/// One page for people, well-formed as XML too.
final class HtmlReport {
    private static final int STRETCHES = 80;
    private static final int MOST_NINES = 5;
    private static final int POINTS = 120;

    private static final String STYLE = """
            :root { color-scheme: light dark; --line: #8884; --a: #0b62c4; --b: #d9620a; }
            @media (prefers-color-scheme: dark) { :root { --a: #6cb2ff; --b: #ffa057; } }
            body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em; }
            h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin-top: 2em; }
            table { border-collapse: collapse; } th, td { padding: .2em .8em; border-bottom: 1px solid var(--line); }
            th { text-align: left; font-weight: 600; } td { text-align: right; font-variant-numeric: tabular-nums; }
            td.words { text-align: left; } .notice { border-left: 4px solid var(--b); padding-left: .8em; }
            .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 1em; }
            svg { width: 100%; height: auto; } svg text { fill: currentColor; font-size: 11px; }
            svg text.title { font-size: 13px; font-weight: 600; } .rule { stroke: var(--line); stroke-width: 1; }
            path { fill: none; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
            .a { stroke: var(--a); } .b { stroke: var(--b); } .a-far, .b-far { stroke-width: 1; stroke-dasharray: 4 3; }
            .a-far { stroke: var(--a); } .b-far { stroke: var(--b); }
            .key { display: inline-block; width: 1em; height: .6em; margin-right: .4em; }
            .key.a { background: var(--a); } .key.b { background: var(--b); }
            """;

    private HtmlReport() {}

    static String of(Report report) {
        return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                + "<meta name=\"viewport\" content=\"width=device-width\"/>\n<title>Skein load test</title>\n<style>\n"
                + STYLE + "</style>\n</head>\n<body>\n<h1>Load test</h1>\n" + head(report) + figures(report)
                + charts(report) + failures(report) + "</body>\n</html>\n";
    }

    static String escape(String text) {
        StringBuilder escaped = new StringBuilder();
        text.codePoints().forEach(c -> {
            switch (c) {
                case '<' -> escaped.append("&lt;");
                case '>' -> escaped.append("&gt;");
                case '&' -> escaped.append("&amp;");
                case '"' -> escaped.append("&quot;");
                default -> escaped.appendCodePoint(c >= ' ' || c == '\n' || c == '\t' ? c : 0xFFFD);
            }
        });
        return escaped.toString();
    }

    private static String style(int side) {
        return side == 0 ? "a" : "b";
    }

    private static String head(Report report) {
        StringBuilder html = new StringBuilder("<p>" + escape(report.load().text()) + "<br/>"
                + escape(report.environment().text()) + "</p>\n");
        if (report.ended() != null) {
            html.append("<p class=\"notice\">").append(escape(report.ended())).append("</p>\n");
        }
        html.append("<p>");
        for (int i = 0; i < report.sides().size(); i++) {
            html.append("<span class=\"key ").append(style(i)).append("\"></span>");
            html.append(escape(report.sides().get(i).title())).append("<br/>");
        }
        return html.append("</p>\n").toString();
    }

    private static String figures(Report report) {
        StringBuilder html = new StringBuilder("<h2>Figures</h2>\n<p>Median (least-most) of the runs. Latencies are in"
                + " milliseconds, from when a request was due.</p>\n<table>\n<tr><th></th>");
        report.sides()
                .forEach(side -> html.append("<th>").append(escape(side.url())).append("</th>"));
        html.append(report.compares() ? "<th>first / second</th>" : "").append("</tr>\n");
        report.rates()
                .forEach(rate -> row(html, report, rate.name() + ", " + rate.unit(), side -> side.over(rate.of())));
        for (Latency latency : Latency.ALL) {
            for (Map.Entry<String, Double> quantile : Latency.QUANTILES) {
                row(
                        html,
                        report,
                        latency.name() + ", " + quantile.getKey(),
                        side -> latency.quantile(side, quantile.getValue()));
            }
        }
        row(html, report, "prompt tokens a run", side -> side.over(Summary::promptTokens));
        row(html, report, "of them cached", side -> side.over(Summary::cachedTokens));
        row(html, report, "output tokens a run", side -> side.over(Summary::outputTokens));
        row(html, report, "failed requests a run", side -> side.over(Summary::failed));
        return html.append("</table>\n").toString();
    }

    private static void row(StringBuilder html, Report report, String name, Function<Side, Samples> figure) {
        html.append("<tr><th>").append(escape(name)).append("</th>");
        report.sides()
                .forEach(side ->
                        html.append("<td>").append(figure.apply(side).text()).append("</td>"));
        if (report.compares()) {
            double ratio = report.ratio(side -> figure.apply(side).median());
            html.append(Double.isFinite(ratio) ? String.format(Locale.ROOT, "<td>%.2f</td>", ratio) : "<td>-</td>");
        }
        html.append("</tr>\n");
    }

    private static String charts(Report report) {
        StringBuilder html = new StringBuilder(
                "<h2>Latencies by share</h2>\n<p>All runs pooled.</p>\n" + "<div class=\"charts\">\n");
        Latency.ALL.forEach(latency -> html.append(shares(report, latency).svg()));
        html.append("</div>\n<h2>The course of a run</h2>\n<p>All runs pooled, from their starts: medians, and as"
                + " dashed lines the 99th percentile.</p>\n<div class=\"charts\">\n");
        List<Timeline> timelines = report.sides().stream()
                .map(side -> Timeline.of(side.runs(), STRETCHES))
                .toList();
        html.append(course("time to first token, by when it was due", "ms", timelines, stretch -> stretch.ttft())
                .svg());
        html.append(course("between tokens", "ms", timelines, stretch -> stretch.itl())
                .svg());
        html.append(throughput(timelines).svg());
        return html.append("</div>\n").toString();
    }

    private static Chart shares(Report report, Latency latency) {
        List<Samples> pooled =
                report.sides().stream().map(side -> side.pooled(latency.of())).toList();
        int most = pooled.stream().mapToInt(Samples::count).max().orElse(1);
        // As many nines as there are values for.
        int nines = Math.clamp((int) Math.ceil(Math.log10(Math.max(most, 2))), 1, MOST_NINES);
        double[] shares = IntStream.rangeClosed(0, POINTS)
                .mapToDouble(i -> 1 - Math.pow(10, -(double) nines * i / POINTS))
                .toArray();
        List<Chart.Line> lines = new ArrayList<>();
        for (int i = 0; i < pooled.size(); i++) {
            Samples samples = pooled.get(i);
            double[] values = IntStream.range(0, shares.length)
                    .mapToDouble(point -> samples.quantile(shares[point]))
                    .toArray();
            lines.add(new Chart.Line(report.sides().get(i).url(), style(i), shares, values));
        }
        return Chart.shares(latency.name(), "ms", nines, lines);
    }

    private static Chart course(
            String title, String unit, List<Timeline> timelines, Function<Timeline.Stretch, Samples> latency) {
        List<Chart.Line> lines = new ArrayList<>();
        for (int i = 0; i < timelines.size(); i++) {
            add(
                    lines,
                    timelines.get(i),
                    "p50",
                    style(i),
                    stretch -> latency.apply(stretch).median());
            add(
                    lines,
                    timelines.get(i),
                    "p99",
                    style(i) + "-far",
                    stretch -> latency.apply(stretch).quantile(0.99));
        }
        return Chart.even(title, "seconds", unit, end(timelines), lines);
    }

    private static Chart throughput(List<Timeline> timelines) {
        List<Chart.Line> lines = new ArrayList<>();
        for (int i = 0; i < timelines.size(); i++) {
            add(lines, timelines.get(i), "mean", style(i), Timeline.Stretch::tokensPerSecond);
        }
        return Chart.even("throughput", "seconds", "tokens a second", end(timelines), lines);
    }

    private static void add(
            List<Chart.Line> lines,
            Timeline timeline,
            String name,
            String style,
            ToDoubleFunction<Timeline.Stretch> figure) {
        lines.add(new Chart.Line(name, style, timeline.times(), timeline.values(figure)));
    }

    private static double end(List<Timeline> timelines) {
        return timelines.stream()
                .mapToDouble(timeline -> timeline.width() * timeline.stretches().size())
                .max()
                .orElse(1);
    }

    private static String failures(Report report) {
        StringBuilder html = new StringBuilder();
        for (Side side : report.sides()) {
            side.failures()
                    .forEach((cause, those) -> html.append("<tr><td class=\"words\">")
                            .append(escape(side.url()))
                            .append("</td><td>")
                            .append(those.count())
                            .append("</td><td class=\"words\">")
                            .append(escape(cause))
                            .append("</td><td class=\"words\">")
                            .append(escape(those.example()))
                            .append("</td></tr>\n"));
        }
        return html.isEmpty()
                ? ""
                : "<h2>Failed requests</h2>\n<table>\n<tr><th>server</th><th>requests</th><th>cause</th>"
                        + "<th>such as</th></tr>\n" + html + "</table>\n";
    }
}
