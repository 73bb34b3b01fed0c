package dev.skein.gateway.openai;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.gateway.text.Vocabulary;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Writes the answer to one request, as the chunks of a stream or as one body. Chunks come framed as server-sent events.
 *
 * <p>Not thread-safe.
 */
public sealed interface Answers permits ChatAnswers, CompletionAnswers {
    /** The line that ends every stream. */
    byte[] DONE = "data: [DONE]\n\n".getBytes(US_ASCII);

    /**
     * What all chunks of an answer carry.
     *
     * @param created seconds since 1970
     */
    record Head(String id, long created, String model, String fingerprint) {}

    /** Everything that is known when the last sequence has ended. */
    record Whole(List<Piece> pieces, List<PromptIds.Scored> prompts, Usage usage) {}

    static Answers of(boolean chat, Head head, Decoding decoding, Vocabulary vocabulary, Opening opening) {
        return chat
                ? new ChatAnswers(head, decoding, vocabulary, opening)
                : new CompletionAnswers(head, decoding, vocabulary);
    }

    /**
     * How a chat's answer begins.
     *
     * @param role of the answer
     * @param echo the last message's text where the answer repeats it, else empty
     */
    record Opening(String role, String echo) {}

    /** Chunks that come before any text, for {@code choices} choices; written when the first ids have come. */
    void opening(JsonWriter out, int choices, PromptIds prompt);

    /**
     * One chunk with one part of one sequence.
     *
     * @param prompt of this sequence, with logprobs where asked for
     * @param first whether it is the sequence's first
     * @param usage written into the chunk where not null
     */
    void chunk(JsonWriter out, Piece piece, PromptIds.Scored prompt, boolean first, @Nullable Usage usage);

    /** The chunk after the last part, with no choices. */
    void usage(JsonWriter out, Usage usage);

    /** One body. */
    void body(JsonWriter out, Whole whole);

    /** The line that tells an error in a stream that has begun. */
    static void error(JsonWriter out, ApiException error) {
        out.raw(Framing.DATA);
        error.write(out);
        out.raw(Framing.END);
    }
}
