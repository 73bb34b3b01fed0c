package dev.skein.gateway.openai;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Fields that clients may send and this server does not serve yet. Each is refused by name where it asks for something;
 * a value that asks for nothing (null, false, the default) passes.
 */
final class Refusals {
    private static final List<String> CONSTRAINTS = List.of(
            "structured_outputs",
            "guided_json",
            "guided_regex",
            "guided_choice",
            "guided_grammar",
            "guided_json_object",
            "guided_decoding_backend",
            "guided_whitespace_pattern");

    private static final List<String> EXTRAS = List.of(
            "prompt_embeds",
            "logprob_token_ids",
            "kv_transfer_params",
            "ec_transfer_params",
            "vllm_xargs",
            "repetition_detection",
            "thinking_token_budget",
            "mm_processor_kwargs",
            "media_io_kwargs",
            "logits_processors");

    private Refusals() {}

    /** @throws ApiException naming the first field that asks for what is not there */
    static void check(Fields body) {
        constrained(body);
        for (String name : EXTRAS) {
            if (asks(body.raw(name))) {
                throw ApiException.refused(name, "The field " + name);
            }
        }
        if (body.flag("use_beam_search", false)) {
            throw ApiException.refused("use_beam_search", "Beam search");
        }
        Long interval = body.integer("stream_interval");
        if (interval != null && interval != 1) {
            throw ApiException.refused("stream_interval", "A stream_interval other than 1");
        }
    }

    static void checkChat(Fields body) {
        check(body);
        tools(body);
        for (String name : List.of("audio", "prediction", "web_search_options")) {
            if (body.has(name)) {
                throw ApiException.refused(name, "The field " + name);
            }
        }
        if (body.raw("modalities") instanceof List<?> kinds && kinds.stream().anyMatch(kind -> !"text".equals(kind))) {
            throw ApiException.refused("modalities", "Output other than text");
        }
    }

    static void checkCompletion(Fields body) {
        check(body);
        if (asks(body.raw("suffix"))) {
            throw ApiException.refused("suffix", "A suffix (filling in the middle)");
        }
    }

    private static void constrained(Fields body) {
        for (String name : CONSTRAINTS) {
            if (asks(body.raw(name))) {
                throw ApiException.refused(name, "Structured output (" + name + ")");
            }
        }
        Fields format = body.object("response_format");
        String type = format == null ? "text" : format.text("type");
        body.check();
        if (!"text".equals(type)) {
            throw ApiException.refused(
                    "response_format",
                    type == null
                            ? "A response_format without a type"
                            : "The response_format " + ApiException.shortened(type));
        }
    }

    private static void tools(Fields body) {
        if (body.has("tools")) {
            throw body.raw("tools") instanceof List<?> list && list.isEmpty()
                    ? ApiException.bad("tools", "tools is an empty list; leave it out")
                    : ApiException.refused("tools", "Calling tools");
        }
        if (body.has("tool_choice") && !"none".equals(body.raw("tool_choice"))) {
            throw ApiException.refused("tool_choice", "A tool_choice other than none");
        }
        if (body.has("functions")) {
            throw ApiException.refused("functions", "Calling functions");
        }
        if (body.has("function_call") && !"none".equals(body.raw("function_call"))) {
            throw ApiException.refused("function_call", "Calling functions");
        }
    }

    private static boolean asks(@Nullable Object value) {
        return switch (value) {
            case null -> false;
            case Boolean flag -> flag;
            case String text -> !text.isEmpty();
            case List<?> list -> !list.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            default -> true;
        };
    }
}
