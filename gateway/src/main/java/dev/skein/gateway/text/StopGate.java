package dev.skein.gateway.text;

import java.util.List;

/**
 * Text in pieces in, the text before the earliest stop string out. Of several stop strings the one that is complete
 * first wins, and of those complete at the same character the longest. Kept back is the longest tail that some stop
 * string begins with, so no part of one ever comes out (but whole, where {@code include} says so).
 *
 * <p>Not thread-safe.
 */
final class StopGate {
    private final List<String> stops;
    private final boolean include;
    private final StringBuilder kept = new StringBuilder();
    private int matched = -1;

    /** @param stops not empty strings; may be none */
    StopGate(List<String> stops, boolean include) {
        this.stops = stops;
        this.include = include;
    }

    /**
     * Appends to {@code out} what of {@code text} is settled.
     *
     * @param armed whether a stop string may end in {@code text}; one may well begin before it is armed
     * @return whether a stop string was found: nothing more comes out
     */
    boolean accept(CharSequence text, boolean armed, StringBuilder out) {
        if (stops.isEmpty()) {
            out.append(text);
            return false;
        }
        kept.append(text);
        return armed && stop(out) || release(out);
    }

    /** Appends what is kept; no more text follows. */
    void finish(StringBuilder out) {
        out.append(kept);
        kept.setLength(0);
    }

    /** Index of the stop string that was found, -1 before. */
    int matched() {
        return matched;
    }

    private boolean stop(StringBuilder out) {
        int start = 0;
        int end = Integer.MAX_VALUE;
        for (int i = 0; i < stops.size(); i++) {
            int at = kept.indexOf(stops.get(i));
            int until = at + stops.get(i).length();
            if (at >= 0 && (until < end || until == end && at < start)) {
                start = at;
                end = until;
                matched = i;
            }
        }
        if (matched < 0) {
            return false;
        }
        out.append(kept, 0, include ? end : start);
        kept.setLength(0);
        return true;
    }

    private boolean release(StringBuilder out) {
        int hold = 0;
        for (String stop : stops) {
            hold = Math.max(hold, overlap(stop));
        }
        int settled = kept.length() - hold;
        out.append(kept, 0, settled);
        kept.delete(0, settled);
        return false;
    }

    /** Length of the longest tail of what is kept that {@code stop} begins with but is not. */
    private int overlap(String stop) {
        for (int length = Math.min(stop.length() - 1, kept.length()); length > 0; length--) {
            if (endsWith(stop, length)) {
                return length;
            }
        }
        return 0;
    }

    private boolean endsWith(String stop, int length) {
        int from = kept.length() - length;
        for (int i = 0; i < length; i++) {
            if (kept.charAt(from + i) != stop.charAt(i)) {
                return false;
            }
        }
        return true;
    }
}
