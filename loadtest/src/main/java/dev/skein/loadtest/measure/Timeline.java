package dev.skein.loadtest.measure;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/// How figures went in the course of runs: equal stretches of time, in each of which those of all runs are pooled.
///
/// @param width of a stretch, in seconds
/// @param stretches in order; the first begins with the runs
public record Timeline(double width, List<Stretch> stretches) {
    private static final double NANOS = 1e9;
    private static final double MILLIS = 1e6;

    /// @param ttft of requests that were due in it, in milliseconds
    /// @param itl of gaps that ended in it, in milliseconds
    /// @param tokensPerSecond that arrived in it, on average over the runs
    public record Stretch(Samples ttft, Samples itl, double tokensPerSecond) {}

    public Timeline {
        stretches = List.copyOf(stretches);
    }

    /// @param count of stretches, at least 1
    public static Timeline of(List<Summary> runs, int count) {
        double seconds = runs.stream().mapToDouble(Summary::seconds).max().orElse(0);
        double width = Math.max(seconds / count, 1e-6);
        Collecting[] collecting =
                IntStream.range(0, count).mapToObj(i -> new Collecting()).toArray(Collecting[]::new);
        for (Summary run : runs) {
            for (Observation observation : run.observations()) {
                if (observation.outcome() instanceof Outcome.Answer answer) {
                    collect(collecting, width, observation.due(), answer);
                }
            }
        }
        List<Stretch> stretches = new ArrayList<>();
        for (Collecting part : collecting) {
            stretches.add(part.stretch(width * Math.max(1, runs.size())));
        }
        return new Timeline(width, stretches);
    }

    private static void collect(Collecting[] parts, double width, long due, Outcome.Answer answer) {
        long[] arrivals = answer.arrivals();
        double tokens = (double) answer.tokens() / arrivals.length;
        at(parts, width, due).ttft.add((arrivals[0] - due) / MILLIS);
        for (int i = 0; i < arrivals.length; i++) {
            Collecting part = at(parts, width, arrivals[i]);
            part.tokens += tokens;
            if (i > 0) {
                part.itl.add((arrivals[i] - arrivals[i - 1]) / MILLIS);
            }
        }
    }

    private static Collecting at(Collecting[] parts, double width, long nanos) {
        return parts[Math.clamp((long) (nanos / NANOS / width), 0, parts.length - 1)];
    }

    private static final class Collecting {
        private final List<Double> ttft = new ArrayList<>();
        private final List<Double> itl = new ArrayList<>();
        private double tokens;

        private Stretch stretch(double seconds) {
            return new Stretch(samples(ttft), samples(itl), tokens / seconds);
        }
    }

    private static Samples samples(List<Double> values) {
        return Samples.of(values.stream().mapToDouble(value -> value).toArray());
    }

    /// The middle of each stretch, in seconds.
    public double[] times() {
        return IntStream.range(0, stretches.size())
                .mapToDouble(i -> (i + 0.5) * width)
                .toArray();
    }

    /// One figure of each stretch; NaN where there is none.
    public double[] values(ToDoubleFunction<Stretch> figure) {
        return stretches.stream().mapToDouble(figure).toArray();
    }
}
