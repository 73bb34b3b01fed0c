package dev.skein.worker.model;

import dev.skein.compute.Rope;
import dev.skein.worker.model.ModelConfig.Heads;
import java.util.List;
import java.util.OptionalInt;

/**
 * Reads a GGUF file's keys as llama.cpp writes them: the model's sizes are under its architecture's name, as in {@code
 * llama.block_count}.
 */
final class GgufConfig implements Settings {
    /** Keys of relatives that go by the same name and compute something else. */
    private static final List<String> CHANGES_RESULTS = List.of(
            "expert_count",
            "attention.sliding_window",
            "attention.clamp_kqv",
            "attention.max_alibi_bias",
            "attn_logit_softcapping",
            "final_logit_softcapping",
            "embedding_scale",
            "residual_scale",
            "logit_scale",
            "attention.scale");

    private final GgufFiles files;
    private final GgufMetadata keys;
    private final String architecture;
    private final Family family;

    GgufConfig(GgufFiles files) {
        this.files = files;
        keys = files.metadata();
        architecture = keys.requiredText("general.architecture");
        family = family();
    }

    private Family family() {
        return switch (architecture) {
            case "llama" -> Family.LLAMA;
            default ->
                throw new CheckpointException(
                        files.path(), "the architecture %s is not supported yet; llama is".formatted(architecture));
        };
    }

    ModelConfig read() {
        refuseRelatives();
        Heads heads = heads();
        requireValuesLikeKeys(heads.size());
        return new ModelConfig(
                family,
                required(Setting.LAYERS),
                required(Setting.HIDDEN),
                required(Setting.FEED_FORWARD),
                vocabulary(),
                required(Setting.CONTEXT),
                keys.requiredNumber(key("attention.layer_norm_rms_epsilon"), 0, 1),
                heads,
                rope(heads.size()),
                files.tensor("output.weight").isEmpty());
    }

    private void refuseRelatives() {
        for (String key : CHANGES_RESULTS) {
            if (keys.has(key(key))) {
                throw new CheckpointException(
                        files.path(), "the key %s asks for something that is not supported yet".formatted(key(key)));
            }
        }
    }

    private void requireValuesLikeKeys(int size) {
        int values = keys.integer(key("attention.value_length"), 1, Setting.HEAD_SIZE.most())
                .orElse(size);
        if (values != size) {
            throw refused("attention.value_length", values, "it must be the length of keys, " + size);
        }
    }

    private Rope rope(int headSize) {
        int rotated = keys.integer(key("rope.dimension_count"), 2, headSize).orElse(headSize);
        if (rotated % 2 != 0) {
            throw refused("rope.dimension_count", rotated, "it must be even");
        }
        return new GgufRope(files, architecture, rotated).rope(required(Setting.CONTEXT));
    }

    private int vocabulary() {
        GgufTensor table = files.tensor("token_embd.weight")
                .orElseThrow(() -> new CheckpointException(files.path(), "the tensor token_embd.weight is missing"));
        int rows = table.dimensions().size() == 2
                ? Math.toIntExact(table.dimensions().get(1))
                : 1;
        long tokens = keys.count("tokenizer.ggml.tokens");
        if (tokens > rows) {
            throw new CheckpointException(
                    files.path(),
                    "the length of tokenizer.ggml.tokens",
                    tokens,
                    "token_embd.weight has %d rows".formatted(rows));
        }
        return rows;
    }

    @Override
    public OptionalInt integer(Setting setting) {
        return keys.integer(key(setting.gguf()), 1, setting.most());
    }

    @Override
    public CheckpointException refused(Setting setting, Object value, String bound) {
        return refused(setting.gguf(), value, bound);
    }

    @Override
    public CheckpointException missing(Setting setting) {
        return new CheckpointException(files.path(), "the key %s is missing".formatted(key(setting.gguf())));
    }

    private CheckpointException refused(String key, Object value, String bound) {
        return new CheckpointException(files.path(), key(key), value, bound);
    }

    private String key(String name) {
        return architecture + "." + name;
    }
}
