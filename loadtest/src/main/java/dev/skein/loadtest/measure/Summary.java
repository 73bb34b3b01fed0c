package dev.skein.loadtest.measure;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;
import java.util.stream.IntStream;

/// The figures of one run.
///
/// @param observations what they are of
/// @param seconds from the start to the last piece of any answer
/// @param ttft times to first token, in milliseconds, one for each answer
/// @param itl gaps between pieces of text, in milliseconds, of all answers
/// @param tpot times per output token after the first, in milliseconds, one for each answer of several
///     tokens
/// @param e2el times to the last piece, in milliseconds, one for each answer
/// @param late times from due to sent, in milliseconds, one for each request
/// @param good answers that kept the goal
/// @param failures by cause
public record Summary(
        List<Observation> observations,
        double seconds,
        Samples ttft,
        Samples itl,
        Samples tpot,
        Samples e2el,
        Samples late,
        int good,
        Map<String, Failures> failures) {
    private static final double MILLIS = 1e6;
    private static final double NANOS = 1e9;

    /// Requests that failed alike.
    ///
    /// @param example what was seen of the first
    public record Failures(int count, String example) {
        /// With others of the same cause.
        public Failures and(Failures others) {
            return new Failures(count + others.count, example);
        }
    }

    private record Answered(long due, Outcome.Answer answer) {
        double ttft() {
            return (answer.first() - due) / MILLIS;
        }

        double e2el() {
            return (answer.last() - due) / MILLIS;
        }

        /// NaN for an answer of one token.
        double tpot() {
            return answer.tokens() < 2 ? Double.NaN : (answer.last() - answer.first()) / MILLIS / (answer.tokens() - 1);
        }
    }

    public Summary {
        observations = List.copyOf(observations);
        failures = Map.copyOf(failures);
    }

    public static Summary of(List<Observation> observations, Goal goal) {
        List<Answered> answers = answered(observations);
        long end = answers.stream().mapToLong(a -> a.answer.last()).max().orElse(0);
        return new Summary(
                observations,
                end / NANOS,
                over(answers, Answered::ttft),
                gaps(answers),
                over(answers, Answered::tpot),
                over(answers, Answered::e2el),
                Samples.of(observations.stream()
                        .mapToDouble(o -> (o.sent() - o.due()) / MILLIS)
                        .toArray()),
                (int) answers.stream()
                        .filter(a -> goal.kept(a.ttft(), a.tpot(), a.e2el()))
                        .count(),
                failures(observations));
    }

    private static List<Answered> answered(List<Observation> observations) {
        return observations.stream()
                .filter(o -> o.outcome() instanceof Outcome.Answer)
                .map(o -> new Answered(o.due(), (Outcome.Answer) o.outcome()))
                .toList();
    }

    private static Samples over(List<Answered> answers, ToDoubleFunction<Answered> figure) {
        return Samples.of(
                answers.stream().mapToDouble(figure).filter(Double::isFinite).toArray());
    }

    private static Samples gaps(List<Answered> answers) {
        return Samples.of(answers.stream()
                .map(a -> a.answer.arrivals())
                .flatMapToDouble(times ->
                        IntStream.range(1, times.length).mapToDouble(i -> (times[i] - times[i - 1]) / MILLIS))
                .toArray());
    }

    private static Map<String, Failures> failures(List<Observation> observations) {
        Map<String, Failures> failures = new TreeMap<>();
        for (Observation observation : observations) {
            if (observation.outcome() instanceof Outcome.Failure(String cause, String example)) {
                failures.merge(cause, new Failures(1, example), Failures::and);
            }
        }
        return failures;
    }

    /// Answers that came whole.
    public int completed() {
        return ttft.count();
    }

    public int failed() {
        return failures.values().stream().mapToInt(Failures::count).sum();
    }

    /// Requests that were open when the user ended the run.
    public int cut() {
        return observations.size() - completed() - failed();
    }

    public long outputTokens() {
        return tokens(Outcome.Answer::tokens);
    }

    public long promptTokens() {
        return tokens(Outcome.Answer::promptTokens);
    }

    /// Tokens of prompts that the server says it did not compute again.
    public long cachedTokens() {
        return tokens(Outcome.Answer::cachedTokens);
    }

    private long tokens(ToLongFunction<Outcome.Answer> count) {
        return answered(observations).stream()
                .mapToLong(a -> count.applyAsLong(a.answer))
                .sum();
    }

    /// Of all answers together; NaN if there is none.
    public double tokensPerSecond() {
        return perSecond(outputTokens());
    }

    public double requestsPerSecond() {
        return perSecond(completed());
    }

    /// Requests a second that kept the goal.
    public double goodput() {
        return perSecond(good);
    }

    private double perSecond(double count) {
        return seconds > 0 ? count / seconds : Double.NaN;
    }
}
