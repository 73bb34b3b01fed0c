package dev.skein.worker.model;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;

/** Which ids end a sequence, as a GGUF file's vocabulary says. */
public final class EndTokens {
    /** Ids of a vocabulary at most. */
    public static final int MAX_VOCABULARY = 1 << 22;

    private static final int CONTROL = 3;

    /** Control tokens that end a turn or a text wherever they exist; a file's eos key names only one of its own. */
    private static final Set<String> NAMES =
            Set.of("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>");

    private EndTokens() {}

    /** The ids that the keys for end of sequence, turn and message name, and control tokens known to be such. */
    public static Set<Integer> of(GgufMetadata keys) {
        Set<Integer> ids = new LinkedHashSet<>();
        for (String kind : List.of("eos", "eot", "eom")) {
            id(keys, kind).ifPresent(ids::add);
        }
        int[] types = keys.integers("tokenizer.ggml.token_type", MAX_VOCABULARY);
        keys.texts(
                "tokenizer.ggml.tokens",
                MAX_VOCABULARY,
                id -> id < types.length && types[id] == CONTROL,
                (name, id) -> {
                    if (NAMES.contains(name)) {
                        ids.add(id);
                    }
                });
        return ids;
    }

    /** The id of a special token such as "bos"; empty where the file has none. */
    public static OptionalInt id(GgufMetadata keys, String kind) {
        String key = "tokenizer.ggml.%s_token_id".formatted(kind);
        int vocabulary = (int) Math.min(MAX_VOCABULARY, keys.count("tokenizer.ggml.tokens"));
        return keys.integer(key, -1, Math.max(0, vocabulary - 1)).stream()
                .filter(id -> id >= 0)
                .findFirst();
    }
}
