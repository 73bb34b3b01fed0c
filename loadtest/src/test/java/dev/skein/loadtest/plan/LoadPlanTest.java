package dev.skein.loadtest.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.json.JsonObject;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class LoadPlanTest {
    private static final Sizes SMALL = new Sizes.Spread(Sizes.Range.parse("16"), Sizes.Range.parse("4-6"));

    private static Load load(Sizes sizes, Prefix prefix, Dialect dialect, String extra) {
        return new Load(new Pattern.Clients(2), 8, sizes, prefix, dialect, new JsonObject(extra), 3);
    }

    @Test
    void requestsAreTheSameForEachServerAndNeverTwiceForOne() {
        Load load = load(SMALL, Prefix.NONE, Dialect.COMPLETIONS, "{}");
        assertThat(load.body("goose", 1, 2)).isEqualTo(load.body("goose", 1, 2));
        Set<String> prompts = new HashSet<>();
        for (int round = 0; round < 3; round++) {
            // More than 10,000: runs must not overlap.
            for (int request = 0; request < 11_000; request++) {
                prompts.add(load.body("goose", round, request).getString("prompt"));
            }
        }
        assertThat(prompts).hasSize(33_000);
    }

    @Test
    void bodiesAskForAStreamOfAsManyTokens() {
        JsonObject body = load(SMALL, Prefix.NONE, Dialect.COMPLETIONS, "{\"temperature\": 0.5, \"top_k\": 3}")
                .body("goose", 0, 0);
        assertThat(body.getString("model")).isEqualTo("goose");
        assertThat(body.getString("prompt").split(" ")).hasSize(16);
        assertThat(body.getInteger("max_tokens")).isBetween(4, 6);
        assertThat(body.getBoolean("stream")).isTrue();
        assertThat(body.getBoolean("ignore_eos")).isTrue();
        assertThat(body.getJsonObject("stream_options").getBoolean("include_usage"))
                .isTrue();
        assertThat(body.getDouble("temperature")).isEqualTo(0.5);
        assertThat(body.getInteger("top_k")).isEqualTo(3);
    }

    @Test
    void chatsHaveOneMessage() {
        JsonObject body = load(SMALL, Prefix.NONE, Dialect.CHAT, "{}").body("goose", 0, 0);
        JsonObject message = body.getJsonArray("messages").getJsonObject(0);
        assertThat(message.getString("role")).isEqualTo("user");
        assertThat(message.getString("content").split(" ")).hasSize(16);
        assertThat(body.containsKey("prompt")).isFalse();
    }

    @Test
    void promptsShareTheirBeginningsInTurn() {
        Load load = load(SMALL, new Prefix(10, 2), Dialect.COMPLETIONS, "{}");
        List<String> beginnings = IntStream.range(0, 4)
                .mapToObj(i -> load.body("goose", i, i).getString("prompt"))
                .map(prompt -> String.join(" ", List.of(prompt.split(" ")).subList(0, 10)))
                .toList();
        assertThat(beginnings.get(0)).isEqualTo(beginnings.get(2)).isNotEqualTo(beginnings.get(1));
        assertThat(beginnings.get(1)).isEqualTo(beginnings.get(3));
        assertThat(load.body("goose", 0, 0).getString("prompt").split(" ")).hasSize(26);
    }

    @Test
    void rangesAreReadAndBothEndsAreReached() {
        assertThat(Sizes.Range.parse("64")).isEqualTo(new Sizes.Range(64, 64));
        assertThat(Sizes.Range.parse("16 - 256")).isEqualTo(new Sizes.Range(16, 256));
        Set<Integer> seen = new HashSet<>();
        for (int i = 0; i < 200; i++) {
            seen.add(
                    load(SMALL, Prefix.NONE, Dialect.CHAT, "{}").body("m", 0, i).getInteger("max_tokens"));
        }
        assertThat(seen).containsExactlyInAnyOrder(4, 5, 6);
        for (String wrong : List.of("", "a", "3-", "-3", "1-2-3")) {
            assertThatThrownBy(() -> Sizes.Range.parse(wrong)).hasMessageContaining("'" + wrong + "' is no count");
        }
        assertThatThrownBy(() -> Sizes.Range.parse("5-4")).hasMessageContaining("range of 5 to 4");
    }

    @Test
    void tracesHaveTimesAndLengths() {
        Trace trace = Trace.timed(
                "t.jsonl",
                List.of(
                        "{\"timestamp\": 1000, \"input_length\": 3, \"output_length\": 2, \"hash_ids\": [1]}",
                        "",
                        "{\"timestamp\": 1500.5, \"input_length\": 5, \"output_length\": 7}"));
        Load load =
                new Load(trace.replay(1, 4), 2, trace.sizes(), Prefix.NONE, Dialect.COMPLETIONS, new JsonObject(), 1);
        assertThat(load.due((Pattern.Open) load.pattern(), 0)).containsExactly(0, 500_500_000);
        assertThat(load.body("m", 0, 1).getString("prompt").split(" ")).hasSize(5);
        assertThat(load.body("m", 0, 1).getInteger("max_tokens")).isEqualTo(7);
        assertThatThrownBy(() ->
                        new Load(trace.replay(1, 4), 3, trace.sizes(), Prefix.NONE, Dialect.CHAT, new JsonObject(), 1))
                .hasMessageContaining("3 requests of a trace of 2");
    }

    @Test
    void lengthsAreTakenInTurn() {
        Sizes sizes = Trace.lengths(
                        "l.jsonl",
                        List.of(
                                "{\"input_length\": 3, \"output_length\": 2}",
                                "{\"input_length\": 5, \"output_length\": 7}"))
                .sizes();
        Load load = load(sizes, Prefix.NONE, Dialect.COMPLETIONS, "{}");
        assertThat(load.body("m", 0, 2).getInteger("max_tokens")).isEqualTo(2);
        assertThat(load.body("m", 0, 3).getInteger("max_tokens")).isEqualTo(7);
    }

    @Test
    void wrongLinesAreNamed() {
        assertThatThrownBy(() -> Trace.timed("t", List.of("{\"input_length\": 3, \"output_length\": 2}")))
                .hasMessage("t, line 1: has no timestamp");
        assertThatThrownBy(() -> Trace.lengths("t", List.of("", "nonsense")))
                .hasMessage("t, line 2: is no JSON object with numbers");
        assertThatThrownBy(() -> Trace.lengths("t", List.of("{\"input_length\": \"3\", \"output_length\": 2}")))
                .hasMessage("t, line 1: is no JSON object with numbers");
        assertThatThrownBy(() -> Trace.lengths("t", List.of("{\"input_length\": 3, \"output_length\": 0}")))
                .hasMessageContaining("line 1: a prompt of 3 words and an answer of 0 tokens");
        assertThatThrownBy(() -> Trace.timed(
                        "t",
                        List.of(
                                "{\"timestamp\": 5, \"input_length\": 3, \"output_length\": 2}",
                                "{\"timestamp\": 4, \"input_length\": 3, \"output_length\": 2}")))
                .hasMessageContaining("line 2: timestamp 4.0 is before");
        assertThatThrownBy(() -> Trace.timed("t", List.of(""))).hasMessageContaining("holds no request");
    }
}
