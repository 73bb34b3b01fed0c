package dev.skein.worker.model;

import dev.skein.compute.Activation;
import dev.skein.compute.Rope;
import dev.skein.worker.model.ModelConfig.Encoding;
import dev.skein.worker.model.ModelConfig.Experts;
import dev.skein.worker.model.ModelConfig.Heads;
import dev.skein.worker.model.ModelConfig.Sliding;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Reads a config.json as transformers does. Keys that a file leaves out have the values of the family's configuration
 * class there (transformers 5.23.0): files rely on that.
 */
final class HuggingFaceConfig implements Settings {
    /** What asks for another computation unless it is null. */
    private static final List<String> CHANGES_RESULTS = List.of("attn_logit_softcapping", "final_logit_softcapping");

    private static final List<String> QUANTISERS = List.of("fp8", "compressed-tensors", "awq");

    private static final Map<Family, Map<Setting, Integer>> USUAL = Map.of(
            Family.LLAMA, Map.of(Setting.CONTEXT, 2048),
            Family.MISTRAL, Map.of(Setting.KEY_VALUE_HEADS, 8),
            Family.MIXTRAL, Map.of(Setting.KEY_VALUE_HEADS, 8, Setting.EXPERTS, 8, Setting.EXPERTS_CHOSEN, 2),
            Family.QWEN2, Map.of(Setting.KEY_VALUE_HEADS, 32),
            Family.BERT, Map.of(Setting.TOKEN_TYPES, 2),
            Family.QWEN3, Map.of(Setting.KEY_VALUE_HEADS, 32, Setting.HEAD_SIZE, 128),
            Family.QWEN3_MOE,
                    Map.of(
                            Setting.KEY_VALUE_HEADS, 4,
                            Setting.EXPERTS, 128,
                            Setting.EXPERTS_CHOSEN, 8,
                            Setting.EXPERT_FEED_FORWARD, 768),
            Family.GEMMA3,
                    Map.of(
                            Setting.QUERY_HEADS, 8,
                            Setting.KEY_VALUE_HEADS, 4,
                            Setting.HEAD_SIZE, 256,
                            Setting.VOCABULARY, 262_208,
                            Setting.CONTEXT, 131_072,
                            Setting.WINDOW, 4096));

    private static final int USUAL_PATTERN = 6;
    private static final int USUAL_WINDOW = 4096;
    private static final int USUAL_SCALAR = 256;
    private static final double MAX_BASE = 1e12;

    private final ConfigObject config;
    private final Family family;

    /** @param whole of a file; the text model of one that also sees has its part */
    HuggingFaceConfig(ConfigObject whole) {
        family = family(whole);
        config = whole.object("text_config").orElse(whole);
        whole.object("quantization_config").ifPresent(HuggingFaceConfig::requireKnown);
    }

    private static Family family(ConfigObject whole) {
        String type = whole.text("model_type").orElseThrow(() -> whole.missing("model_type"));
        return switch (type) {
            case "llama" -> Family.LLAMA;
            case "mistral" -> Family.MISTRAL;
            case "mixtral" -> Family.MIXTRAL;
            case "qwen2" -> Family.QWEN2;
            case "qwen3" -> Family.QWEN3;
            case "qwen3_moe" -> Family.QWEN3_MOE;
            case "gemma3", "gemma3_text" -> Family.GEMMA3;
            case "bert" -> Family.BERT;
            default ->
                throw whole.refused(
                        "model_type",
                        type,
                        "llama, mistral, mixtral, qwen2, qwen3, qwen3_moe, gemma3, gemma3_text and bert are supported");
        };
    }

    private static void requireKnown(ConfigObject quantisation) {
        String method = quantisation.text("quant_method").orElseThrow(() -> quantisation.missing("quant_method"));
        if (!QUANTISERS.contains(method)) {
            throw quantisation.refused(
                    "quant_method", method, "of quantised weights only FP8 and AWQ are read, by " + QUANTISERS);
        }
        if (method.equals("awq")) {
            requireGemm(quantisation);
        }
    }

    /** AWQ has other layouts; nothing in the tensors tells them apart. */
    private static void requireGemm(ConfigObject quantisation) {
        String version = quantisation.text("version").orElse("gemm");
        if (!version.equalsIgnoreCase("gemm")) {
            throw quantisation.refused("version", version, "only gemm is supported");
        }
        for (String key : List.of("bits", "w_bit")) {
            int bits = quantisation.integer(key, 0, 1 << 8).orElse(4);
            if (bits != 4) {
                throw quantisation.refused(key, bits, "only 4 is supported");
            }
        }
        if (!quantisation.flag("zero_point").orElse(true)) {
            throw quantisation.refused("zero_point", false, "only weights with zero points are supported");
        }
    }

