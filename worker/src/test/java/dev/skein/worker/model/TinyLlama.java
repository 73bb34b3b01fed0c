package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Llama models of some ten thousand random weights. */
public final class TinyLlama {
    public static final int VOCABULARY = 128;
    public static final int CONTEXT = 256;
    public static final int END = 2;
    public static final int HIDDEN = 64;
    public static final int LAYERS = 2;

    private static final int WIDE = 256;
    private static final int HEADS = 4;
    private static final int KV_HEADS = 2;
    private static final int HEAD_SIZE = 16;
    private static final int FEED_FORWARD = 96;

    private TinyLlama() {}

    /** A model whose matrices are of that type, ready to be written or spoilt. */
    public static GgufWriter of(ElementType type, long seed) {
        return weights(keys(), type, seed, false);
    }

    /** One with a head of its own. */
    public static GgufWriter untied(ElementType type, long seed) {
        return weights(keys(), type, seed, true);
    }

    /** The keys alone. */
    public static GgufWriter keys() {
        return vocabulary(new GgufWriter()
                .text("general.architecture", "llama")
                .text("general.name", "tiny")
                .uint32("llama.block_count", LAYERS)
                .uint32("llama.context_length", CONTEXT)
                .uint32("llama.embedding_length", HIDDEN)
                .uint32("llama.feed_forward_length", FEED_FORWARD)
                .uint32("llama.attention.head_count", HEADS)
                .uint32("llama.attention.head_count_kv", KV_HEADS)
                .float32("llama.attention.layer_norm_rms_epsilon", 1e-5f)
                .float32("llama.rope.freq_base", 10000f));
    }

    private static GgufWriter vocabulary(GgufWriter file) {
        List<String> tokens = new ArrayList<>();
        List<Integer> types = new ArrayList<>();
        for (int id = 0; id < VOCABULARY; id++) {
            tokens.add(id == END ? "<|im_end|>" : "t" + id);
            types.add(id <= END ? 3 : 1);
        }
        return file.text("tokenizer.ggml.model", "gpt2")
                .text("tokenizer.ggml.pre", "smollm")
                .texts("tokenizer.ggml.tokens", tokens)
                .int32s("tokenizer.ggml.token_type", types)
                .texts("tokenizer.ggml.merges", List.of("t 1", "t 2"))
                .uint32("tokenizer.ggml.bos_token_id", 1)
                .uint32("tokenizer.ggml.eos_token_id", END)
                .flag("tokenizer.ggml.add_bos_token", false)
                .text("tokenizer.chat_template", "{{ messages }}");
    }

    /**
     * A model with rows of 256, which blocks of all types divide, in one layer.
     *
     * @param other type of values and of what leaves the feed-forward layer
     */
    public static GgufWriter wide(ElementType type, ElementType other, long seed) {
        GgufWriter file = keys();
        for (String key : List.of("block_count", "embedding_length", "feed_forward_length")) {
            file.without("llama." + key);
        }
        file.uint32("llama.block_count", 1)
                .uint32("llama.embedding_length", WIDE)
                .uint32("llama.feed_forward_length", WIDE);
        Random random = new Random(seed);
        matrix(file, random, "token_embd.weight", type, VOCABULARY, WIDE);
        matrix(file, random, "blk.0.attn_q.weight", type, WIDE, WIDE);
        matrix(file, random, "blk.0.attn_k.weight", type, WIDE / 2, WIDE);
        matrix(file, random, "blk.0.attn_v.weight", other, WIDE / 2, WIDE);
        matrix(file, random, "blk.0.attn_output.weight", type, WIDE, WIDE);
        matrix(file, random, "blk.0.ffn_gate.weight", type, WIDE, WIDE);
        matrix(file, random, "blk.0.ffn_up.weight", type, WIDE, WIDE);
        matrix(file, random, "blk.0.ffn_down.weight", other, WIDE, WIDE);
        for (String norm : List.of("blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight")) {
            vector(file, random, norm, WIDE);
        }
        return file;
    }

