package dev.skein.loadtest.measure;

import dev.skein.loadtest.measure.Outcome.Failure;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// What came over the wire for one request.
///
/// @param sent when the request left, in nanoseconds from the start of the run
/// @param status of HTTP; 0 if no answer began
/// @param server the answer's `server` header, empty if it has none
/// @param chunks of the body as they arrived
/// @param broken why it ended before its end; null if it did not
public record Exchange(
        long sent,
        int status,
        String server,
        List<Chunk> chunks,
        @Nullable Failure broken) {
    private static final int OK = 200;
    private static final int SHOWN = 200;

    /// @param nanos from the start of the run
    public record Chunk(long nanos, byte[] bytes) {}

    public Exchange {
        chunks = List.copyOf(chunks);
    }

    /// The body as text.
    public String text() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        chunks.forEach(chunk -> bytes.writeBytes(chunk.bytes));
        return bytes.toString(StandardCharsets.UTF_8);
    }

    /// Why it is no good answer of HTTP, or null if it is one.
    public @Nullable Failure failure() {
        if (broken != null) {
            return broken;
        }
        return status == OK ? null : new Failure("HTTP " + status, shortened(said(text())));
    }

    /// Reads the body as a stream of OpenAI's events.
    public Outcome outcome() {
        Failure failure = failure();
        if (failure != null && (broken == null || status != OK)) {
            return failure;
        }
        Reading reading = new Reading();
        try {
            for (Chunk chunk : chunks) {
                reading.take(chunk);
            }
            if (broken == null) {
                reading.end();
            }
        } catch (Refused refused) {
            return refused.failure;
        }
        return failure == null ? reading.outcome(this) : failure;
    }

    /// The text of an error body as OpenAI's servers write it, else the whole.
    private static String said(String body) {
        try {
            JsonObject json = new JsonObject(body);
            Object error = json.getValue("error");
            if (error instanceof JsonObject object && object.getValue("message") instanceof String message) {
                return message;
            }
            return json.getValue("message") instanceof String message ? message : body;
        } catch (DecodeException | ClassCastException e) {
            return body.isBlank() ? "nothing more" : body;
        }
    }

    private static String shortened(String text) {
        String line = text.strip().replaceAll("\\s+", " ");
        return line.length() <= SHOWN ? line : line.substring(0, SHOWN) + " ...";
    }

    /// Ends a reading.
    private static final class Refused extends RuntimeException {
        private final Failure failure;

        private Refused(String cause, String example) {
            super(cause, null, false, false);
            this.failure = new Failure(cause, shortened(example));
        }
    }

    /// Server-sent events, as their specification parts them: fields are lines, an empty line ends an event, lines
    /// end with LF or CR LF. (A lone CR ends none: no server of this kind sends it.)
    private static final class Reading {
        private final ByteArrayOutputStream line = new ByteArrayOutputStream();
        private final StringBuilder data = new StringBuilder();
        private long[] arrivals = new long[64];
        private int pieces;
        private int tokens;
        private int promptTokens;
        private int cachedTokens;
        private boolean complete;
        private long dataAt;

        private void take(Chunk chunk) {
            int from = 0;
            for (int i = 0; i < chunk.bytes.length; i++) {
                if (chunk.bytes[i] == '\n') {
                    line.write(chunk.bytes, from, i - from);
                    line(chunk.nanos);
                    from = i + 1;
                }
            }
            line.write(chunk.bytes, from, chunk.bytes.length - from);
        }

        private void line(long nanos) {
            String text = line.toString(StandardCharsets.UTF_8);
            line.reset();
            text = text.endsWith("\r") ? text.substring(0, text.length() - 1) : text;
            if (text.isEmpty()) {
                event();
            } else if (text.startsWith("data:")) {
                data.append(data.isEmpty() ? "" : "\n")
                        .append(text.startsWith("data: ") ? text.substring(6) : text.substring(5));
                // The text is there when its line is; the empty line may come in a later packet.
                dataAt = nanos;
            }
        }

        /// Some servers leave out the last empty line.
        private void end() {
            if (line.size() > 0) {
                line(dataAt);
            }
            event();
        }

        private void event() {
            if (data.isEmpty()) {
                return;
            }
            String text = data.toString();
            data.setLength(0);
            if (text.strip().equals("[DONE]")) {
                complete = true;
                return;
            }
            try {
                event(new JsonObject(text));
            } catch (DecodeException | ClassCastException e) {
                throw new Refused("an event that is not of OpenAI's form", text);
            }
        }

        private void event(JsonObject event) {
            Object error = event.getValue("error");
            if (error != null) {
                throw new Refused("an error within the stream", said(event.encode()));
            }
            JsonArray choices = event.getJsonArray("choices");
            for (int i = 0; choices != null && i < choices.size(); i++) {
                choice(choices.getJsonObject(i));
            }
            JsonObject usage = event.getJsonObject("usage");
            if (usage != null) {
                tokens = count(usage, "completion_tokens", tokens);
                promptTokens = count(usage, "prompt_tokens", promptTokens);
                JsonObject details = usage.getJsonObject("prompt_tokens_details");
                cachedTokens = details == null ? cachedTokens : count(details, "cached_tokens", cachedTokens);
            }
        }

        private static int count(JsonObject usage, String key, int otherwise) {
            Integer count = usage.getInteger(key);
            return count == null ? otherwise : count;
        }

        private void choice(@Nullable JsonObject choice) {
            if (choice == null) {
                throw new ClassCastException("a choice is null");
            }
            if (hasText(choice)) {
                if (pieces == arrivals.length) {
                    arrivals = Arrays.copyOf(arrivals, 2 * pieces);
                }
                arrivals[pieces++] = dataAt;
            }
            complete |= choice.getValue("finish_reason") != null;
        }

        /// Of a completion, or of a chat's delta: what is said, what is thought, or a tool's call.
        private static boolean hasText(JsonObject choice) {
            JsonObject delta = choice.getJsonObject("delta");
            return delta == null
                    ? filled(choice.getValue("text"))
                    : filled(delta.getValue("content"))
                            || filled(delta.getValue("reasoning_content"))
                            || filled(delta.getValue("reasoning"))
                            || delta.getValue("tool_calls") instanceof JsonArray calls && !calls.isEmpty();
        }

        private static boolean filled(@Nullable Object value) {
            return value instanceof String text && !text.isEmpty();
        }

        private Outcome outcome(Exchange exchange) {
            if (complete && pieces > 0) {
                return new Outcome.Answer(
                        Arrays.copyOf(arrivals, pieces), tokens > 0 ? tokens : pieces, promptTokens, cachedTokens);
            }
            return complete
                    ? new Failure("an answer without any text", "the stream ended well and held none")
                    : new Failure(
                            "a stream that ended early",
                            pieces + " pieces of text and no end; the last was "
                                    + shortened(String.format(Locale.ROOT, "'%s'", tail(exchange.text()))));
        }

        private static String tail(String text) {
            String line = text.strip();
            return line.substring(line.lastIndexOf('\n') + 1);
        }
    }
}
