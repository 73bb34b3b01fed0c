package dev.skein.cli.model.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.cli.CommandException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SelectionTest {
    private static final String[] MANY = {
        "README.md",
        "Foo-7B-Q2_K.gguf",
        "Foo-7B-UD-Q4_K_XL.gguf",
        "Foo-7B-Q4_K_M.gguf",
        "Foo-7B-Q4_K_S.gguf",
        "Foo-7B-IQ4_NL.gguf",
        "Foo-7B.imatrix.gguf",
        "mmproj-Foo-7B-Q8_0.gguf",
        "foo-7b-q8_0.gguf",
        "BF16/Foo-7B-BF16-00001-of-00002.gguf",
        "BF16/Foo-7B-BF16-00002-of-00002.gguf"
    };

    @Test
    void aFolderIsItsSafetensorsAndWhatSaysHowToRunThem() {
        assertThat(paths(
                        "org/a",
                        "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors",
                        "model.safetensors.index.json",
                        "consolidated.safetensors",
                        "config.json",
                        "generation_config.json",
                        "tokenizer.json",
                        "tokenizer_config.json",
                        "special_tokens_map.json",
                        "chat_template.jinja",
                        "merges.txt",
                        "1_Pooling/config.json",
                        "README.md",
                        "pytorch_model.bin",
                        "pytorch_model.bin.index.json",
                        "model.onnx",
                        "original/consolidated.00.pth",
                        "original/tokenizer.json",
                        "onnx/model.safetensors"))
                .containsExactlyInAnyOrder(
                        "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors",
                        "model.safetensors.index.json",
                        "config.json",
                        "generation_config.json",
                        "tokenizer.json",
                        "tokenizer_config.json",
                        "special_tokens_map.json",
                        "chat_template.jinja",
                        "merges.txt",
                        "1_Pooling/config.json");
        assertThat(select("org/a", "config.json", "weights.safetensors").entry())
                .isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "org/a, Foo-7B-Q4_K_M.gguf, Q4_K_M",
        "org/a:q4_k_m, Foo-7B-Q4_K_M.gguf, Q4_K_M",
        "org/a:Q8_0, foo-7b-q8_0.gguf, q8_0",
        "org/a:Q4_K_XL, Foo-7B-UD-Q4_K_XL.gguf, UD-Q4_K_XL",
        "org/a:UD-Q4_K_XL, Foo-7B-UD-Q4_K_XL.gguf, UD-Q4_K_XL",
        "org/a:IQ4_NL, Foo-7B-IQ4_NL.gguf, IQ4_NL",
        "org/a:bf16, BF16/Foo-7B-BF16-00001-of-00002.gguf, BF16",
    })
    void aQuantizationIsFoundByName(String model, String entry, String variant) {
        Selection selection = select(model, MANY);
        assertThat(selection.entry()).isEqualTo(entry);
        assertThat(selection.variant()).isEqualTo(variant);
        assertThat(selection.files()).hasSize(variant.equals("BF16") ? 2 : 1);
    }

    @Test
    void withoutTheUsualOneTheNearestIsTaken() {
        assertThat(select("org/a", "a-Q2_K.gguf", "a-Q8_0.gguf", "a-F16.gguf").entry())
                .isEqualTo("a-Q8_0.gguf");
        assertThat(select("org/a", "only.gguf"))
                .isEqualTo(new Selection("only", "only.gguf", List.of(file("only.gguf"))));
        assertThat(select("org/a", "b-odd.gguf", "a-odd.gguf").entry()).isEqualTo("a-odd.gguf");
    }

    @Test
    void aFolderComesBeforeGguf() {
        String[] both = {"config.json", "model.safetensors", "a-Q4_K_M.gguf"};
        assertThat(select("org/a", both).entry()).isEmpty();
        assertThat(select("org/a:Q4_K_M", both).entry()).isEqualTo("a-Q4_K_M.gguf");
    }

    @Test
    void whatIsNotThereIsSaidWithWhatIs() {
        assertRefused("there are BF16 (20 B), IQ4_NL (10 B), Q2_K (10 B)", "org/a:Q4_K", MANY);
        assertRefused("has no GGUF files", "org/a:Q4_K_M", "config.json", "model.safetensors");
        assertRefused("is no whole model but an adapter", "org/a", "adapter_model.safetensors");
        assertRefused("no safetensors and no GGUF files at its root, but b.bin", "org/a", "a.txt", "b.bin");
        assertRefused("no safetensors and no GGUF", "org/a");
    }

    @Test
    void aSplitModelMustBeWhole() {
        assertRefused(
                "is split into 3 files and the hub lists 2", "org/a", "a-00001-of-00003.gguf", "a-00003-of-00003.gguf");
        assertRefused("is split into 2 files", "org/a", "a-00002-of-00002.gguf");
    }

    private static void assertRefused(String message, String model, String... paths) {
        assertThatThrownBy(() -> select(model, paths))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining(message);
    }

    private static List<String> paths(String model, String... paths) {
        return select(model, paths).files().stream().map(HubFile::path).toList();
    }

    private static Selection select(String model, String... paths) {
        return Selection.of(
                HubName.of(model).orElseThrow(),
                new Listing(
                        TestHub.COMMIT,
                        Arrays.stream(paths).map(SelectionTest::file).toList()));
    }

    private static HubFile file(String path) {
        return new HubFile(path, 10, Checksum.of("a".repeat(64)).orElseThrow());
    }
}
