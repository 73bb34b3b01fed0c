package dev.skein.worker.model;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.skein.compute.Rope;
import dev.skein.worker.model.ModelConfig.Heads;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Configurations as they are published, older and newer spellings of the same, and ones that must be refused. */
final class HuggingFaceConfigTest {
    private static final int MUTATIONS = 1_000;
    private static final String NOISE = "0123456789-.e\"[]{}:,ntf ";

    private static final String SIZES =
            "\"hidden_size\":128,\"num_hidden_layers\":4,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
                    + "\"intermediate_size\":96,\"max_position_embeddings\":4096,\"vocab_size\":100";

    private static ModelConfig read(String json) {
        Path file = Path.of("config.json");
        return new HuggingFaceConfig(new ConfigObject(
                        file, "", JsonFiles.object(file, "the file", json.getBytes(StandardCharsets.UTF_8))))
                .read();
    }

    /** A model of that type; quotes are single in what is added. */
    private static ModelConfig of(String type, String more) {
        return read("{\"model_type\":\"%s\",%s%s}".formatted(type, SIZES, more.replace('\'', '"')));
    }

    @Test
    void llamaInItsOldestForm() {
        ModelConfig config = of("llama", "");
        assertThat(config.heads()).isEqualTo(new Heads(4, 2, 32, (float) (1 / Math.sqrt(32))));
        assertThat(config.epsilon()).isEqualTo(1e-6f);
        assertThat(config.tied()).isFalse();
        assertThat(config.context()).isEqualTo(4096);
        assertThat(config.rope().interleaved()).isFalse();
        assertFrequency(config.rope(), 1, Math.pow(10_000, -2.0 / 32));
        assertThat(config.attention(0).window()).isZero();
    }

    @Test
    void oldAndNewSpellingsOfPositionsAreTheSame() {
        String scaling = "'factor':8,'low_freq_factor':1,'high_freq_factor':4,'original_max_position_embeddings':512";
        Rope older = of("llama", ",'rope_theta':10000,'rope_scaling':{'type':'llama3',%s}".formatted(scaling))
                .rope();
        Rope newer = of("llama", ",'rope_parameters':{'rope_theta':10000.0,'rope_type':'llama3',%s}".formatted(scaling))
                .rope();
        assertThat(newer.inverseFrequencies()).isEqualTo(older.inverseFrequencies());
        // Of transformers, as in RopeScalingTest.
        assertFrequency(older, 5, 0.056234129);
        assertFrequency(older, 6, 0.018496677);
        assertFrequency(older, 7, 0.00455203);
        assertFrequency(older, 15, 2.2228493e-05);
    }

    @Test
    void yarnStretchesTheContext() {
        ModelConfig config =
                of("qwen2", ",'rope_scaling':{'type':'yarn','factor':4.0,'original_max_position_embeddings':1024}");
        assertThat(config.context()).isEqualTo(4096);
        assertThat((double) config.rope().magnitude()).isEqualTo(1.138629436111989, within(1e-6));
        assertFrequency(config.rope(), 5, 0.038158871);
        assertFrequency(config.rope(), 9, 0.0014058533);
        assertThat(of("llama", ",'rope_scaling':{'type':'linear','factor':2.5}").context())
                .isEqualTo(10_240);
    }

    private static void assertFrequency(Rope rope, int pair, double expected) {
        assertThat((double) rope.inverseFrequencies()[pair]).isEqualTo(expected, within(1e-6 * expected));
    }

    @Test
    void mistralSlidesUnlessItSaysNull() {
        assertThat(of("mistral", ",'sliding_window':null").sliding()).isNull();
        ModelConfig config = of("mistral", ",'sliding_window':1024");
        assertThat(Stream.of(0, 3).map(layer -> config.attention(layer).window()))
                .containsOnly(1024);
        assertThat(config.rope(3)).isSameAs(config.rope());
        // Without a word it is 4096, which is the whole context here.
        assertThat(of("mistral", "").sliding()).isNull();
    }

    @Test
    void qwenSlidesOnlyIfItSaysSo() {
        String window = ",'sliding_window':64,'max_window_layers':3";
        assertThat(of("qwen2", window + ",'use_sliding_window':false").sliding())
                .isNull();
        assertThat(requireNonNull(of("qwen2", window + ",'use_sliding_window':true")
                                .sliding())
                        .layers())
                .containsExactly(3);
        String types = ",'layer_types':['sliding_attention','full_attention','full_attention','sliding_attention']";
        assertThat(requireNonNull(of("qwen3", window + types).sliding()).layers())
                .isEqualTo(Set.of(0, 3));
    }

    @Test
    void qwen3HasHeadsOfTheirOwnSize() {
        assertThat(of("qwen3", "").heads().size()).isEqualTo(128);
        assertThat(of("qwen3", ",'head_dim':64").heads().queryColumns()).isEqualTo(256);
    }

    @Test
    void expertsHaveUsualNumbers() {
        assertThat(of("mixtral", "").experts()).isEqualTo(new ModelConfig.Experts(8, 2, 96, true, Set.of()));
        assertThat(of("mixtral", "").epsilon()).isEqualTo(1e-5f);
        assertFrequency(of("mixtral", ",'head_dim':null").rope(), 1, Math.pow(1e6, -2.0 / 32));
        assertThat(of("qwen3_moe", ",'num_experts':16,'decoder_sparse_step':2,'mlp_only_layers':[1]")
                        .experts())
                .isEqualTo(new ModelConfig.Experts(16, 8, 768, false, Set.of(0, 1, 2)));
    }

