package dev.skein.cli.train;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/// A small Llama of random weights in a GGUF file, quantised like the default model. Its tokens are bytes.
public final class TrainingModel {
    private static final int HIDDEN = 256;
    private static final int FEED_FORWARD = 512;
    private static final int LAYERS = 2;
    private static final int HEADS = 4;
    private static final int KV_HEADS = 2;
    private static final int CONTEXT = 2048;

    private static final int UINT32 = 4;
    private static final int INT32 = 5;
    private static final int FLOAT32 = 6;
    private static final int STRING = 8;
    private static final int ARRAY = 9;

    private static final int F32 = 0;
    private static final int Q4_1 = 3;
    private static final int Q4_1_ELEMENTS = 32;
    private static final int Q4_1_BYTES = 20;
    private static final int ALIGNMENT = 32;

    /// ChatML, as many models have it.
    private static final String TEMPLATE =
            "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
                    + "{{ '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\\n'"
                    + " + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
                    + "{{ '<|im_start|>assistant\\n' }}{% endif %}";

    private final Random random = new Random(1);
    private final ByteArrayOutputStream keys = new ByteArrayOutputStream();
    private final ByteArrayOutputStream tensors = new ByteArrayOutputStream();
    private final ByteArrayOutputStream data = new ByteArrayOutputStream();
    private int keyCount;
    private int tensorCount;

    private TrainingModel() {}

    /// Writes the file, the same at every call.
    public static void write(Path file) throws IOException {
        TrainingModel model = new TrainingModel();
        model.describe();
        model.weigh();
        Files.write(file, model.bytes());
    }

    private void describe() {
        key("general.architecture", STRING, string("llama"));
        key("general.name", STRING, string("training"));
        number("llama.block_count", LAYERS);
        number("llama.context_length", CONTEXT);
        number("llama.embedding_length", HIDDEN);
        number("llama.feed_forward_length", FEED_FORWARD);
        number("llama.attention.head_count", HEADS);
        number("llama.attention.head_count_kv", KV_HEADS);
        key("llama.attention.layer_norm_rms_epsilon", FLOAT32, int32(Float.floatToRawIntBits(1e-5f)));
        key("llama.rope.freq_base", FLOAT32, int32(Float.floatToRawIntBits(10_000)));
        List<String> tokens = tokens();
        key("tokenizer.ggml.model", STRING, string("gpt2"));
        key("tokenizer.ggml.pre", STRING, string("smollm"));
        key(
                "tokenizer.ggml.tokens",
                ARRAY,
                array(STRING, tokens.stream().map(TrainingModel::string).toList()));
        key(
                "tokenizer.ggml.token_type",
                ARRAY,
                array(
                        INT32,
                        tokens.stream()
                                .map(token -> int32(token.startsWith("<|") ? 3 : 1))
                                .toList()));
        key("tokenizer.ggml.merges", ARRAY, array(STRING, List.of(string("t h"), string("i n"))));
        number("tokenizer.ggml.bos_token_id", tokens.indexOf("<|im_start|>"));
        number("tokenizer.ggml.eos_token_id", tokens.indexOf("<|im_end|>"));
        key("tokenizer.chat_template", STRING, string(TEMPLATE));
    }

    /// Every byte as GPT-2's vocabulary writes it, two merges, two marks.
    private static List<String> tokens() {
        List<String> tokens = new ArrayList<>();
        int next = 0x100;
        for (int b = 0; b < 0x100; b++) {
            boolean printable = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
            tokens.add(Character.toString(printable ? b : next++));
        }
        tokens.addAll(List.of("th", "in", "<|im_start|>", "<|im_end|>"));
        return tokens;
    }

    private void weigh() {
        matrix("token_embd.weight", tokens().size(), HIDDEN);
        int keyValues = HIDDEN / HEADS * KV_HEADS;
        for (int layer = 0; layer < LAYERS; layer++) {
            String name = "blk." + layer + ".";
            vector(name + "attn_norm.weight");
            matrix(name + "attn_q.weight", HIDDEN, HIDDEN);
            matrix(name + "attn_k.weight", keyValues, HIDDEN);
            matrix(name + "attn_v.weight", keyValues, HIDDEN);
            matrix(name + "attn_output.weight", HIDDEN, HIDDEN);
            vector(name + "ffn_norm.weight");
            matrix(name + "ffn_gate.weight", FEED_FORWARD, HIDDEN);
            matrix(name + "ffn_up.weight", FEED_FORWARD, HIDDEN);
            matrix(name + "ffn_down.weight", HIDDEN, FEED_FORWARD);
        }
        vector("output_norm.weight");
    }

    private void vector(String name) {
        ByteBuffer values = buffer(HIDDEN * Float.BYTES);
        while (values.hasRemaining()) {
            values.putFloat(1);
        }
        tensor(name, F32, values.array(), HIDDEN);
    }

    /// Blocks of a scale, a minimum and 32 numbers of 4 bits: values of -0.04 to 0.04.
    private void matrix(String name, int rows, int columns) {
        ByteBuffer blocks = buffer(rows * columns / Q4_1_ELEMENTS * Q4_1_BYTES);
        byte[] quants = new byte[Q4_1_ELEMENTS / 2];
        while (blocks.hasRemaining()) {
            random.nextBytes(quants);
            blocks.putShort(Float.floatToFloat16(0.08f / 15))
                    .putShort(Float.floatToFloat16(-0.04f))
                    .put(quants);
        }
        tensor(name, Q4_1, blocks.array(), columns, rows);
    }

    private void tensor(String name, int type, byte[] values, int... dimensions) {
        tensors.writeBytes(string(name));
        tensors.writeBytes(int32(dimensions.length));
        for (int dimension : dimensions) {
            tensors.writeBytes(int64(dimension));
        }
        tensors.writeBytes(int32(type));
        tensors.writeBytes(int64(data.size()));
        data.writeBytes(values);
        data.writeBytes(new byte[-data.size() & (ALIGNMENT - 1)]);
        tensorCount++;
    }

    private void number(String name, int value) {
        key(name, UINT32, int32(value));
    }

    private void key(String name, int type, byte[] value) {
        keys.writeBytes(string(name));
        keys.writeBytes(int32(type));
        keys.writeBytes(value);
        keyCount++;
    }

    private byte[] bytes() {
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        file.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
        file.writeBytes(int32(3));
        file.writeBytes(int64(tensorCount));
        file.writeBytes(int64(keyCount));
        file.writeBytes(keys.toByteArray());
        file.writeBytes(tensors.toByteArray());
        file.writeBytes(new byte[-file.size() & (ALIGNMENT - 1)]);
        file.writeBytes(data.toByteArray());
        return file.toByteArray();
    }

    private static byte[] array(int type, List<byte[]> elements) {
        ByteArrayOutputStream array = new ByteArrayOutputStream();
        array.writeBytes(int32(type));
        array.writeBytes(int64(elements.size()));
        elements.forEach(array::writeBytes);
        return array.toByteArray();
    }

    private static byte[] string(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return buffer(Long.BYTES + bytes.length)
                .putLong(bytes.length)
                .put(bytes)
                .array();
    }

    private static byte[] int32(int value) {
        return buffer(Integer.BYTES).putInt(value).array();
    }

    private static byte[] int64(long value) {
        return buffer(Long.BYTES).putLong(value).array();
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
