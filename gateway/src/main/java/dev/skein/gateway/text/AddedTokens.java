package dev.skein.gateway.text;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Tokens that are taken out of a text before it is split: of several at one place the longest. Immutable. */
final class AddedTokens {
    private record Added(String text, int id) {}

    private final Map<Character, List<Added>> byFirst = new HashMap<>();

    AddedTokens(Map<String, Integer> tokens) {
        tokens.forEach((text, id) -> {
            if (!text.isEmpty()) {
                byFirst.computeIfAbsent(text.charAt(0), _ -> new ArrayList<>()).add(new Added(text, id));
            }
        });
        byFirst.values()
                .forEach(list -> list.sort(
                        Comparator.comparingInt((Added added) -> added.text().length())
                                .reversed()));
    }

    /** Hears of the parts of a text, in order. */
    interface Sink {
        void text(int from, int to);

        void added(int id);
    }

    void split(String text, Sink sink) {
        int from = 0;
        for (int at = 0; at < text.length(); ) {
            Added found = at(text, at);
            if (found == null) {
                at++;
                continue;
            }
            if (at > from) {
                sink.text(from, at);
            }
            sink.added(found.id());
            at += found.text().length();
            from = at;
        }
        if (from < text.length()) {
            sink.text(from, text.length());
        }
    }

    private @Nullable Added at(String text, int at) {
        List<Added> candidates = byFirst.get(text.charAt(at));
        if (candidates != null) {
            for (Added candidate : candidates) {
                if (text.startsWith(candidate.text(), at)) {
                    return candidate;
                }
            }
        }
        return null;
    }
}
