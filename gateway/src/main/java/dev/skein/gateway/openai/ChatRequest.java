package dev.skein.gateway.openai;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A body of {@code /v1/chat/completions} that can be served, as far as can be said without counting ids.
 *
 * @param messages as templates read them: content is one string
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
    private static final List<String> EFFORTS = List.of("none", "minimal", "low", "medium", "high", "xhigh", "max");

    // What a template gets from the server and the body's own fields, never from chat_template_kwargs.
    private static final Set<String> OURS =
            Set.of("messages", "conversation", "tools", "bos_token", "eos_token", "chat_template", "tokenize");
    private static final Set<String> FIELDS = Set.of("add_generation_prompt", "continue_final_message");

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
            Object effort = body.raw("reasoning_effort");
            if (!(effort instanceof String) || !EFFORTS.contains(effort)) {
                body.wrong("reasoning_effort", "one of " + String.join(", ", EFFORTS), effort);
            }
            variables.put("reasoning_effort", effort);
        }
        Object extra = body.raw("chat_template_kwargs");
        if (extra instanceof Map<?, ?> map) {
            map.forEach((key, value) -> variable(String.valueOf(key), value, variables));
        } else if (extra != null) {
            body.wrong("chat_template_kwargs", "an object", extra);
        }
        body.check();
        return variables;
    }

    private static void variable(String name, @Nullable Object value, Map<String, @Nullable Object> variables) {
        if (OURS.contains(name)) {
            throw ApiException.bad(
                    "chat_template_kwargs",
                    "chat_template_kwargs holds " + name + ", which the server gives to the template; leave it out");
        }
        // As in vLLM, a field of the request wins over its like in here.
        if (!FIELDS.contains(name)) {
            variables.putIfAbsent(name, value);
        }
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
