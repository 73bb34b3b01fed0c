package dev.skein.gateway.text;

import java.util.List;

/**
 * Strings that end a text, prepared for being looked for one character at a time (Knuth, Morris and Pratt 1977): for each
 * string and each number of its characters that match, how many still match when the next one does not. Immutable, and
 * shared by all sequences of a request.
 */
public final class StopStrings {
    public static final StopStrings NONE = new StopStrings(List.of());

    private final List<String> strings;
    private final int[][] fallbacks;

    /** @param strings none empty */
    public StopStrings(List<String> strings) {
        this.strings = List.copyOf(strings);
        this.fallbacks = this.strings.stream().map(StopStrings::fallback).toArray(int[][]::new);
    }

    public List<String> strings() {
        return strings;
    }

    int count() {
        return fallbacks.length;
    }

    int length(int string) {
        return fallbacks[string].length;
    }

    /** How many characters of {@code string} match after {@code next}, where {@code matching} did before. */
    int advance(int string, int matching, char next) {
        String text = strings.get(string);
        int now = matching == text.length() ? fallbacks[string][matching - 1] : matching;
        while (now > 0 && text.charAt(now) != next) {
            now = fallbacks[string][now - 1];
        }
        return text.charAt(now) == next ? now + 1 : 0;
    }

    // At i: length of the longest proper beginning of the string that ends at its character i.
    private static int[] fallback(String text) {
        int[] fallback = new int[text.length()];
        for (int i = 1, matching = 0; i < fallback.length; i++) {
            while (matching > 0 && text.charAt(i) != text.charAt(matching)) {
                matching = fallback[matching - 1];
            }
            if (text.charAt(i) == text.charAt(matching)) {
                matching++;
            }
            fallback[i] = matching;
        }
        return fallback;
    }

    /** How much of {@code string} still matches when a whole match is passed over. */
    int passedOver(int string) {
        return fallbacks[string][fallbacks[string].length - 1];
    }
}