    ModelConfig read() {
        return family == Family.BERT ? encoder() : decoder();
    }

    private ModelConfig encoder() {
        String positions = config.text("position_embedding_type").orElse("absolute");
        if (!positions.equals("absolute")) {
            throw config.refused("position_embedding_type", positions, "only absolute is supported");
        }
        if (config.flag("is_decoder").orElse(false)) {
            throw config.refused("is_decoder", true, "models of this type are computed as encoders");
        }
        return new ModelConfig(
                family,
                required(Setting.LAYERS),
                required(Setting.HIDDEN),
                required(Setting.FEED_FORWARD),
                required(Setting.VOCABULARY),
                required(Setting.CONTEXT),
                (float) config.number("layer_norm_eps", 0, 1).orElse(1e-12),
                heads(),
                Rope.none(),
                null,
                null,
                new Encoding(required(Setting.TOKEN_TYPES), gelu()),
                true);
    }

    private Activation gelu() {
        String found = config.text("hidden_act").orElse("gelu");
        return switch (found) {
            case "gelu" -> Activation.GELU;
            case "gelu_new", "gelu_pytorch_tanh" -> Activation.GELU_TANH;
            default ->
                throw config.refused(
                        "hidden_act",
                        found,
                        "models of this type are computed with gelu, gelu_new or gelu_pytorch_tanh");
        };
    }

    private ModelConfig decoder() {
        CHANGES_RESULTS.forEach(this::requireNull);
        requireActivation();
        Heads heads = family == Family.GEMMA3 ? gemmaHeads(heads()) : heads();
        HuggingFaceRope positions = rope(heads.size());
        Rope rope = positions.rope();
        boolean gemma = family == Family.GEMMA3;
        int context = gemma ? required(Setting.CONTEXT) : positions.stretched();
        return new ModelConfig(
                family,
                required(Setting.LAYERS),
                required(Setting.HIDDEN),
                required(Setting.FEED_FORWARD),
                required(Setting.VOCABULARY),
                context,
                (float) config.number("rms_norm_eps", 0, 1).orElse(family == Family.MIXTRAL ? 1e-5 : 1e-6),
                heads,
                rope,
                sliding(family == Family.GEMMA3 ? local(positions).rope() : rope, context),
                experts(),
                null,
                config.flag("tie_word_embeddings").orElse(gemma));
    }

    private void requireNull(String key) {
        if (config.has(key)) {
            throw config.refused(key, "set", "it asks for something that is not supported yet");
        }
    }

    private void requireActivation() {
        boolean gemma = family == Family.GEMMA3;
        String key = gemma ? "hidden_activation" : "hidden_act";
        String wanted = gemma ? "gelu_pytorch_tanh" : "silu";
        String found = config.text(key).orElse(wanted);
        if (!found.equals(wanted)) {
            throw config.refused(key, found, "models of this type are computed with " + wanted);
        }
    }

    private Heads gemmaHeads(Heads heads) {
        double scalar = config.number("query_pre_attn_scalar", 1e-3, 1e6).orElse(USUAL_SCALAR);
        return heads.withScale(1 / Math.sqrt(scalar));
    }

    /** Of layers that see the whole context. */
    private HuggingFaceRope rope(int headSize) {
        boolean high = family == Family.GEMMA3 || family == Family.MIXTRAL;
        double base = config.number("rope_theta", 1, MAX_BASE).orElse(high ? 1e6 : 1e4);
        return new HuggingFaceRope(scaling("full_attention"), base, headSize, required(Setting.CONTEXT));
    }

    /** What a file says of positions, of one kind of layers where it tells them apart. */
    private ConfigObject scaling(String layers) {
        Optional<ConfigObject> parameters = config.object("rope_parameters");
        return parameters
                .flatMap(each -> each.object(layers))
                .or(() -> parameters)
                .or(() -> config.object("rope_scaling"))
                .orElseGet(config::nothing);
    }

