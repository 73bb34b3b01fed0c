package dev.skein.gateway.openai;

import dev.skein.gateway.json.JsonException;
import dev.skein.gateway.json.JsonReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeSet;
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
            return new JsonReader(16, json.length).read(json) instanceof Map<?, ?> map ? NEUTRAL.with(map) : NEUTRAL;
        } catch (JsonException e) {
            log.warn("generation_config.json cannot be read, its defaults are not used: {}", e.getMessage());
            return NEUTRAL;
        }
    }

    private static final Map<String, Bounds> BOUNDS = Map.of(
            "temperature", new Bounds(0, 2),
            "top_p", new Bounds(Double.MIN_VALUE, 1),
            "top_k", new Bounds(-1, Integer.MAX_VALUE),
            "min_p", new Bounds(0, 1),
            "repetition_penalty", new Bounds(Double.MIN_VALUE, Float.MAX_VALUE),
            "max_new_tokens", new Bounds(1, Integer.MAX_VALUE));

    private record Bounds(double least, double most) {}

    /**
     * These with what {@code overrides} says instead; these where it is empty.
     *
     * @param overrides a JSON object with keys of a generation_config.json
     * @throws IllegalArgumentException if it is none, or holds what is no default of sampling
     */
    public SamplingDefaults with(String overrides) {
        if (overrides.isBlank()) {
            return this;
        }
        byte[] json = overrides.getBytes(StandardCharsets.UTF_8);
        try {
            if (!(new JsonReader(16, json.length).read(json) instanceof Map<?, ?> map)) {
                throw new IllegalArgumentException("is " + overrides + "; it must be a JSON object");
            }
            map.forEach((name, value) -> check(String.valueOf(name), value));
            return with(map);
        } catch (JsonException e) {
            throw new IllegalArgumentException("is no JSON: " + e.getMessage(), e);
        }
    }

    private static void check(String name, @Nullable Object value) {
        Bounds bounds = BOUNDS.get(name);
        if (bounds == null) {
            throw new IllegalArgumentException(
                    "holds " + name + "; it may hold " + String.join(", ", new TreeSet<>(BOUNDS.keySet())));
        }
        double given = value instanceof Number number ? number.doubleValue() : Double.NaN;
        if (!(given >= bounds.least && given <= bounds.most)) {
            throw new IllegalArgumentException("holds " + name + " " + Fields.kind(value) + ", which it cannot be");
        }
    }

    private SamplingDefaults with(Map<?, ?> config) {
        Object longest = config.get("max_new_tokens");
        return new SamplingDefaults(
                number(config, "temperature", temperature),
                number(config, "top_p", topP),
                (int) number(config, "top_k", topK),
                number(config, "min_p", minP),
                number(config, "repetition_penalty", repetitionPenalty),
                longest instanceof Long length && length > 0 && length <= Integer.MAX_VALUE
                        ? Integer.valueOf(length.intValue())
                        : maxTokens);
    }

    private static double number(Map<?, ?> config, String name, double otherwise) {
        Object value = config.get(name);
        Double number = value == null ? null : Fields.asNumber(value);
        return number == null ? otherwise : number;
    }
}
