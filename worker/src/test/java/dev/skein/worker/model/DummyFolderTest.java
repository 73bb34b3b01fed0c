package dev.skein.worker.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.StepInputs;
import dev.skein.compute.cpu.HostRows;
import dev.skein.compute.cpu.JavaBackend;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class DummyFolderTest {
    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3moe", "gemma3"})
    void hasAllThatAModelOfItsConfigNeeds(String name) throws IOException {
        FamilyModel model = new FamilyModel(name);
        Files.writeString(folder.resolve("config.json"), model.config().toString());
        try (DummyFolder dummy = DummyFolder.open(folder);
                Checkpoint real = Checkpoint.open(model.folder(folder.resolve("real"), ElementType.BF16))) {
            Architecture architecture = Architecture.of(dummy);
            assertThat(architecture.name()).isEqualTo(Architecture.of(real).name());
            assertThat(dummy.parameters()).isEqualTo(real.parameters());
            assertThat(dummy.tensorBytes()).isEqualTo(real.tensorBytes());
            assertThat(dummy.endTokens()).isEqualTo(real.endTokens());
            try (JavaBackend backend = new JavaBackend()) {
                assertThat(architecture.load(backend, new StepInputs.Limits(4, 1, 1, 4, 0), (_, _) -> {}))
                        .isNotNull();
            }
        }
    }

    @Test
    void numbersAreRandomAndTheSameForTheSameName() throws IOException {
        Files.writeString(
                folder.resolve("config.json"), new FamilyModel("llama").config().toString());
        try (DummyFolder dummy = DummyFolder.open(folder)) {
            MemorySegment one = dummy.matrix("blk.0.attn_q.weight", 600, 768, Arena.ofAuto())
                    .data();
            assertThat(one.mismatch(dummy.matrix("blk.0.attn_q.weight", 600, 768, Arena.ofAuto())
                            .data()))
                    .isEqualTo(-1);
            assertThat(one.mismatch(dummy.matrix("blk.1.attn_q.weight", 600, 768, Arena.ofAuto())
                            .data()))
                    .isNotNegative();
            double squares = 0;
            for (int i = 0; i < 600 * 768; i++) {
                float value = Float.intBitsToFloat(one.getAtIndex(ValueLayout.JAVA_SHORT, i) << 16);
                squares += value * value;
            }
            // Of a row times ones: between half and twice.
            assertThat(Math.sqrt(squares / 600)).isBetween(0.5, 2.0);
        }
    }

    /** What is four bits in an AWQ folder is so here, with numbers of about the same size. */
    @Test
    void awqIsFourBits() throws IOException {
        String config = new FamilyModel("llama").config().toString();
        Files.writeString(
                folder.resolve("config.json"),
                config.substring(0, config.lastIndexOf('}'))
                        + ",\"quantization_config\":{\"quant_method\":\"awq\",\"bits\":4}}");
        try (DummyFolder dummy = DummyFolder.open(folder)) {
            HostMatrix packed = dummy.matrix("blk.0.attn_q.weight", 60, 768, Arena.ofAuto());
            assertThat(packed.type()).isEqualTo(ElementType.Q4_1);
            assertThat(dummy.type("token_embd.weight", 60, 768)).isEqualTo(ElementType.BF16);
            assertThat(dummy.type("blk.0.ffn_gate_inp.weight", 8, 768)).isEqualTo(ElementType.BF16);
            double squares = 0;
            float[] row = new float[768];
            for (int i = 0; i < 60; i++) {
                HostRows.read(packed, i, row);
                for (float value : row) {
                    squares += value * value;
                }
            }
            assertThat(Math.sqrt(squares / 60)).isBetween(0.5, 2.0);
            assertThat(dummy.quantization()).isEqualTo("AWQ");
        }
    }

    @Test
    void needsAConfig() {
        assertThatThrownBy(() -> DummyFolder.open(folder)).hasMessageContaining("has no config.json");
    }
}
