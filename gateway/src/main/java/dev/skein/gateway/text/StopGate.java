package dev.skein.gateway.text;

/**
 * Text in pieces in, the text before the earliest stop string out. Of several stop strings the one that is complete
 * first wins, and of those complete at the same character the longest. Kept back is the longest tail that some stop
 * string begins with, so no part of one ever comes out (but whole, where {@code include} says so). Takes time in
 * proportion to the text.
 *
 * <p>Not thread-safe.
 */
final class StopGate {
    private final StopStrings stops;
    private final boolean include;
    private final int[] matching;
    private final StringBuilder kept = new StringBuilder();
    private int matched = -1;

    StopGate(StopStrings stops, boolean include) {
        this.stops = stops;
        this.include = include;
        this.matching = new int[stops.count()];
    }

    /**
     * Appends to {@code out} what of {@code text} is settled.
     *
     * @param armed whether a stop string may end in {@code text}; one may well begin before it is armed
     * @return whether a stop string was found: nothing more comes out
     */
    boolean accept(CharSequence text, boolean armed, StringBuilder out) {
        if (matching.length == 0) {
            out.append(text);
            return false;
        }
        for (int i = 0; i < text.length(); i++) {
            char next = text.charAt(i);
            kept.append(next);
            int longest = advance(next);
            if (longest >= 0 && armed) {
                matched = longest;
                int end = kept.length();
                out.append(kept, 0, include ? end : end - stops.length(longest));
                kept.setLength(0);
                return true;
            }
        }
        int settled = kept.length() - held();
        out.append(kept, 0, settled);
        kept.delete(0, settled);
        return false;
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

    /** Index of the longest stop string that {@code next} completes, -1 for none. */
    private int advance(char next) {
        int longest = -1;
        for (int i = 0; i < matching.length; i++) {
            matching[i] = stops.advance(i, matching[i], next);
            if (matching[i] == stops.length(i) && (longest < 0 || stops.length(i) > stops.length(longest))) {
                longest = i;
            }
        }
        return longest;
    }

    private int held() {
        int held = 0;
        for (int i = 0; i < matching.length; i++) {
            if (matching[i] == stops.length(i)) {
                matching[i] = stops.passedOver(i);
            }
            held = Math.max(held, matching[i]);
        }
        return held;
    }
}
