package dev.skein.gateway.text;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class TextStreamTest {
    private static final int END = 0;
    private static final int SPECIAL = 1;
    private static final Vocabulary VOCABULARY = vocabulary("</s>", "<x>", "Hel", "lo", " wor", "ld", "\n", "STOP");

    private static Vocabulary vocabulary(String... pieces) {
        Vocabulary.Builder builder = new Vocabulary.Builder();
        for (int id = 0; id < pieces.length; id++) {
            builder.put(id, pieces[id], pieces[id].getBytes(UTF_8), id <= SPECIAL);
        }
        return builder.build();
    }

    private static String run(TextStream.Rules rules, int... ids) {
        TextStream stream = new TextStream(VOCABULARY, rules);
        StringBuilder out = new StringBuilder();
        for (int id : ids) {
            if (stream.accept(id, out)) {
                return out + "|" + stream.count() + "|" + stream.stopString();
            }
        }
        stream.finish(out);
        return out + "|" + stream.count() + (stream.stopped() ? "|" + stream.stopString() : "");
    }

    private static TextStream.Rules rules(List<String> stops, boolean include, int minTokens, boolean skipSpecial) {
        return new TextStream.Rules(new StopStrings(stops), include, minTokens, Set.of(END), skipSpecial);
    }

    @Test
    void specialIdsAreSilentOnlyWhereTheyAreSkipped() {
        assertThat(run(rules(List.of(), false, 0, true), 2, SPECIAL, 3)).isEqualTo("Hello|3");
        assertThat(run(rules(List.of(), false, 0, false), 2, SPECIAL, 3)).isEqualTo("Hel<x>lo|3");
    }

    @Test
    void theIdThatEndsIsTextOnlyWhereTheStopIsIncluded() {
        assertThat(run(rules(List.of(), false, 0, false), 2, 3, END)).isEqualTo("Hello|3");
        assertThat(run(rules(List.of(), true, 0, false), 2, 3, END)).isEqualTo("Hello</s>|3");
    }

    @Test
    void aStopStringAcrossIdsCutsTheTextAndCountsTheIdsUpToIt() {
        assertThat(run(rules(List.of("lo w"), false, 0, true), 2, 3, 4, 5)).isEqualTo("Hel|3|lo w");
        assertThat(run(rules(List.of("lo w"), true, 0, true), 2, 3, 4, 5)).isEqualTo("Hello w|3|lo w");
    }

    @Test
    void textHeldBackComesAtTheEnd() {
        assertThat(run(rules(List.of("world!"), false, 0, true), 2, 3, 4, 5)).isEqualTo("Hello world|4");
    }

    @Test
    void aStopStringIsNotLookedForBeforeMinTokens() {
        assertThat(run(rules(List.of("lo"), false, 2, true), 2, 3, 4, 3)).isEqualTo("Hello wor|4|lo");
        assertThat(run(rules(List.of("STOP"), false, 1, true), 7, 7)).isEqualTo("STOP|2|STOP");
    }
}
