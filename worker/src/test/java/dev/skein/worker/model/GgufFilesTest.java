package dev.skein.worker.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ElementType;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

final class GgufFilesTest {
    private static final byte[] DATA = new byte[32];

    @TempDir
    private Path folder;

    private GgufWriter part(int number, int count) {
        return new GgufWriter()
                .key("split.no", 2, new byte[] {(byte) number, 0})
                .key("split.count", 2, new byte[] {(byte) count, 0})
                .tensor("tensor." + number, ElementType.F32, DATA, 8);
    }

    private Path name(int number, int count) {
        return folder.resolve("model-%05d-of-%05d.gguf".formatted(number, count));
    }

    @Test
    void opensAllPartsByTheNameOfAny() {
        part(0, 3).text("general.name", "split").write(name(1, 3));
        part(1, 3).write(name(2, 3));
        part(2, 3).write(name(3, 3));
        for (int named = 1; named <= 3; named++) {
            try (GgufFiles files = GgufFiles.open(name(named, 3))) {
                assertThat(files.path()).isEqualTo(name(1, 3));
                assertThat(files.metadata().text("general.name")).contains("split");
                assertThat(files.names()).containsExactly("tensor.0", "tensor.1", "tensor.2");
                assertThat(files.matrix("tensor.2", 1, 8).columns()).isEqualTo(8);
                assertThatThrownBy(() -> files.matrix("tensor.3", 1, 8))
                        .hasMessageContaining("the tensor tensor.3 is missing");
            }
        }
    }

    @Test
    void aWholeModelInPartsIsTheSame() {
        GgufWriter keys = TinyLlama.keys();
        keys.key("split.no", 2, new byte[] {0, 0}).key("split.count", 2, new byte[] {2, 0});
        keys.write(name(1, 2));
        GgufWriter tensors = TinyLlama.weights(new GgufWriter(), ElementType.Q8_0, 1, false);
        tensors.key("split.no", 2, new byte[] {1, 0}).key("split.count", 2, new byte[] {2, 0});
        tensors.write(name(2, 2));
        try (Checkpoint parts = Checkpoint.open(name(2, 2));
                Checkpoint whole =
                        Checkpoint.open(TinyLlama.of(ElementType.Q8_0, 1).write(folder.resolve("whole.gguf")))) {
            assertThat(parts.tensors()).isEqualTo(whole.tensors());
            assertThat(parts.parameters()).isEqualTo(whole.parameters());
            assertThat(parts.config().layers()).isEqualTo(whole.config().layers());
            assertThat(Architecture.of(parts).vocabularySize()).isEqualTo(TinyLlama.VOCABULARY);
            assertThat(parts.matrix("output_norm.weight", 1, TinyLlama.HIDDEN, Arena.ofAuto())
                            .data()
                            .mismatch(whole.matrix("output_norm.weight", 1, TinyLlama.HIDDEN, Arena.ofAuto())
                                    .data()))
                    .isEqualTo(-1);
        }
    }

    static Stream<Arguments> wrongNames() {
        return Stream.of(
                Arguments.of("model-00000-of-00002.gguf", "part 0 of 2"),
                Arguments.of("model-00003-of-00002.gguf", "part 3 of 2"),
                Arguments.of("model-00001-of-00000.gguf", "part 1 of 0"),
                Arguments.of("model-00001-of-99999.gguf", "part 1 of 99999"),
                Arguments.of("model-00001-of-00003.gguf", "split.count is 2, but the file's name says 3"),
                Arguments.of("model-00002-of-00002.gguf", "there is no file"),
                Arguments.of("renamed.gguf", "split.count is 2, but the file's name says 1"));
    }

    @ParameterizedTest
    @MethodSource("wrongNames")
    void namesMustAgreeWithFiles(String name, String named) {
        part(0, 2).write(folder.resolve(name));
        assertThatThrownBy(() -> GgufFiles.open(folder.resolve(name)))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(named);
    }

    @Test
    void partsMustBeThoseOfOneModel() {
        part(0, 2).write(name(1, 2));
        part(0, 2).write(name(2, 2));
        assertThatThrownBy(() -> GgufFiles.open(name(1, 2)))
                .hasMessageContaining("split.no is 0, but by its name it is 1");
        part(1, 2).tensor("tensor.0", ElementType.F32, DATA, 8).write(name(2, 2));
        assertThatThrownBy(() -> GgufFiles.open(name(1, 2))).hasMessageContaining("tensor.0 is in another part too");
    }
}
