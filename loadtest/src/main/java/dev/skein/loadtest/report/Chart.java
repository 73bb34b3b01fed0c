package dev.skein.loadtest.report;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.DoubleUnaryOperator;

/// Lines over two axes, drawn as SVG that stands in a page.
///
/// @param x says what the horizontal axis is
/// @param ticks of the horizontal axis, at least one
/// @param place where a value of x stands: from 0, at the left, to 1; it rises
record Chart(String title, String x, String unit, List<Tick> ticks, DoubleUnaryOperator place, List<Line> lines) {
    private static final int WIDTH = 560;
    private static final int HEIGHT = 260;
    private static final int LEFT = 64;
    private static final int RIGHT = 12;
    private static final int TOP = 34;
    private static final int BOTTOM = 44;
    private static final int WANTED_TICKS = 5;

    /// A marked value of an axis.
    record Tick(double value, String label) {}

    /// Points in the order of x; where y is NaN the line is broken.
    ///
    /// @param style a class of the page's style sheet
    record Line(String name, String style, double[] x, double[] y) {
        double most() {
            return Arrays.stream(y).filter(Double::isFinite).max().orElse(0);
        }
    }

    /// An even axis from 0.
    static Chart even(String title, String x, String unit, double most, List<Line> lines) {
        double end = most > 0 ? most : 1;
        return new Chart(title, x, unit, ticks(end), value -> value / end, lines);
    }

    /// An axis of shares on which each further nine has the same room, as latencies are read: 0, 90, 99, 99.9
    /// percent.
    ///
    /// @param nines how many there are room for, at least 1
    static Chart shares(String title, String unit, int nines, List<Line> lines) {
        List<Tick> ticks = new ArrayList<>(List.of(new Tick(0, "0"), new Tick(0.5, "50")));
        for (int i = 1; i <= nines; i++) {
            ticks.add(new Tick(1 - Math.pow(10, -i), i == 1 ? "90" : "99" + (i > 2 ? "." + "9".repeat(i - 2) : "")));
        }
        double least = Math.pow(10, -nines);
        return new Chart(
                title,
                "percent of all that are at or below",
                unit,
                ticks,
                share -> Math.log10(Math.max(1 - share, least)) / -nines,
                lines);
    }

    /// Round values from 0 to the most, of which there are about five.
    static List<Tick> ticks(double most) {
        double raw = most / WANTED_TICKS;
        double power = Math.pow(10, Math.floor(Math.log10(raw)));
        double step = List.of(1.0, 2.0, 5.0, 10.0).stream()
                        .filter(factor -> factor * power >= raw * 0.999)
                        .findFirst()
                        .orElse(10.0)
                * power;
        List<Tick> ticks = new ArrayList<>();
        for (int i = 0; i * step <= most * 1.0001; i++) {
            ticks.add(new Tick(i * step, label(i * step, step)));
        }
        return ticks;
    }

    private static String label(double value, double step) {
        int digits = Math.max(0, (int) Math.ceil(-Math.log10(step)));
        return String.format(Locale.ROOT, "%,." + digits + "f", value);
    }

    String svg() {
        double most = lines.stream().mapToDouble(Line::most).max().orElse(0);
        double top = most > 0 ? most * 1.05 : 1;
        StringBuilder svg = new StringBuilder(String.format(
                "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">%n",
                WIDTH, HEIGHT, HtmlReport.escape(title)));
        text(svg, "title", LEFT, 16, "start", title + ", " + unit);
        for (Tick tick : ticks(top)) {
            rule(svg, LEFT, y(tick.value, top), WIDTH - RIGHT, y(tick.value, top));
            text(svg, "tick", LEFT - 6, y(tick.value, top) + 4, "end", tick.label);
        }
        for (Tick tick : ticks) {
            rule(svg, x(tick.value), TOP, x(tick.value), HEIGHT - BOTTOM);
            text(svg, "tick", x(tick.value), HEIGHT - BOTTOM + 16, "middle", tick.label);
        }
        text(svg, "tick", (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 10, "middle", x);
        lines.forEach(line -> draw(svg, line, top));
        return svg.append("</svg>\n").toString();
    }

    private double x(double value) {
        return LEFT + Math.clamp(place.applyAsDouble(value), 0.0, 1.0) * (WIDTH - LEFT - RIGHT);
    }

    private static double y(double value, double top) {
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
    }

    private static void rule(StringBuilder svg, double x1, double y1, double x2, double y2) {
        svg.append(String.format(
                Locale.ROOT,
                "<line class=\"rule\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>%n",
                x1,
                y1,
                x2,
                y2));
    }

    private static void text(StringBuilder svg, String style, double x, double y, String anchor, String text) {
        svg.append(String.format(
                Locale.ROOT,
                "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n",
                style,
                x,
                y,
                anchor,
                HtmlReport.escape(text)));
    }

    private void draw(StringBuilder svg, Line line, double top) {
        StringBuilder path = new StringBuilder();
        boolean pen = false;
        for (int i = 0; i < line.x.length; i++) {
            if (Double.isFinite(line.y[i])) {
                path.append(
                        String.format(Locale.ROOT, "%s%.1f %.1f", pen ? "L" : "M", x(line.x[i]), y(line.y[i], top)));
                // A point alone is a dot: a line of no length with a round end.
                path.append(pen ? "" : "h0");
            }
            pen = Double.isFinite(line.y[i]);
        }
        if (!path.isEmpty()) {
            svg.append(String.format(
                    "<path class=\"%s\" d=\"%s\"><title>%s</title></path>%n",
                    line.style, path, HtmlReport.escape(line.name)));
        }
    }
}
