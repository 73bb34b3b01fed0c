package dev.skein.cli.client;

import dev.skein.cli.CommandException;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// What was said so far, and how to go on. For one thread, but for [#cancel].
final class Conversation {
    private static final String DATA = "data: ";
    private static final String DONE = "[DONE]";

    private final ServerApi server;
    private final String model;
    private final Style style;
    private JsonArray messages = new JsonArray();

    // Written by the thread that asks, read by the one that cancels.
    private volatile @Nullable InputStream answering;
    private volatile boolean cancelled;

    /// How answers are made.
    ///
    /// @param system begins every conversation; null for none
    /// @param temperature null leaves it to the server
    /// @param maxTokens null leaves it to the server
    record Style(
            @Nullable String system,
            @Nullable Double temperature,
            @Nullable Integer maxTokens) {}

    Conversation(ServerApi server, String model, Style style) {
        this.server = server;
        this.model = model;
        this.style = style;
        reset();
    }

    /// Forgets what was said.
    void reset() {
        messages = new JsonArray();
        if (style.system() != null) {
            add("system", style.system());
        }
    }

    /// Says something and gives the answer piece by piece as it comes. A cancelled answer counts as said as far as it
    /// came.
    ///
    /// @throws CommandException if the server refuses or breaks off; then nothing of it counts as said
    void say(String text, Consumer<String> pieces) {
        cancelled = false;
        JsonArray before = messages.copy();
        add("user", text);
        StringBuilder answer = new StringBuilder();
        try (InputStream stream = server.stream("/v1/chat/completions", body())) {
            answering = stream;
            read(new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8)), piece -> {
                answer.append(piece);
                pieces.accept(piece);
            });
        } catch (IOException e) {
            if (!cancelled) {
                messages = before;
                throw CommandException.failed("the answer broke off: " + e.getMessage());
            }
        } catch (CommandException e) {
            messages = before;
            throw e;
        } finally {
            answering = null;
        }
        add("assistant", answer.toString());
    }

    /// Ends the answer that is coming, on the server too. From any thread.
    void cancel() {
        cancelled = true;
        InputStream stream = answering;
        if (stream != null) {
            try {
                stream.close();
            } catch (IOException e) {
                // It is over either way.
            }
        }
    }

    private void read(BufferedReader lines, Consumer<String> pieces) throws IOException {
        for (String line = lines.readLine(); line != null && !cancelled; line = lines.readLine()) {
            if (line.equals(DATA + DONE)) {
                return;
            }
            if (line.startsWith(DATA)) {
                hear(new JsonObject(line.substring(DATA.length())), pieces);
            }
        }
    }

    private static void hear(JsonObject event, Consumer<String> pieces) {
        if (event.containsKey("error")) {
            throw CommandException.failed(ServerApi.message(event.encode()));
        }
        JsonArray choices = event.getJsonArray("choices");
        if (choices != null && !choices.isEmpty()) {
            String piece = choices.getJsonObject(0).getJsonObject("delta").getString("content");
            if (piece != null) {
                pieces.accept(piece);
            }
        }
    }

    private JsonObject body() {
        JsonObject body =
                new JsonObject().put("model", model).put("messages", messages).put("stream", true);
        if (style.temperature() != null) {
            body.put("temperature", style.temperature());
        }
        if (style.maxTokens() != null) {
            body.put("max_tokens", style.maxTokens());
        }
        return body;
    }

    private void add(String role, String text) {
        messages.add(new JsonObject().put("role", role).put("content", text));
    }
}
