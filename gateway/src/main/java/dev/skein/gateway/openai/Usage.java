package dev.skein.gateway.openai;

import dev.skein.gateway.json.JsonWriter;

/**
 * Ids used by a request.
 *
 * @param cached prompt ids that the prefix cache had; -1 where it is not told
 */
public record Usage(long prompt, long completion, long cached) {

    /** @param nulls whether fields that are not told are written as null */
    void write(JsonWriter out, boolean nulls) {
        out.beginObject();
        out.field("prompt_tokens", prompt);
        out.field("total_tokens", prompt + completion);
        out.field("completion_tokens", completion);
        if (cached >= 0) {
            out.name("prompt_tokens_details")
                    .beginObject()
                    .field("cached_tokens", cached)
                    .endObject();
        } else if (nulls) {
            out.nulField("prompt_tokens_details");
        }
        out.endObject();
    }
}
