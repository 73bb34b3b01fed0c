package dev.skein.worker.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ElementType;
import dev.skein.compute.KvCache;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

final class LlamaTest {
    @Test
    void readsItsHyperparameters() {
        Architecture llama = Architecture.of(file(TinyLlama.of(ElementType.Q4_1, 1)));
        assertThat(llama.name()).isEqualTo("llama");
        assertThat(llama.vocabularySize()).isEqualTo(TinyLlama.VOCABULARY);
        assertThat(llama.contextLength()).isEqualTo(TinyLlama.CONTEXT);
        assertThat(llama.cache(9)).isEqualTo(new KvCache.Shape(TinyLlama.LAYERS, 2, 16, 9));
    }

    static Stream<Arguments> refused() {
        return Stream.of(
                Arguments.of(
                        key("general.architecture").text("general.architecture", "mamba"),
                        "mamba is not supported yet"),
                Arguments.of(key("llama.block_count"), "the key llama.block_count is missing"),
                Arguments.of(key("llama.block_count").uint32("llama.block_count", 3), "blk.2.attn_q.weight is missing"),
                Arguments.of(
                        key("llama.block_count").uint32("llama.block_count", 1), "blk.1.attn_norm.weight is not part"),
                Arguments.of(
                        key("llama.attention.head_count").uint32("llama.attention.head_count", 5),
                        "llama.attention.head_count is 5"),
                Arguments.of(
                        key("llama.attention.head_count_kv").uint32("llama.attention.head_count_kv", 3),
                        "it must be a multiple of the key and value heads, 3"),
                Arguments.of(key("llama.embedding_length").uint32("llama.embedding_length", 32), "is [64"),
                Arguments.of(key("").uint32("llama.attention.value_length", 8), "llama.attention.value_length is 8"),
                Arguments.of(key("").uint32("llama.rope.dimension_count", 15), "llama.rope.dimension_count is 15"),
                Arguments.of(key("").uint32("llama.rope.dimension_count", 18), "llama.rope.dimension_count is 18"),
                Arguments.of(key("").uint32("llama.expert_count", 8), "the key llama.expert_used_count is missing"),
                Arguments.of(
                        key("").uint32("llama.attention.sliding_window", 8),
                        "llama.attention.sliding_window asks for something"),
                Arguments.of(key("").text("llama.rope.scaling.type", "longrope"), "longrope"),
                Arguments.of(
                        key("llama.attention.layer_norm_rms_epsilon")
                                .float32("llama.attention.layer_norm_rms_epsilon", Float.NaN),
                        "layer_norm_rms_epsilon is NaN"),
                Arguments.of(
                        key("tokenizer.ggml.tokens")
                                .texts("tokenizer.ggml.tokens", java.util.Collections.nCopies(129, "x")),
                        "length of tokenizer.ggml.tokens is 129"));
    }

    private static GgufWriter key(String without) {
        return TinyLlama.keys().without(without);
    }

    @ParameterizedTest
    @MethodSource("refused")
    void refusesByName(GgufWriter keys, String named) {
        GgufWriter whole = TinyLlama.weights(keys, ElementType.Q8_0, 1, false);
        assertThatThrownBy(() -> Architecture.of(file(whole)))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(named);
    }

    @Test
    void refusesTensorsThatItWouldNotUse() {
        GgufWriter biased =
                TinyLlama.of(ElementType.F16, 1).tensor("blk.0.attn_q.bias", ElementType.F32, new byte[256], 64);
        assertThatThrownBy(() -> Architecture.of(file(biased))).hasMessageContaining("the tensor blk.0.attn_q.bias");
    }

    private static Checkpoint file(GgufWriter writer) {
        GgufFile file = new GgufFile(Path.of("some.gguf"), Arena.global(), MemorySegment.ofArray(writer.bytes()));
        return new GgufCheckpoint(new GgufFiles(List.of(file)));
    }
}
