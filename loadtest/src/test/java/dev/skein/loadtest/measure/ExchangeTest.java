package dev.skein.loadtest.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ExchangeTest {
    private static final String USAGE =
            "data: {\"choices\":[],\"usage\":{\"completion_tokens\":5,\"prompt_tokens\":9,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n";
    private static final String DONE = "data: [DONE]\n\n";

    private static String piece(String text) {
        return "data: {\"choices\":[{\"text\":\"" + text + "\",\"finish_reason\":null}]}\n\n";
    }

    private static Exchange.Chunk at(long nanos, String text) {
        return new Exchange.Chunk(nanos, text.getBytes(StandardCharsets.UTF_8));
    }

    private static Outcome outcome(Exchange.Chunk... chunks) {
        return new Exchange(1, 200, "", List.of(chunks), null).outcome();
    }

    private static void assertFailed(Outcome outcome, String cause, String example) {
        assertThat(outcome).isInstanceOfSatisfying(Outcome.Failure.class, failure -> {
            assertThat(failure.cause()).isEqualTo(cause);
            assertThat(failure.example()).contains(example);
        });
    }

    @Test
    void piecesArriveWithTheirBytes() {
        Outcome outcome = outcome(at(10, piece("a") + piece("b")), at(30, piece("c")), at(40, USAGE + DONE));
        assertThat(outcome).isInstanceOfSatisfying(Outcome.Answer.class, answer -> {
            assertThat(answer.arrivals()).containsExactly(10, 10, 30);
            assertThat(answer.tokens()).isEqualTo(5);
            assertThat(answer.promptTokens()).isEqualTo(9);
            assertThat(answer.cachedTokens()).isEqualTo(4);
        });
    }

    /// However a stream is cut into packets, even within a character, it says the same.
    @Test
    void packetsMayEndAnywhere() {
        byte[] all = (": hello\r\nevent: x\r\n" + piece("gänse 🪿").replace("\n", "\r\n") + piece("") + piece("b")
                        + "data:{\"choices\":\ndata: [{\"text\":\"c\"}]}\n\n" + USAGE + DONE)
                .getBytes(StandardCharsets.UTF_8);
        long seed = System.nanoTime();
        Random random = new Random(seed);
        for (int round = 0; round < 200; round++) {
            List<Exchange.Chunk> chunks = new ArrayList<>();
            for (int from = 0; from < all.length; ) {
                int to = Math.min(all.length, from + 1 + random.nextInt(40));
                chunks.add(new Exchange.Chunk(to, Arrays.copyOfRange(all, from, to)));
                from = to;
            }
            Outcome outcome = new Exchange(0, 200, "", chunks, null).outcome();
            assertThat(outcome)
                    .as("seed " + seed)
                    .asInstanceOf(type(Outcome.Answer.class))
                    .satisfies(answer -> {
                        assertThat(answer.arrivals()).hasSize(3).isSorted();
                        assertThat(answer.tokens()).isEqualTo(5);
                    });
        }
    }

    @Test
    void whereNothingIsCountedPiecesAre() {
        assertThat(outcome(at(1, piece("a")), at(2, piece("b") + DONE)))
                .isInstanceOfSatisfying(
                        Outcome.Answer.class,
                        answer -> assertThat(answer.tokens()).isEqualTo(2));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"content\":\"a\"}|1",
                "{\"reasoning_content\":\"a\"}|1",
                "{\"reasoning\":\"a\"}|1",
                "{\"tool_calls\":[{\"index\":0}]}|1",
                "{\"role\":\"assistant\",\"content\":\"\"}|0",
                "{\"content\":null}|0",
            })
    void whatAChatSaysIsText(String delta, int pieces) {
        Outcome outcome = outcome(at(
                1,
                "data: {\"choices\":[{\"delta\":" + delta + "}]}\n\n"
                        + "data: {\"choices\":[{\"delta\":{\"content\":\"end\"},\"finish_reason\":\"stop\"}]}\n\n"));
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        Outcome.Answer.class,
                        answer -> assertThat(answer.arrivals()).hasSize(pieces + 1));
    }

    @Test
    void failuresSayWhatWasSeen() {
        assertFailed(
                outcome(at(1, piece("a")), at(2, "data: {\"error\":{\"message\":\"lost\"}}\n\n")),
                "an error within the stream",
                "lost");
        assertFailed(
                outcome(at(1, piece("a")), at(2, "data: {\"choices\": nonsense\n\n")),
                "an event that is not of OpenAI's form",
                "nonsense");
        assertFailed(outcome(at(1, "data: {\"choices\":[null]}\n\n")), "an event that is not of OpenAI's form", "null");
        assertFailed(outcome(at(1, "data: {\"usage\":7}\n\n")), "an event that is not of OpenAI's form", "7");
        assertFailed(outcome(at(1, piece("a"))), "a stream that ended early", "1 pieces of text");
        assertFailed(outcome(at(1, "<html>hello</html>")), "a stream that ended early", "<html>hello</html>");
        assertFailed(outcome(), "a stream that ended early", "0 pieces");
        assertFailed(outcome(at(1, piece("") + DONE)), "an answer without any text", "held none");
    }

    @Test
    void refusalsAreReadByTheirMessage() {
        for (String body : List.of("{\"error\":{\"message\":\"full\"}}", "{\"message\":\"full\"}", "full\n")) {
            assertFailed(new Exchange(1, 503, "", List.of(at(1, body)), null).outcome(), "HTTP 503", "full");
        }
        assertFailed(new Exchange(1, 404, "", List.of(), null).outcome(), "HTTP 404", "nothing more");
        String large = "x".repeat(100_000);
        assertThat(new Exchange(1, 500, "", List.of(at(1, large)), null).outcome())
                .isInstanceOfSatisfying(
                        Outcome.Failure.class,
                        failure -> assertThat(failure.example()).hasSizeLessThan(300));
    }

    @Test
    void whatBrokeOffSaysWhyOrWhatTheServerSaidBefore() {
        Outcome.Failure broke = new Outcome.Failure("a connection that broke", "reset");
        assertThat(new Exchange(1, 0, "", List.of(), broke).outcome()).isEqualTo(broke);
        assertThat(new Exchange(1, 200, "", List.of(at(1, piece("a") + "data: {\"cho")), broke).outcome())
                .isEqualTo(broke);
        assertFailed(
                new Exchange(1, 200, "", List.of(at(1, "data: {\"error\":{\"message\":\"lost\"}}\n\n")), broke)
                        .outcome(),
                "an error within the stream",
                "lost");
    }
}
