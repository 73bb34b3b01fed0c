package dev.skein.worker.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class PromptLookupTest {

    private static String draft(String text, PromptLookup lookup, int limit) {
        IntList draft = new IntList(1);
        lookup.draft(new IntList(text.chars().toArray()), limit, draft);
        return IntStream.range(0, draft.size())
                .mapToObj(i -> Character.toString(draft.get(i)))
                .reduce("", String::concat);
    }

    @ParameterizedTest
    @CsvSource({
        "the cat sat. the, ' cat '",
        "abcXabdYab, dYab",
        "abcXabdYbc, Xabd",
        "aaaa, aaaa",
        "xabab, aba",
        "abcd, ''",
        "a, ''",
        "'', ''",
    })
    void goesOnAsTheLastTimeThatMostMatched(String text, String expected) {
        int limit = expected.isEmpty() ? 4 : expected.length();
        assertThat(draft(text, new PromptLookup(5, 1, 4), limit)).isEqualTo(expected);
    }

    @Test
    void keepsItsLimits() {
        assertThat(draft("abcdefabc", new PromptLookup(2, 1, 3), 9)).isEqualTo("de");
        assertThat(draft("abcdefabc", new PromptLookup(9, 1, 3), 1)).isEqualTo("d");
        assertThat(draft("abcdefabc", new PromptLookup(9, 1, 3), 0)).isEmpty();
        assertThat(draft("xbcdefabc", new PromptLookup(9, 3, 3), 9)).isEmpty();
    }

    /** Against a search that is plain to see right. */
    @Test
    void findsWhatASlowSearchFinds() {
        long seed = System.nanoTime();
        System.out.printf("PromptLookupTest: seed %d%n", seed);
        Random random = new Random(seed);
        for (int i = 0; i < 5000; i++) {
            int[] ids = random.ints(random.nextInt(30), 0, 3).toArray();
            PromptLookup lookup = new PromptLookup(1 + random.nextInt(5), 1, 1 + random.nextInt(4));
            IntList draft = new IntList(1);
            lookup.draft(new IntList(ids), 100, draft);
            assertThat(IntStream.range(0, draft.size()).map(draft::get).toArray())
                    .as(Arrays.toString(ids) + lookup)
                    .isEqualTo(slow(ids, lookup));
        }
    }

    private static int[] slow(int[] ids, PromptLookup lookup) {
        for (int match = lookup.most(); match >= lookup.least(); match--) {
            for (int end = ids.length - 1; end >= match; end--) {
                if (Arrays.equals(ids, end - match, end, ids, ids.length - match, ids.length)) {
                    int period = ids.length - end;
                    int start = end;
                    return IntStream.range(0, lookup.tokens())
                            .map(i -> ids[start + i % period])
                            .toArray();
                }
            }
        }
        return new int[0];
    }

    @Test
    void refusesWhatMakesNoSense() {
        assertThatThrownBy(() -> new PromptLookup(0, 1, 1)).hasMessageContaining("num_speculative_tokens is 0");
        assertThatThrownBy(() -> new PromptLookup(33, 1, 1)).hasMessageContaining("1 to 32");
        assertThatThrownBy(() -> new PromptLookup(1, 3, 2)).hasMessageContaining("prompt_lookup_min is 3");
    }
}
