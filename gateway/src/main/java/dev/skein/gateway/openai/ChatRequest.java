package dev.skein.gateway.openai;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A body of {@code /v1/chat/completions} that can be served, as far as can be said without counting ids.
 *
 * @param messages as templates read them: content is one string or null
 * @param template Jinja source that the request brought; null for the model's
 * @param variables for the template, beside messages: chat_template_kwargs, documents, reasoning_effort
 * @param generationPrompt whether the prompt ends by opening the answer
 * @param continueFinal whether the answer goes on with the last message
 */
public record ChatRequest(
        Decoding decoding,
        List<Map<String, @Nullable Object>> messages,
        @Nullable String template,
        Map<String, @Nullable Object> variables,
        boolean generationPrompt,
        boolean continueFinal) {

    /** @throws ApiException if it cannot be served */
    public static ChatRequest read(@Nullable Object json, RequestRules rules) {
        Fields body = Fields.of(json);
        Refusals.checkChat(body);
        Decoding decoding = new DecodingFields(body, rules, true).read();
        return conversation(body, decoding, rules.trustTemplates());
    }

    /** The part of a chat body that {@code /tokenize} reads too. */
    static ChatRequest conversation(Fields body, Decoding decoding, boolean trustTemplates) {
        boolean generationPrompt = body.flag("add_generation_prompt", true);
        boolean continueFinal = body.flag("continue_final_message", false);
        String template = body.text("chat_template");
        Map<String, @Nullable Object> variables = variables(body);
        List<Map<String, @Nullable Object>> messages = ChatMessages.of(body);
        if (continueFinal && body.has("add_generation_prompt") && generationPrompt) {
            throw ApiException.bad(
                    "continue_final_message",
                    "continue_final_message and add_generation_prompt cannot both be true; the one goes on with the last"
                            + " message, the other opens a new one");
        }
        if (template != null && !trustTemplates) {
            throw ApiException.bad(
                    "chat_template",
                    "This server does not take a request's chat_template; start it with --trust-request-chat-template"
                            + " to allow that");
        }
        return new ChatRequest(
                decoding, messages, template, variables, generationPrompt && !continueFinal, continueFinal);
    }

    private static Map<String, @Nullable Object> variables(Fields body) {
        Map<String, @Nullable Object> variables = new LinkedHashMap<>();
        if (body.has("documents")) {
            variables.put("documents", body.raw("documents"));
        }
        if (body.has("reasoning_effort")) {
            variables.put("reasoning_effort", body.text("reasoning_effort"));
        }
        Object extra = body.raw("chat_template_kwargs");
        if (extra instanceof Map<?, ?> map) {
            map.forEach((key, value) -> variables.put(String.valueOf(key), value));
        } else if (extra != null) {
            body.wrong("chat_template_kwargs", "an object", extra);
        }
        body.check();
        return variables;
    }

    /** The role of the last message. */
    public String lastRole() {
        return String.valueOf(messages.getLast().get("role"));
    }

    /** The text of the last message, empty where it has none. */
    public String lastContent() {
        return messages.getLast().get("content") instanceof String text ? text : "";
    }
}
