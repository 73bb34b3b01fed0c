package dev.skein.gateway.openai;

import dev.skein.gateway.json.JsonException;
import dev.skein.gateway.json.JsonReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a request that says nothing gets.
 *
 * @param maxTokens output ids at most, null for as many as the context holds
 */
public record SamplingDefaults(
        double temperature,
        double topP,
        int topK,
        double minP,
        double repetitionPenalty,
        @Nullable Integer maxTokens) {
    /** Of the API itself. */
    public static final SamplingDefaults NEUTRAL = new SamplingDefaults(1, 1, 0, 0, 1, null);

    private static final Logger log = LoggerFactory.getLogger(SamplingDefaults.class);

    /** Those of a generation_config.json; {@link #NEUTRAL} where it is empty, broken or silent. */
    public static SamplingDefaults of(String generationConfig) {
        if (generationConfig.isBlank()) {
            return NEUTRAL;
        }
        byte[] json = generationConfig.getBytes(StandardCharsets.UTF_8);
        try {
            return new JsonReader(16, json.length).read(json) instanceof Map<?, ?> map ? of(map) : NEUTRAL;
        } catch (JsonException e) {
            log.warn("generation_config.json cannot be read, its defaults are not used: {}", e.getMessage());
            return NEUTRAL;
        }
    }

    private static SamplingDefaults of(Map<?, ?> config) {
        Object longest = config.get("max_new_tokens");
        return new SamplingDefaults(
                number(config, "temperature", NEUTRAL.temperature),
                number(config, "top_p", NEUTRAL.topP),
                (int) number(config, "top_k", NEUTRAL.topK),
                number(config, "min_p", NEUTRAL.minP),
                number(config, "repetition_penalty", NEUTRAL.repetitionPenalty),
                longest instanceof Long length && length > 0 && length <= Integer.MAX_VALUE ? length.intValue() : null);
    }

    private static double number(Map<?, ?> config, String name, double otherwise) {
        Object value = config.get(name);
        Double number = value == null ? null : Fields.asNumber(value);
        return number == null ? otherwise : number;
    }
}
