package dev.skein.worker.model;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The names of tensors that transformers writes, and which of ours they are. */
final class HuggingFaceNames {
    private static final Map<String, String> WHOLE = Map.of("token_embd", "embed_tokens", "output_norm", "norm");

    private static final Map<String, String> LAYER = Map.ofEntries(
            Map.entry("attn_norm", "input_layernorm"),
            Map.entry("attn_q", "self_attn.q_proj"),
            Map.entry("attn_k", "self_attn.k_proj"),
            Map.entry("attn_v", "self_attn.v_proj"),
            Map.entry("attn_q_norm", "self_attn.q_norm"),
            Map.entry("attn_k_norm", "self_attn.k_norm"),
            Map.entry("attn_output", "self_attn.o_proj"),
            Map.entry("ffn_norm", "post_attention_layernorm"),
            Map.entry("ffn_gate", "mlp.gate_proj"),
            Map.entry("ffn_up", "mlp.up_proj"),
            Map.entry("ffn_down", "mlp.down_proj"),
            Map.entry("ffn_gate_inp", "mlp.gate"));

    /** Where a family differs: what follows attention is normalised before it is added, and is called so. */
    private static final Map<String, String> GEMMA3 = Map.of(
            "post_attention_norm", "post_attention_layernorm",
            "ffn_norm", "pre_feedforward_layernorm",
            "post_ffw_norm", "post_feedforward_layernorm");

    private static final Map<String, String> BERT_WHOLE = Map.of(
            "token_embd", "embeddings.word_embeddings",
            "position_embd", "embeddings.position_embeddings",
            "token_types", "embeddings.token_type_embeddings",
            "token_embd_norm", "embeddings.LayerNorm");

    private static final Map<String, String> BERT = Map.of(
            "attn_q", "attention.self.query",
            "attn_k", "attention.self.key",
            "attn_v", "attention.self.value",
            "attn_output", "attention.output.dense",
            "attn_output_norm", "attention.output.LayerNorm",
            "ffn_up", "intermediate.dense",
            "ffn_down", "output.dense",
            "layer_output_norm", "output.LayerNorm");

    private static final Map<String, String> MIXTRAL = Map.of("ffn_gate_inp", "block_sparse_moe.gate");

    private static final Map<String, String> EXPERT =
            Map.of("ffn_gate", "gate_proj", "ffn_up", "up_proj", "ffn_down", "down_proj");
    private static final Map<String, String> MIXTRAL_EXPERT =
            Map.of("ffn_gate", "w1", "ffn_up", "w3", "ffn_down", "w2");

    private static final Pattern OURS = Pattern.compile("blk\\.(\\d+)\\.(\\w+)(?:\\.(\\d+))?\\.(weight|bias)");
    private static final Pattern THEIRS =
            Pattern.compile("(?:layers|encoder\\.layer)\\.(\\d{1,9})\\.(.+)\\.(weight|bias)");
    private static final Pattern OUR_WHOLE = Pattern.compile("(\\w+)\\.(weight|bias)");
    private static final Pattern THEIR_WHOLE = Pattern.compile("(.+)\\.(weight|bias)");
    private static final Pattern THEIR_EXPERT = Pattern.compile("(.+)\\.experts\\.(\\d{1,9})\\.(\\w+)");

    private final String prefix;
    private final String head;
    private final String experts;
    private final String layers;
    private final Map<String, String> whole;
    private final Map<String, String> parts;
    private final Map<String, String> expertParts;

    /**
     * Names of a model.
     *
     * @param prefix of all tensors but the head's
     * @param head name of the head's
     */
    HuggingFaceNames(Family family, String prefix, String head) {
        this.prefix = prefix;
        this.head = head;
        boolean mixtral = family == Family.MIXTRAL;
        boolean bert = family == Family.BERT;
        layers = bert ? "encoder.layer" : "layers";
        whole = bert ? BERT_WHOLE : WHOLE;
        parts = new HashMap<>(bert ? BERT : LAYER);
        parts.putAll(mixtral ? MIXTRAL : family == Family.GEMMA3 ? GEMMA3 : Map.of());
        experts = mixtral ? "block_sparse_moe" : "mlp";
        expertParts = mixtral ? MIXTRAL_EXPERT : EXPERT;
    }

    /** Their name of a tensor. */
    String theirs(String name) {
        if (name.equals("output.weight")) {
            return head;
        }
        Matcher layer = OURS.matcher(name);
        if (!layer.matches()) {
            Matcher part = OUR_WHOLE.matcher(name);
            return part.matches()
                    ? "%s%s.%s".formatted(prefix, whole.getOrDefault(part.group(1), part.group(1)), part.group(2))
                    : prefix + name;
        }
        String part = layer.group(3) == null
                ? parts.getOrDefault(layer.group(2), layer.group(2))
                : "%s.experts.%s.%s".formatted(experts, layer.group(3), expertParts.get(layer.group(2)));
        return "%s%s.%s.%s.%s".formatted(prefix, layers, layer.group(1), part, layer.group(4));
    }

    /** Our name of a tensor; empty where it is none of a model's. */
    Optional<String> ours(String name) {
        if (name.equals(head)) {
            return Optional.of("output.weight");
        }
        if (!name.startsWith(prefix)) {
            return Optional.empty();
        }
        String rest = name.substring(prefix.length());
        Matcher layer = THEIRS.matcher(rest);
        if (layer.matches()) {
            return part(layer.group(2)).map(part -> "blk.%s.%s.%s".formatted(layer.group(1), part, layer.group(3)));
        }
        Matcher part = THEIR_WHOLE.matcher(rest);
        return part.matches()
                ? key(whole, part.group(1)).map(ours -> "%s.%s".formatted(ours, part.group(2)))
                : Optional.empty();
    }

    private Optional<String> part(String theirs) {
        Matcher expert = THEIR_EXPERT.matcher(theirs);
        return expert.matches() && expert.group(1).equals(experts)
                ? key(expertParts, expert.group(3)).map(part -> part + "." + expert.group(2))
                : key(parts, theirs);
    }

    private static Optional<String> key(Map<String, String> map, String value) {
        return map.entrySet().stream()
                .filter(each -> each.getValue().equals(value))
                .map(Map.Entry::getKey)
                .findFirst();
    }
}
