package dev.skein.worker.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ElementType;
import dev.skein.compute.StepInputs;
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

    @Test
    void needsAConfig() {
        assertThatThrownBy(() -> DummyFolder.open(folder)).hasMessageContaining("has no config.json");
    }
}