    private @Nullable Sliding sliding(Rope rope, int context) {
        OptionalInt window = integer(Setting.WINDOW);
        if (window.isEmpty() && family == Family.MISTRAL && !config.node().has("sliding_window")) {
            window = OptionalInt.of(USUAL_WINDOW);
        }
        Set<Integer> layers = layers(slides());
        if (window.isEmpty() || layers.isEmpty() || window.getAsInt() >= context && family != Family.GEMMA3) {
            return null;
        }
        return new Sliding(window.getAsInt(), rope, layers);
    }

    /** Gemma's positions of layers with a window: of their own base, never stretched. */
    private HuggingFaceRope local(HuggingFaceRope global) {
        ConfigObject own = config.object("rope_parameters")
                .flatMap(each -> each.object("sliding_attention"))
                .orElseGet(config::nothing);
        double base = config.number("rope_local_base_freq", 1, MAX_BASE).orElse(1e4);
        return new HuggingFaceRope(own, base, global.headSize(), global.context());
    }

    private IntPredicate slides() {
        if (config.has("layer_types")) {
            return slidesByType(config.texts("layer_types"));
        }
        return switch (family) {
            case LLAMA, BERT -> _ -> false;
            case MISTRAL, MIXTRAL -> _ -> true;
            case QWEN2, QWEN3 -> {
                int first = config.integer("max_window_layers", 0, Integer.MAX_VALUE)
                        .orElse(28);
                boolean used = usesWindow();
                yield layer -> used && layer >= first;
            }
            case QWEN3_MOE -> {
                boolean used = usesWindow();
                yield _ -> used;
            }
            case GEMMA3 -> {
                int most = Setting.LAYERS.most();
                OptionalInt newer = config.integer("sliding_window_pattern", 1, most);
                int pattern = newer.orElseGet(
                        () -> config.integer("_sliding_window_pattern", 1, most).orElse(USUAL_PATTERN));
                yield layer -> (layer + 1) % pattern != 0;
            }
        };
    }

    private boolean usesWindow() {
        return config.flag("use_sliding_window").orElse(false);
    }

    private IntPredicate slidesByType(List<String> types) {
        int layers = required(Setting.LAYERS);
        if (types.size() != layers
                || !Set.of("full_attention", "sliding_attention").containsAll(types)) {
            throw config.refused(
                    "layer_types",
                    types,
                    "it must name full_attention or sliding_attention for each of %d layers".formatted(layers));
        }
        return layer -> types.get(layer).equals("sliding_attention");
    }

    private Set<Integer> layers(IntPredicate which) {
        return IntStream.range(0, required(Setting.LAYERS))
                .filter(which)
                .boxed()
                .collect(Collectors.toSet());
    }

    private @Nullable Experts experts() {
        if (family != Family.MIXTRAL && family != Family.QWEN3_MOE) {
            return null;
        }
        int count = expertCount();
        int chosen = required(Setting.EXPERTS_CHOSEN);
        if (chosen > count) {
            throw refused(Setting.EXPERTS_CHOSEN, chosen, "there are %d experts".formatted(count));
        }
        return family == Family.MIXTRAL
                ? new Experts(count, chosen, required(Setting.FEED_FORWARD), true, Set.of())
                : new Experts(
                        count,
                        chosen,
                        required(Setting.EXPERT_FEED_FORWARD),
                        config.flag("norm_topk_prob").orElse(false),
                        dense());
    }

    private Set<Integer> dense() {
        int step =
                config.integer("decoder_sparse_step", 1, Setting.LAYERS.most()).orElse(1);
        List<Integer> named = config.integers("mlp_only_layers", 0, Setting.LAYERS.most());
        return layers(layer -> named.contains(layer) || (layer + 1) % step != 0);
    }

    @Override
    public OptionalInt integer(Setting setting) {
        for (String key : setting.huggingFace()) {
            if (config.has(key)) {
                return config.integer(key, 1, setting.most());
            }
        }
        // A head size of null is one that follows from the others.
        boolean follows = setting == Setting.HEAD_SIZE && config.node().has("head_dim");
        Integer usual = follows ? null : USUAL.getOrDefault(family, Map.of()).get(setting);
        return usual == null ? OptionalInt.empty() : OptionalInt.of(usual);
    }

    @Override
    public CheckpointException refused(Setting setting, Object value, String bound) {
        return config.refused(setting.huggingFace().getFirst(), value, bound);
    }

    @Override
    public CheckpointException missing(Setting setting) {
        return config.missing(setting.huggingFace().getFirst());
    }
}
