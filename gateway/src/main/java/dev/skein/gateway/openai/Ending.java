package dev.skein.gateway.openai;

import dev.skein.gateway.json.JsonWriter;
import org.jspecify.annotations.Nullable;

/**
 * Why a sequence ended.
 *
 * @param finishReason stop, length or abort
 * @param stopReason the stop string or the stop id that did it; null for an end-of-sequence id and for length
 */
public record Ending(String finishReason, @Nullable Object stopReason) {
    public static final Ending LENGTH = new Ending("length", null);

    public static Ending stoppedBy(String stop) {
        return new Ending("stop", stop);
    }

    void writeStopReason(JsonWriter out) {
        out.name("stop_reason").any(stopReason);
    }
}
