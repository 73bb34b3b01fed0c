package dev.skein.cli.settings;

import dev.skein.worker.engine.PromptLookup;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;
import java.util.Set;
import java.util.TreeSet;

/// vLLM's `--speculative-config`: a JSON object. Of its methods there is `ngram`, which drafts from the text itself.
final class SpeculativeConfig {
    private static final String METHOD = "method";
    private static final String TOKENS = "num_speculative_tokens";
    private static final String MOST = "prompt_lookup_max";
    private static final String LEAST = "prompt_lookup_min";
    private static final Set<String> KNOWN = Set.of(METHOD, TOKENS, MOST, LEAST);
    private static final String EXAMPLE = "{\"method\": \"ngram\", \"num_speculative_tokens\": 5}";

    /// vLLM's, where neither end is given.
    private static final int DEFAULT_MATCH = 5;

    private SpeculativeConfig() {}

    static PromptLookup read(String text) {
        JsonObject json = object(text);
        Set<String> unknown = new TreeSet<>(json.fieldNames());
        unknown.removeAll(KNOWN);
        if (!unknown.isEmpty()) {
            throw new IllegalArgumentException("has " + unknown + "; known are " + new TreeSet<>(KNOWN));
        }
        if (!"ngram".equals(json.getValue(METHOD))) {
            throw new IllegalArgumentException(
                    "has the method " + json.getValue(METHOD) + "; there is ngram, such as " + EXAMPLE);
        }
        int most = number(json, MOST, number(json, LEAST, DEFAULT_MATCH));
        return new PromptLookup(number(json, TOKENS, 0), number(json, LEAST, most), most);
    }

    private static JsonObject object(String text) {
        try {
            return new JsonObject(text);
        } catch (DecodeException broken) {
            throw new IllegalArgumentException("is '" + text + "'; it must be a JSON object such as " + EXAMPLE);
        }
    }

    private static int number(JsonObject json, String key, int missing) {
        Object value = json.getValue(key, missing);
        if (value instanceof Integer number) {
            return number;
        }
        throw new IllegalArgumentException("has the " + key + " " + value + "; it must be a whole number");
    }
}
