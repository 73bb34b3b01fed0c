package dev.skein.loadtest.measure;

import java.util.List;

/// What an answer must keep to be of use to its user (a service level objective). Goodput counts the requests that
/// do.
///
/// @param ttftMillis time to first token, at most; infinite where it does not matter
/// @param tpotMillis time per output token after the first, at most
/// @param e2elMillis time to the last token, at most
public record Goal(double ttftMillis, double tpotMillis, double e2elMillis) {
    public static final Goal NONE =
            new Goal(Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY);

    /// Reads bounds such as `ttft:500`, in milliseconds, named as vLLM's benchmark names them.
    ///
    /// @throws IllegalArgumentException for what is not understood
    public static Goal parse(List<String> bounds) {
        Goal goal = NONE;
        for (String bound : bounds) {
            int colon = bound.indexOf(':');
            double millis = colon < 0 ? -1 : millis(bound.substring(colon + 1));
            if (!(millis > 0)) {
                throw wrong(bound);
            }
            goal = switch (bound.substring(0, colon)) {
                case "ttft" -> new Goal(millis, goal.tpotMillis, goal.e2elMillis);
                case "tpot" -> new Goal(goal.ttftMillis, millis, goal.e2elMillis);
                case "e2el" -> new Goal(goal.ttftMillis, goal.tpotMillis, millis);
                default -> throw wrong(bound);
            };
        }
        return goal;
    }

    private static double millis(String text) {
        try {
            return Double.parseDouble(text);
        } catch (NumberFormatException e) {
            return -1;
        }
    }

    private static IllegalArgumentException wrong(String bound) {
        return new IllegalArgumentException("the goal '" + bound
                + "' is not understood; give ttft:MS, tpot:MS or e2el:MS, with more than 0 milliseconds");
    }

    /// A time that there is none of, NaN, keeps every bound.
    boolean kept(double ttft, double tpot, double e2el) {
        return !(ttft > ttftMillis) && !(tpot > tpotMillis) && !(e2el > e2elMillis);
    }

    public boolean given() {
        return !equals(NONE);
    }

    /// In words, for reports.
    public String text() {
        StringBuilder text = new StringBuilder();
        append(text, "first token", ttftMillis);
        append(text, "per token", tpotMillis);
        append(text, "in all", e2elMillis);
        return text.toString();
    }

    private static void append(StringBuilder text, String name, double millis) {
        if (Double.isFinite(millis)) {
            text.append(text.isEmpty() ? "" : ", ")
                    .append(name)
                    .append(" within ")
                    .append(millis)
                    .append(" ms");
        }
    }
}
