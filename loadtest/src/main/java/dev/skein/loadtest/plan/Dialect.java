package dev.skein.loadtest.plan;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.util.Locale;

/// Which of OpenAI's endpoints is asked.
public enum Dialect {
    COMPLETIONS("/v1/completions") {
        @Override
        void prompt(JsonObject body, String prompt) {
            body.put("prompt", prompt);
        }
    },
    CHAT("/v1/chat/completions") {
        @Override
        void prompt(JsonObject body, String prompt) {
            body.put("messages", JsonArray.of(JsonObject.of("role", "user", "content", prompt)));
        }
    };

    private final String path;

    Dialect(String path) {
        this.path = path;
    }

    /// Below the server's address.
    public String path() {
        return path;
    }

    abstract void prompt(JsonObject body, String prompt);

    /// @throws IllegalArgumentException for what is neither `completions` nor `chat`
    public static Dialect of(String name) {
        return switch (name) {
            case "completions" -> COMPLETIONS;
            case "chat" -> CHAT;
            default ->
                throw new IllegalArgumentException("'" + name + "' is no endpoint; there are completions and chat");
        };
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
