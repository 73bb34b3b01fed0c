package dev.skein.gateway.openai;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.skein.gateway.json.JsonException;
import dev.skein.gateway.json.JsonReader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Turns the messages of a chat into what templates read: content as one string, tool arguments as objects. */
final class ChatMessages {
    private static final JsonReader JSON = new JsonReader(64, 1 << 20);

    private ChatMessages() {}

    static List<Map<String, @Nullable Object>> of(Fields body) {
        Object raw = body.raw("messages");
        if (raw == null) {
            body.missing("messages");
        } else if (!(raw instanceof List<?>)) {
            body.wrong("messages", "a list of messages", raw);
        }
        body.check();
        List<?> list = raw instanceof List<?> messages ? messages : List.of();
        if (list.isEmpty()) {
            throw ApiException.bad("messages", "messages is empty; give at least one");
        }
        List<Map<String, @Nullable Object>> messages = new ArrayList<>();
        for (int i = 0; i < list.size(); i++) {
            if (list.get(i) instanceof Map<?, ?> message) {
                messages.add(message(body, "messages." + i, message));
            } else {
                body.wrong("messages." + i, "an object", list.get(i));
            }
        }
        body.check();
        return messages;
    }

    private static Map<String, @Nullable Object> message(Fields body, String path, Map<?, ?> given) {
        Map<String, @Nullable Object> message = new LinkedHashMap<>();
        given.forEach((key, value) -> message.put(String.valueOf(key), value));
        Object role = given.get("role");
        if (role == null) {
            body.missing(path + ".role");
        } else if (!(role instanceof String)) {
            body.wrong(path + ".role", "a string", role);
        }
        message.put("content", content(body, path + ".content", given));
        if (message.containsKey("reasoning_content")) {
            message.putIfAbsent("reasoning", message.get("reasoning_content"));
        }
        if (given.get("tool_calls") instanceof List<?> calls) {
            message.put("tool_calls", calls.stream().map(ChatMessages::call).toList());
        }
        return message;
    }

    // A message without content says nothing, as an answer that only calls tools does; templates that join strings get
    // an empty one, as vLLM gives them. A user who says nothing has made a mistake.
    private static String content(Fields body, String path, Map<?, ?> message) {
        Object content = message.get("content");
        return switch (content) {
            case null -> {
                if ("user".equals(message.get("role"))) {
                    body.missing(path);
                }
                yield "";
            }
            case String text -> text;
            case List<?> parts -> joined(body, path, parts);
            default -> {
                body.wrong(path, "a string or a list of parts", content);
                yield "";
            }
        };
    }

    private static String joined(Fields body, String path, List<?> parts) {
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < parts.size(); i++) {
            switch (parts.get(i)) {
                case String text -> texts.add(text);
                case Map<?, ?> part
                when part.get("type") instanceof String type -> {
                    if (!isText(type)) {
                        throw ApiException.bad(
                                path + "." + i,
                                "A part of type " + ApiException.shortened(type)
                                        + " is not supported by this server yet; send text only");
                    }
                    if (part.get("text") instanceof String text) {
                        texts.add(text);
                    } else {
                        body.wrong(path + "." + i + ".text", "a string", part.get("text"));
                    }
                }
                case Map<?, ?> _ -> body.missing(path + "." + i + ".type");
                case null, default -> body.wrong(path + "." + i, "an object", parts.get(i));
            }
        }
        return String.join("\n", texts);
    }

    private static boolean isText(String type) {
        return type.equals("text") || type.equals("input_text") || type.equals("output_text") || type.equals("refusal");
    }

    // Clients send the arguments as text, as they got them; templates print them as the object they are.
    private static @Nullable Object call(@Nullable Object given) {
        if (!(given instanceof Map<?, ?> call
                && call.get("function") instanceof Map<?, ?> function
                && function.get("arguments") instanceof String arguments)) {
            return given;
        }
        Map<Object, @Nullable Object> copy = new LinkedHashMap<>(call);
        Map<Object, @Nullable Object> inner = new LinkedHashMap<>(function);
        inner.put("arguments", parsed(arguments));
        copy.put("function", inner);
        return copy;
    }

    private static @Nullable Object parsed(String arguments) {
        try {
            return arguments.isBlank() ? Map.of() : JSON.read(arguments.getBytes(UTF_8));
        } catch (JsonException _) {
            return arguments;
        }
    }
}
