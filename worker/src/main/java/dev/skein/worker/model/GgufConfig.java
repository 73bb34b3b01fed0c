package dev.skein.worker.model;

import dev.skein.compute.Activation;
import dev.skein.compute.Rope;
import dev.skein.worker.model.ModelConfig.Encoding;
import dev.skein.worker.model.ModelConfig.Experts;
import dev.skein.worker.model.ModelConfig.Heads;
import dev.skein.worker.model.ModelConfig.Sliding;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Reads a GGUF file's keys as llama.cpp writes them: the model's sizes are under its architecture's name, as in {@code
 * llama.block_count}. Mistral's models go by the name llama, and so do Mixtral's, which have experts.
 */
final class GgufConfig implements Settings {
    private static final String WINDOW = "attention.sliding_window";
    private static final String POOLING = "pooling_type";
    private static final String EXPERTS = "expert_count";

    /** Keys of relatives that go by the same name and compute something else. */
    private static final List<String> CHANGES_RESULTS = List.of(
            "attention.clamp_kqv",
            "attention.max_alibi_bias",
            "attn_logit_softcapping",
            "final_logit_softcapping",
            "embedding_scale",
            "residual_scale",
            "logit_scale",
            "attention.scale",
            "expert_shared_count",
            "expert_weights_scale",
            "expert_group_count");

    /** Gemma 3's, which its files leave out. */
    private static final int USUAL_PATTERN = 6;
    /** Its largest model, the one whose dot products are not scaled by a head's size. */
    private static final int LAYERS_OF_27B = 62;

