package dev.skein.worker.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ElementType;
import dev.skein.worker.model.EmbeddingConfig.Pooling;
import dev.skein.worker.model.EmbeddingConfig.Shortening;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What says how a model embeds: right, wrong and hostile. */
final class SentenceTransformerTest {
    @TempDir
    private Path temporary;

    private Path folder = Path.of("");

    @BeforeEach
    void write() {
        folder = new FamilyModel("bert").folder(temporary.resolve("model"), ElementType.F32);
        SentenceFolder.write(folder, "mean", true);
    }

    private static void open(Path path) {
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            Architecture.of(checkpoint);
        }
    }

    private void refused(String... words) {
        assertThatThrownBy(() -> open(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContainingAll(words);
    }

    @Test
    void allThatItSays() {
        SentenceFolder.put(folder.resolve("sentence_bert_config.json"), "{\"max_seq_length\": 50}");
        SentenceFolder.config(folder, "\"is_matryoshka\": true");
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            assertThat(checkpoint.embedding())
                    .contains(new EmbeddingConfig(
                            Pooling.MEAN, true, OptionalInt.of(50), new Shortening(true, List.of())));
            Architecture architecture = Architecture.of(checkpoint);
            assertThat(architecture.contextLength()).isEqualTo(50);
            assertThat(architecture.hidden()).isEqualTo(64);
            assertThat(architecture.name()).isEqualTo("bert");
            assertThat(architecture.cache(3).layers()).isEqualTo(1);
        }
    }

    @Test
    void aTextIsNeverLongerThanThePositions() {
        SentenceFolder.put(folder.resolve("sentence_bert_config.json"), "{\"max_seq_length\": 5000}");
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            assertThat(Architecture.of(checkpoint).contextLength()).isEqualTo(100);
        }
    }

    @ParameterizedTest
    @CsvSource({"mean,MEAN", "cls,CLS", "lasttoken,LAST"})
    void aModeMayBeNamed(String mode, Pooling pooling) {
        SentenceFolder.pooling(folder, "{\"pooling_mode\": \"%s\"}".formatted(mode));
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            assertThat(checkpoint.embedding()).map(EmbeddingConfig::pooling).contains(pooling);
        }
    }

    @Test
    void aDecoderWithoutModulesGenerates() {
        Path decoder = new FamilyModel("qwen3").folder(temporary.resolve("decoder"), ElementType.F32);
        try (Checkpoint checkpoint = Checkpoint.open(decoder)) {
            assertThat(checkpoint.embedding()).isEmpty();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "[]",
                "[1]",
                "[{}]",
                "[{\"type\": 7}]",
                "not json",
                "[{\"type\": \"models.Transformer\", \"path\": \"\"}]",
                "[{\"type\": \"models.Transformer\", \"path\": \"0_BERT\"}]",
                "[{\"type\": \"models.Dense\", \"path\": \"2_Dense\"}]",
                "[{\"type\": \"models.Pooling\", \"path\": \"../1_Pooling\"}]",
                "[{\"type\": \"models.Pooling\", \"path\": \"/etc\"}]",
                "[{\"type\": \"models.Pooling\", \"path\": \"..\"}]",
                "[{\"type\": \"models.Pooling\", \"path\": \"\"}]",
                "[{\"type\": \"models.Pooling\", \"path\": \"missing\"}]",
                "[{\"type\": \"models.Pooling\", \"path\": [\"1_Pooling\"]}]"
            })
    void modulesThatAreNotKnown(String json) {
        SentenceFolder.modules(folder, json);
        refused(json.contains("missing") ? "config.json" : "modules.json");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "[]",
                "{\"pooling_mode_max_tokens\": true}",
                "{\"pooling_mode_mean_tokens\": true, \"pooling_mode_cls_token\": true}",
                "{\"pooling_mode_mean_tokens\": 1}",
                "{\"pooling_mode\": \"weightedmean\"}",
                "{\"pooling_mode\": [\"mean\"]}"
            })
    void poolingsThatAreNotKnown(String json) {
        SentenceFolder.pooling(folder, json);
        refused("config.json");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"max_seq_length\": 0}",
                "{\"max_seq_length\": -1}",
                "{\"max_seq_length\": 1e9}",
                "{\"max_seq_length\": \"512\"}",
                "{\"max_seq_length\": 4294967297}",
                "{\"do_lower_case\": true}"
            })
    void boundsThatCannotBe(String json) {
        SentenceFolder.put(folder.resolve("sentence_bert_config.json"), json);
        refused("sentence_bert_config.json");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"matryoshka_dimensions\": [65]",
                "\"matryoshka_dimensions\": [0]",
                "\"matryoshka_dimensions\": \"8\"",
                "\"position_embedding_type\": \"relative_key\""
            })
    void configsThatCannotBe(String more) {
        SentenceFolder.config(folder, more);
        refused("config.json");
    }

    @ParameterizedTest
    @CsvSource({
        "hidden_act, \"relu\", hidden_act",
        "is_decoder, true, is_decoder",
        "type_vocab_size, 0, type_vocab_size",
        "type_vocab_size, 3, token_type_embeddings",
        "max_position_embeddings, 99, position_embeddings",
        "max_position_embeddings, 101, position_embeddings",
        "num_attention_heads, 3, num_attention_heads",
        "layer_norm_eps, -1, layer_norm_eps",
        "num_hidden_layers, 2, blk.2",
        "num_hidden_layers, 4, encoder.layer.3",
        "vocab_size, 129, word_embeddings"
    })
    void encodersThatAreNotWhatTheySay(String key, String value, String named) {
        SentenceFolder.replace(folder, key, value);
        refused(named);
    }

    @Test
    void aTensorThatIsMissing() {
        new SafetensorsWriter()
                .tensor("embeddings.LayerNorm.weight", "F32", List.of(64), new byte[256])
                .write(folder.resolve("model.safetensors"));
        refused("embeddings.word_embeddings.weight");
    }

    private static Path gguf(Path into, String family, Consumer<GgufWriter> more) {
        GgufWriter writer = new FamilyModel(family).gguf();
        more.accept(writer);
        return writer.write(into);
    }

    @Test
    void ggufFilesThatEmbedOtherwise() {
        Path file = temporary.resolve("model.gguf");
        for (int pooling : new int[] {0, 4, 5, -1}) {
            assertThatThrownBy(() -> open(gguf(file, "bert", writer -> writer.uint32("bert.pooling_type", pooling))))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("bert.pooling_type");
        }
        assertThatThrownBy(() -> open(gguf(
                        file,
                        "bert",
                        writer -> writer.without("bert.attention.causal").flag("bert.attention.causal", true))))
                .hasMessageContaining("bert.attention.causal");
        assertThatThrownBy(() -> open(gguf(file, "qwen3", writer -> writer.flag("qwen3.attention.causal", false))))
                .hasMessageContaining("qwen3.attention.causal");
        assertThatThrownBy(
                        () -> open(gguf(file, "bert", writer -> writer.without("bert.attention.layer_norm_epsilon"))))
                .hasMessageContaining("bert.attention.layer_norm_epsilon");
        assertThatThrownBy(() -> open(
                        gguf(file, "bert", writer -> writer.tensor("cls.weight", ElementType.F32, new byte[256], 64))))
                .hasMessageContaining("cls.weight");
    }

    @Test
    void ggufDecodersWithoutPoolingGenerate() {
        try (Checkpoint file = Checkpoint.open(
                gguf(temporary.resolve("model.gguf"), "qwen3", writer -> writer.uint32("qwen3.pooling_type", 0)))) {
            assertThat(file.embedding()).isEmpty();
        }
    }

    @Test
    void anEmbeddingModelIsNotSplit() {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            Architecture whole = Architecture.of(checkpoint);
            assertThatThrownBy(() -> whole.split(new RankCount(2, 1)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("embedding model");
        }
    }
}