    /** What google/gemma-3-4b-it has under text_config, and nothing more. */
    @Test
    void gemmaThatSeesSaysLittleOfItsTextModel() {
        ModelConfig config = read("""
                {"model_type": "gemma3", "eos_token_id": [1, 106], "vision_config": {"hidden_size": 1152},
                 "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
                 "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024}}
                """);
        assertThat(config.heads()).isEqualTo(new Heads(8, 4, 256, 1f / 16));
        assertThat(config.vocabulary()).isEqualTo(262_208);
        assertThat(config.context()).isEqualTo(131_072);
        assertThat(config.tied()).isTrue();
        assertThat(config.attention(4).window()).isEqualTo(1024);
        assertThat(config.attention(5).window()).isZero();
        assertFrequency(config.rope(4), 1, Math.pow(1e4, -2.0 / 256));
        assertFrequency(config.rope(5), 1, Math.pow(1e6, -2.0 / 256) / 8);
        assertThat(config.rope(4)).isSameAs(config.rope(33));
    }

    @Test
    void gemmaScalesByItsOwnNumber() {
        assertThat(of("gemma3_text", ",'query_pre_attn_scalar':168").heads().scale())
                .isEqualTo((float) (1 / Math.sqrt(168)));
    }

    static Stream<Arguments> refused() {
        return Stream.of(
                Arguments.of("mamba", "", "model_type is mamba"),
                Arguments.of("llama", ",'head_dim':'x'", "head_dim is \"x\", but it must be an integer"),
                Arguments.of("llama", ",'head_dim':4097", "head_dim is 4097, but it may be from 1 to 4096"),
                Arguments.of("llama", ",'head_dim':31", "head_dim is 31, but positions turn"),
                Arguments.of("llama", ",'hidden_act':'gelu'", "hidden_act is gelu"),
                Arguments.of("llama", ",'rms_norm_eps':-1", "rms_norm_eps is -1"),
                Arguments.of("llama", ",'rope_theta':0", "rope_theta is 0"),
                Arguments.of("llama", ",'rope_scaling':[]", "rope_scaling is [], but it must be an object"),
                Arguments.of("llama", ",'rope_scaling':{'type':'longrope'}", "rope_scaling.rope_type is longrope"),
                Arguments.of("llama", ",'rope_scaling':{'type':'linear'}", "rope_scaling.factor is missing"),
                Arguments.of(
                        "llama",
                        ",'rope_scaling':{'type':'llama3','factor':8,'low_freq_factor':4,'high_freq_factor':4}",
                        "rope_scaling.high_freq_factor is 4.0"),
                Arguments.of("llama", ",'rope_scaling':{'type':'yarn','factor':4,'mscale':1}", "rope_scaling.mscale"),
                Arguments.of("llama", ",'quantization_config':{'quant_method':'gptq'}", "quant_method is gptq"),
                Arguments.of("qwen3", ",'layer_types':['full_attention']", "layer_types is [full_attention]"),
                Arguments.of("qwen3", ",'layer_types':[1,2,3,4]", "it must be of strings"),
                Arguments.of(
                        "mixtral",
                        ",'num_local_experts':4097",
                        "num_local_experts is 4097, but it may be from 1 to 4096"),
                Arguments.of("mixtral", ",'num_experts_per_tok':9", "num_experts_per_tok is 9, but there are 8"),
                Arguments.of("gemma3_text", ",'final_logit_softcapping':30.0", "final_logit_softcapping is set"));
    }

    @ParameterizedTest
    @MethodSource("refused")
    void refusesByName(String type, String more, String named) {
        assertThatThrownBy(() -> of(type, more))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith("config.json: ")
                .hasMessageContaining(named);
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3moe", "gemma3"})
    void aSpoiltFileIsReadOrRefusedByName(String family) {
        byte[] whole = new FamilyModel(family).config().toString().getBytes(StandardCharsets.UTF_8);
        long seed = System.nanoTime();
        System.out.printf("HuggingFaceConfigTest: spoilt files of %s from seed %d%n", family, seed);
        Random random = new Random(seed);
        int refused = 0;
        for (int i = 0; i < MUTATIONS; i++) {
            byte[] bytes = whole.clone();
            for (int changes = 1 + random.nextInt(3); changes > 0; changes--) {
                // Mostly digits and signs, which keep it JSON.
                bytes[random.nextInt(bytes.length)] = (byte) NOISE.charAt(random.nextInt(NOISE.length()));
            }
            refused += understood(bytes) ? 0 : 1;
        }
        assertThat(refused).isBetween(MUTATIONS / 10, MUTATIONS - 1);
    }

    private static boolean understood(byte[] bytes) {
        try {
            Path file = Path.of("config.json");
            ModelConfig config =
                    new HuggingFaceConfig(new ConfigObject(file, "", JsonFiles.object(file, "the file", bytes))).read();
            assertThat(config.attention(config.layers() - 1).fusedColumns()).isPositive();
            return true;
        } catch (CheckpointException refused) {
            assertThat(refused).hasMessageStartingWith("config.json: ");
            return false;
        }
    }

    @Test
    void expertsAreBoundedInAll() {
        String layers = SIZES.replace("\"num_hidden_layers\":4", "\"num_hidden_layers\":64");
        assertThatThrownBy(() -> read("{\"model_type\":\"mixtral\",\"num_local_experts\":4096,%s}".formatted(layers)))
                .hasMessageContaining("num_local_experts is 4096, but 64 layers may have 131072 experts at most");
    }

    @Test
    void namesWhatIsMissing() {
        assertThatThrownBy(() -> read("{\"model_type\":\"llama\"}"))
                .hasMessage("config.json: the key num_attention_heads is missing");
        assertThatThrownBy(() -> read("{}")).hasMessage("config.json: the key model_type is missing");
        assertThatThrownBy(() -> read("[]")).hasMessageContaining("it must be a JSON object");
    }
}