    private static final int SOFTMAX = 1;

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
            case "llama" -> hasExperts() ? Family.MIXTRAL : Family.LLAMA;
            case "qwen2" -> Family.QWEN2;
            case "qwen3" -> Family.QWEN3;
            case "qwen3moe" -> Family.QWEN3_MOE;
            case "gemma3" -> Family.GEMMA3;
            case "bert" -> Family.BERT;
            default ->
                throw new CheckpointException(
                        files.path(),
                        "the architecture %s is not supported yet; llama, qwen2, qwen3, qwen3moe, gemma3 and bert are"
                                .formatted(architecture));
        };
    }

    ModelConfig read() {
        refuseRelatives();
        requireDirection();
        return family == Family.BERT ? encoder() : decoder();
    }

    /** An encoder's tokens see each other, a decoder's only those before them. */
    private void requireDirection() {
        boolean causal = family != Family.BERT;
        boolean found = keys.flag(key("attention.causal")).orElse(causal);
        if (found != causal) {
            throw refused("attention.causal", found, "of models of this architecture only %s".formatted(causal));
        }
    }

    private ModelConfig encoder() {
        return new ModelConfig(
                family,
                required(Setting.LAYERS),
                required(Setting.HIDDEN),
                required(Setting.FEED_FORWARD),
                vocabulary(),
                required(Setting.CONTEXT),
                keys.requiredNumber(key("attention.layer_norm_epsilon"), 0, 1),
                heads(),
                Rope.none(),
                null,
                null,
                new Encoding(rows("token_types.weight"), Activation.GELU),
                true);
    }

    /**
     * How it embeds, in the words of llama.cpp; empty where it generates. An encoder that says nothing takes the first
     * token. All vectors are normalised, as llama.cpp's server does.
     */
    Optional<EmbeddingConfig> embedding() {
        OptionalInt type = keys.integer(key(POOLING), 0, 1 << 8);
        if (family != Family.BERT && type.orElse(0) == 0) {
            return Optional.empty();
        }
        EmbeddingConfig.Pooling pooling = switch (type.orElse(2)) {
            case 1 -> EmbeddingConfig.Pooling.MEAN;
            case 2 -> EmbeddingConfig.Pooling.CLS;
            case 3 -> EmbeddingConfig.Pooling.LAST;
            default ->
                throw refused(
                        POOLING, type.getAsInt(), "only 1, the mean, 2, the first, and 3, the last, are supported");
        };
        return Optional.of(new EmbeddingConfig(pooling, true, OptionalInt.empty(), EmbeddingConfig.Shortening.NONE));
    }

    private ModelConfig decoder() {
        Heads heads = family == Family.GEMMA3 ? gemmaHeads(heads()) : heads();
        requireValuesLikeKeys(heads.size());
        GgufRope rope = rope(heads.size());
        return new ModelConfig(
                family,
                required(Setting.LAYERS),
                required(Setting.HIDDEN),
                required(Setting.FEED_FORWARD),
                vocabulary(),
                required(Setting.CONTEXT),
                keys.requiredNumber(key("attention.layer_norm_rms_epsilon"), 0, 1),
                heads,
                rope.rope(required(Setting.CONTEXT)),
                sliding(rope),
                experts(),
                null,
                files.tensor("output.weight").isEmpty());
    }

    private void refuseRelatives() {
        List<String> refused = new ArrayList<>(CHANGES_RESULTS);
        if (family != Family.GEMMA3) {
            refused.add(WINDOW);
        }
        if (family != Family.MIXTRAL && family != Family.QWEN3_MOE && hasExperts()) {
            refused.add(EXPERTS);
        }
        for (String key : refused) {
            if (keys.has(key(key))) {
                throw new CheckpointException(
                        files.path(), "the key %s asks for something that is not supported yet".formatted(key(key)));
            }
        }
    }

    /** 27B scales by what a head's size would be if heads shared the residual stream evenly. */
    private Heads gemmaHeads(Heads heads) {
        return required(Setting.LAYERS) == LAYERS_OF_27B
                ? heads.withScale(1 / Math.sqrt((double) required(Setting.HIDDEN) / heads.queries()))
                : heads;
    }

    private void requireValuesLikeKeys(int size) {
        int values = keys.integer(key("attention.value_length"), 1, Setting.HEAD_SIZE.most())
                .orElse(size);
        if (values != size) {
            throw refused("attention.value_length", values, "it must be the length of keys, " + size);
        }
    }

    private GgufRope rope(int headSize) {
        int rotated = keys.integer(key("rope.dimension_count"), 2, headSize).orElse(headSize);
        if (rotated % 2 != 0) {
            throw refused("rope.dimension_count", rotated, "it must be even");
        }
        return new GgufRope(files, architecture, rotated);
    }

    private @Nullable Sliding sliding(GgufRope rope) {
        OptionalInt window = integer(Setting.WINDOW);
        if (window.isEmpty()) {
            return null;
        }
        Rope local = rope.local();
        return new Sliding(window.getAsInt(), local, layers(slides()));
    }

    /** One layer of so many sees the whole context: the last of them. Newer files say it for each layer. */
    private IntPredicate slides() {
        String key = key(WINDOW + "_pattern");
        if (keys.count(key) > 0) {
            List<Boolean> each = keys.flags(key, Setting.LAYERS.most());
            return layer -> layer < each.size() && each.get(layer);
        }
        int pattern = keys.integer(key, 1, Setting.LAYERS.most()).orElse(USUAL_PATTERN);
        return layer -> (layer + 1) % pattern != 0;
    }

    private Set<Integer> layers(IntPredicate which) {
        return IntStream.range(0, required(Setting.LAYERS))
                .filter(which)
                .boxed()
                .collect(Collectors.toSet());
    }

    /** Some files without experts say 0. */
    private boolean hasExperts() {
        return keys.integer(key(EXPERTS), 0, Setting.EXPERTS.most()).orElse(0) > 0;
    }

    private @Nullable Experts experts() {
        if (!hasExperts()) {
            return null;
        }
        int count = expertCount();
        int chosen = required(Setting.EXPERTS_CHOSEN);
        if (chosen > count) {
            throw refused(Setting.EXPERTS_CHOSEN, chosen, "there are %d experts".formatted(count));
        }
        int gating = keys.integer(key("expert_gating_func"), 0, 1 << 8).orElse(SOFTMAX);
        if (gating != SOFTMAX) {
            throw refused("expert_gating_func", gating, "only %d, softmax, is supported".formatted(SOFTMAX));
        }
        return new Experts(
                count,
                chosen,
                integer(Setting.EXPERT_FEED_FORWARD).orElseGet(() -> required(Setting.FEED_FORWARD)),
                keys.flag(key("expert_weights_norm")).orElse(true),
                Set.of());
    }

    private int rows(String name) {
        GgufTensor tensor = files.tensor(name)
                .orElseThrow(() -> new CheckpointException(files.path(), "the tensor %s is missing".formatted(name)));
        return tensor.dimensions().size() == 2
                ? Math.toIntExact(tensor.dimensions().get(1))
                : 1;
    }

    private int vocabulary() {
        int rows = rows("token_embd.weight");
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
