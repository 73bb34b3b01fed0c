package dev.skein.worker.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class HuggingFaceFolderTest {
    private static final FamilyModel LLAMA = new FamilyModel("llama");

    @TempDir
    private Path folder;

    private void write(String file, String text) throws IOException {
        Files.writeString(folder.resolve(file), text.replace('\'', '"'));
    }

    @Test
    void saysWhatItHolds() {
        LLAMA.folder(folder.resolve("tiny"), ElementType.BF16);
        try (Checkpoint checkpoint = Checkpoint.open(folder.resolve("tiny"))) {
            assertThat(checkpoint.name()).isEqualTo("tiny");
            assertThat(checkpoint.quantization()).isEqualTo("BF16");
            assertThat(checkpoint.tensorBytes()).isEqualTo(2 * checkpoint.parameters());
            assertThat(checkpoint.endTokens()).containsExactly(2);
            assertThat(checkpoint.tensors()).contains("blk.1.attn_q.weight", "output.weight");
            assertThat(Architecture.of(checkpoint).name()).isEqualTo("llama");
        }
    }

    @Test
    void endsAreThoseOfAllFiles() throws IOException {
        LLAMA.folder(folder, ElementType.BF16);
        write("generation_config.json", "{'eos_token_id':[5,6,4000]}");
        write(
                "tokenizer_config.json",
                "{'eos_token':{'content':'<end>'},'added_tokens_decoder':{'7':{'content':'<end>'}},'bos_token':'<s>'}");
        try (HuggingFaceFolder checkpoint = HuggingFaceFolder.open(folder)) {
            assertThat(checkpoint.endTokens()).containsExactlyInAnyOrder(2, 5, 6, 7);
            assertThat(checkpoint.tokenizer().id("eos")).hasValue(7);
            assertThat(checkpoint.tokenizer().id("bos")).hasValue(1);
            assertThat(checkpoint.tokenizer().generationConfig()).contains("4000");
            assertThatThrownBy(() -> checkpoint.tokenizer().tokenizerJson())
                    .hasMessageContaining("has no tokenizer.json");
        }
    }

    @Test
    void theTemplateIsChosenAsTransformersDoes() throws IOException {
        LLAMA.folder(folder, ElementType.BF16);
        try (HuggingFaceFolder checkpoint = HuggingFaceFolder.open(folder)) {
            assertThat(checkpoint.tokenizer().chatTemplate()).isEmpty();
            write(
                    "tokenizer_config.json",
                    "{'chat_template':[{'name':'tool_use','template':'t'},{'name':'default','template':'d'}]}");
            assertThat(checkpoint.tokenizer().chatTemplate()).isEqualTo("d");
            write("tokenizer_config.json", "{'chat_template':'inside'}");
            assertThat(checkpoint.tokenizer().chatTemplate()).isEqualTo("inside");
            write("chat_template.json", "{'chat_template':'beside'}");
            assertThat(checkpoint.tokenizer().chatTemplate()).isEqualTo("beside");
            write("chat_template.jinja", "own file");
            assertThat(checkpoint.tokenizer().chatTemplate()).isEqualTo("own file");
        }
    }

    private void refused(String named) {
        assertThatThrownBy(() -> {
                    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
                        Architecture.of(checkpoint);
                    }
                })
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(named);
    }

    @Test
    void namesTheFileThatIsMissing() throws IOException {
        refused("has no config.json");
        write("config.json", "{}");
        refused("has no .safetensors file");
        write("pytorch_model-00001-of-00002.safetensors", "");
        write("pytorch_model-00002-of-00002.safetensors", "");
        refused("has several .safetensors files and no index");
    }

    @Test
    void anIndexMustBeTrue() throws IOException {
        LLAMA.folder(folder, ElementType.BF16, 2);
        String index = "model.safetensors.index.json";
        String good = Files.readString(folder.resolve(index));
        write(index, "{'weight_map':{}}");
        refused("the number of files is 0");
        write(index, "{'weight_map':[]}");
        refused("weight_map is ARRAY");
        write(index, "{'weight_map':{'a':'../model.safetensors'}}");
        refused("a file in weight_map is \"../model.safetensors\"");
        write(index, "{'weight_map':{'a':7}}");
        refused("a file in weight_map is 7");
        write(index, "{'weight_map':{'a':'none.safetensors'}}");
        refused("there is no file");
        write(index, good.replace("model.norm.weight", "model.other.weight"));
        refused("weight_map says that model.other.weight is in");
        Files.writeString(folder.resolve(index), good);
        Files.copy(folder.resolve("model-00001-of-00002.safetensors"), folder.resolve("copy.safetensors"));
        Files.writeString(
                folder.resolve(index), good.replace("\"weight_map\":{", "\"weight_map\":{\"a\":\"copy.safetensors\","));
        refused("is in another file too");
    }

    @Test
    void tensorsMustBeThoseOfTheConfig() throws IOException {
        LLAMA.folder(folder, ElementType.BF16);
        String config = LLAMA.config().toString();
        write("config.json", config.replace("\"num_hidden_layers\":2", "\"num_hidden_layers\":3"));
        refused("the tensor model.layers.2.self_attn.q_proj.weight is missing");
        write("config.json", config.replace("\"num_hidden_layers\":2", "\"num_hidden_layers\":1"));
        refused("is not part of a llama model of 1 blocks");
        write("config.json", config.replace("\"intermediate_size\":96", "\"intermediate_size\":64"));
        refused("the shape of model.layers.0.mlp.gate_proj.weight is [96, 64], but config.json asks for [64, 64]");
        write("config.json", config.replace("\"vocab_size\":128", "\"vocab_size\":129"));
        refused("model.embed_tokens.weight is [128, 64]");
    }

    @Test
    void aTensorOfBytesIsNoWeight() throws IOException {
        write("config.json", LLAMA.config().toString());
        new SafetensorsWriter()
                .tensor("model.embed_tokens.weight", "U8", List.of(128, 64), new byte[128 * 64])
                .write(folder.resolve("model.safetensors"));
        refused("the type of model.embed_tokens.weight is U8");
    }

    /** Values of torch.float8_e4m3fn. */
    @Test
    void readsEveryNumberOf8Bits() {
        assertThat(Fp8.value((byte) 0x00)).isZero();
        assertThat(Fp8.value((byte) 0x01)).isEqualTo(1f / 512);
        assertThat(Fp8.value((byte) 0x07)).isEqualTo(7f / 512);
        assertThat(Fp8.value((byte) 0x08)).isEqualTo(1f / 64);
        assertThat(Fp8.value((byte) 0x38)).isEqualTo(1);
        assertThat(Fp8.value((byte) 0x3c)).isEqualTo(1.5f);
        assertThat(Fp8.value((byte) 0x7e)).isEqualTo(448);
        assertThat(Fp8.value((byte) 0x7f)).isNaN();
        assertThat(Fp8.value((byte) 0xff)).isNaN();
        assertThat(Fp8.value((byte) 0xb8)).isEqualTo(-1);
    }

    @Test
    void multipliesNumbersOf8BitsByTheirScale() throws IOException {
        // Two elements in three blocks of rows and two of columns; 1 everywhere.
        byte[] ones = new byte[300 * 130];
        Arrays.fill(ones, (byte) 0x38);
        write("config.json", LLAMA.config().toString());
        SafetensorsWriter writer = new SafetensorsWriter();
        String layer = "model.layers.0.";
        for (String part : List.of("q", "k", "v", "o")) {
            writer.tensor(layer + "self_attn." + part + "_proj.weight", "F8_E4M3", List.of(300, 130), ones);
        }
        writer.tensor(layer + "self_attn.q_proj.weight_scale", "F32", List.of(), floats(0.25f))
                .tensor(layer + "self_attn.k_proj.weight_scale_inv", "F32", List.of(3, 2), floats(1, 2, 3, 4, 5, 6))
                .tensor(layer + "self_attn.v_proj.weight_scale", "BF16", List.of(300, 1), bf16Rows())
                .tensor(layer + "self_attn.o_proj.weight_scale", "F32", List.of(7), floats(1, 1, 1, 1, 1, 1, 1))
                .write(folder.resolve("model.safetensors"));
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            assertThat(checkpoint.type("blk.0.attn_q.weight", 300, 130)).isEqualTo(ElementType.BF16);
            assertThat(element(checkpoint, "attn_q", 299, 129)).isEqualTo(0.25f);
            assertThat(element(checkpoint, "attn_k", 127, 127)).isEqualTo(1);
            assertThat(element(checkpoint, "attn_k", 127, 128)).isEqualTo(2);
            assertThat(element(checkpoint, "attn_k", 128, 0)).isEqualTo(3);
            assertThat(element(checkpoint, "attn_k", 299, 129)).isEqualTo(6);
            assertThat(element(checkpoint, "attn_v", 17, 3)).isEqualTo(17);
            assertThatThrownBy(() -> element(checkpoint, "attn_output", 0, 0))
                    .hasMessageContaining("the shape of model.layers.0.self_attn.o_proj.weight_scale is [7]");
            assertThat(checkpoint.tensors()).noneMatch(name -> name.contains("scale"));
        }
    }

    private static byte[] bf16Rows() {
        float[] rows = new float[300];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = i % 128;
        }
        return FamilyModel.bytes(rows, ElementType.BF16);
    }

    private static byte[] floats(float... values) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            bytes.putFloat(value);
        }
        return bytes.array();
    }

    private static float element(Checkpoint checkpoint, String part, int row, int column) {
        HostMatrix matrix = checkpoint.matrix("blk.0.%s.weight".formatted(part), 300, 130, Arena.ofAuto());
        return Float.intBitsToFloat(matrix.data().getAtIndex(ValueLayout.JAVA_SHORT, row * 130L + column) << 16);
    }
}