    /** Adds all weights. */
    public static GgufWriter weights(GgufWriter file, ElementType type, long seed, boolean head) {
        Random random = new Random(seed);
        matrix(file, random, "token_embd.weight", type, VOCABULARY, HIDDEN);
        for (int i = 0; i < LAYERS; i++) {
            String layer = "blk.%d.".formatted(i);
            vector(file, random, layer + "attn_norm.weight");
            matrix(file, random, layer + "attn_q.weight", type, HEADS * HEAD_SIZE, HIDDEN);
            matrix(file, random, layer + "attn_k.weight", type, KV_HEADS * HEAD_SIZE, HIDDEN);
            matrix(file, random, layer + "attn_v.weight", type, KV_HEADS * HEAD_SIZE, HIDDEN);
            matrix(file, random, layer + "attn_output.weight", type, HIDDEN, HEADS * HEAD_SIZE);
            vector(file, random, layer + "ffn_norm.weight");
            matrix(file, random, layer + "ffn_gate.weight", type, FEED_FORWARD, HIDDEN);
            matrix(file, random, layer + "ffn_up.weight", type, FEED_FORWARD, HIDDEN);
            matrix(file, random, layer + "ffn_down.weight", type, HIDDEN, FEED_FORWARD);
        }
        vector(file, random, "output_norm.weight");
        if (head) {
            matrix(file, random, "output.weight", type, VOCABULARY, HIDDEN);
        }
        return file;
    }

    private static void vector(GgufWriter file, Random random, String name) {
        vector(file, random, name, HIDDEN);
    }

    private static void vector(GgufWriter file, Random random, String name, int length) {
        ByteBuffer data = ByteBuffer.allocate(4 * length).order(ByteOrder.LITTLE_ENDIAN);
        while (data.hasRemaining()) {
            data.putFloat(0.5f + random.nextFloat());
        }
        file.tensor(name, ElementType.F32, data.array(), length);
    }

    private static void matrix(GgufWriter file, Random random, String name, ElementType type, int rows, int columns) {
        file.tensor(name, type, random(random, type, (long) rows * columns), columns, rows);
    }

    /** Elements of about -0.5 to 0.5. */
    static byte[] random(Random random, ElementType type, long elements) {
        ByteBuffer data = ByteBuffer.allocate((int) type.rowBytes(elements)).order(ByteOrder.LITTLE_ENDIAN);
        while (data.hasRemaining()) {
            switch (type) {
                case F32 -> data.putFloat(random.nextFloat() - 0.5f);
                case F16 -> data.putShort(Float.floatToFloat16(random.nextFloat() - 0.5f));
                case BF16 -> data.putShort((short) (Float.floatToRawIntBits(random.nextFloat() - 0.5f) >>> 16));
                case Q8_0 -> block(data, random, 0.5f / 128, Float.NaN, 32);
                case Q4_0 -> block(data, random, 0.5f / 8, Float.NaN, 16);
                case Q4_1 -> block(data, random, 1f / 15, -0.5f, 16);
                case Q5_0 -> block(data, random, 0.5f / 16, Float.NaN, 20);
                case Q5_1 -> block(data, random, 1f / 31, -0.5f, 20);
                case IQ4_NL -> block(data, random, 0.5f / 128, Float.NaN, 16);
                case Q4_K -> block(data, random, 1f / 15 / 63, 0.5f / 63, 140);
                case Q5_K -> block(data, random, 1f / 31 / 63, 0.5f / 63, 172);
                case Q2_K -> scaleLast(data, random, type, 80, 0.5f / 45, 0.5f / 45);
                case Q3_K -> scaleLast(data, random, type, 108, 0.5f / 128, Float.NaN);
                case Q6_K -> scaleLast(data, random, type, 208, 0.5f / 32 / 127, Float.NaN);
            }
        }
        return data.array();
    }

    private static void scaleLast(
            ByteBuffer data, Random random, ElementType type, int quants, float scale, float minimum) {
        int start = data.position();
        fill(data, random, type.blockBytes());
        data.putShort(start + quants, Float.floatToFloat16(scale));
        if (!Float.isNaN(minimum)) {
            data.putShort(start + quants + 2, Float.floatToFloat16(minimum));
        }
    }

    private static void block(ByteBuffer data, Random random, float scale, float minimum, int quants) {
        data.putShort(Float.floatToFloat16(scale * (0.5f + random.nextFloat())));
        if (!Float.isNaN(minimum)) {
            data.putShort(Float.floatToFloat16(minimum));
        }
        fill(data, random, quants);
    }

    private static void fill(ByteBuffer data, Random random, int quants) {
        byte[] bytes = new byte[quants];
        random.nextBytes(bytes);
        data.put(bytes);
    }
}
