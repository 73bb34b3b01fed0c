package dev.skein.worker.model;

import java.util.List;

/** Integers of a configuration: what each format calls them, and what they may be. */
enum Setting {
    LAYERS("block_count", 1 << 12, "num_hidden_layers"),
    HIDDEN("embedding_length", 1 << 20, "hidden_size"),
    FEED_FORWARD("feed_forward_length", 1 << 22, "intermediate_size"),
    CONTEXT("context_length", 1 << 27, "max_position_embeddings"),
    QUERY_HEADS("attention.head_count", 1 << 14, "num_attention_heads"),
    KEY_VALUE_HEADS("attention.head_count_kv", 1 << 14, "num_key_value_heads"),
    HEAD_SIZE("attention.key_length", 1 << 12, "head_dim"),
    WINDOW("attention.sliding_window", 1 << 27, "sliding_window"),
    EXPERTS("expert_count", 1 << 12, "num_local_experts", "num_experts"),
    EXPERTS_CHOSEN("expert_used_count", 1 << 12, "num_experts_per_tok"),
    EXPERT_FEED_FORWARD("expert_feed_forward_length", 1 << 22, "moe_intermediate_size"),
    TOKEN_TYPES("token_type_count", 1 << 12, "type_vocab_size"),
    VOCABULARY("vocab_size", 1 << 24, "vocab_size");

    private final String gguf;
    private final int most;
    private final List<String> huggingFace;

    Setting(String gguf, int most, String... huggingFace) {
        this.gguf = gguf;
        this.most = most;
        this.huggingFace = List.of(huggingFace);
    }

    /** Its key in a GGUF file, without the architecture's name. */
    String gguf() {
        return gguf;
    }

    /** Its keys in a config.json, of which a model has one. */
    List<String> huggingFace() {
        return huggingFace;
    }

    /** It is at least 1. */
    int most() {
        return most;
    }
}
