package dev.skein.cli.settings;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/// Guesses what somebody meant.
public final class NearestName {
    private static final int TELLING = 3;
    private static final Set<String> COMMON =
            Set.of("SKEIN", "enable", "disable", "max", "num", "log", "size", "no", "config", "path", "mode");

    private NearestName() {}

    /// The known name with the fewest edits to the given one; names that share its beginning come first among equals.
    /// Empty where none is near: a few letters away, or half of it and with a word that begins alike.
    public static Optional<String> of(String given, Collection<String> known) {
        return known.stream()
                .filter(name -> near(given, name))
                .min(Comparator.comparingInt((String name) -> distance(given, name) * 4 - sharedStart(given, name)));
    }

    private static boolean near(String given, String name) {
        int edits = distance(given, name);
        return edits <= Math.max(2, name.length() / 6)
                || edits <= name.length() / 2
                        && words(given).anyMatch(word -> words(name).anyMatch(other -> alike(word, other)));
    }

    // Words that many names have tell nothing.
    private static Stream<String> words(String name) {
        return Stream.of(name.split("[-_]")).filter(word -> word.length() >= TELLING && !COMMON.contains(word));
    }

    private static boolean alike(String a, String b) {
        return a.regionMatches(0, b, 0, TELLING);
    }

    private static int sharedStart(String a, String b) {
        int shared = 0;
        while (shared < a.length() && shared < b.length() && a.charAt(shared) == b.charAt(shared)) {
            shared++;
        }
        return shared;
    }

    /// The least number of inserted, dropped and changed characters (Levenshtein), one row at a time.
    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int changed = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(changed, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
