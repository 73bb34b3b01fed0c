package dev.skein.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.Backend;
import dev.skein.compute.cpu.CpuOptions.Isa;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CpuLibraryTest {
    @TempDir
    private Path folder;

    @Test
    void placedOnceAndRepaired() throws IOException {
        byte[] bytes = {1, 2, 3};
        Path file = CpuLibrary.place(bytes, folder.resolve("a/b"));
        Files.setLastModifiedTime(file, FileTime.fromMillis(1000));
        assertThat(CpuLibrary.place(bytes, folder.resolve("a/b"))).isEqualTo(file);
        assertThat(Files.getLastModifiedTime(file).toMillis())
                .as("not written again")
                .isEqualTo(1000);

        Files.write(file, new byte[] {1, 2, 4});
        CpuLibrary.place(bytes, folder.resolve("a/b"));
        assertThat(file).hasBinaryContent(bytes);
        assertThat(CpuLibrary.place(new byte[] {5}, folder.resolve("a/b"))).isNotEqualTo(file);
        try (var files = Files.list(folder.resolve("a/b"))) {
            assertThat(files).as("no parts left").hasSize(2);
        }
    }

    @Test
    void saysWhyItIsMissing() {
        assertThat(CpuLibrary.load("/native/nowhere.so", folder))
                .isInstanceOfSatisfying(
                        CpuLibrary.Missing.class,
                        missing -> assertThat(missing.reason()).contains("gcc"));
    }

    @Test
    void plainJavaByName() {
        try (Backend backend = CpuBackends.choose(CpuOptions.defaults().withIsa(Isa.JAVA))) {
            assertThat(backend.description()).contains("Java");
        }
    }

    @Test
    void theBestOneOtherwise() {
        try (Backend backend = CpuBackends.choose(CpuOptions.defaults().withThreads(1))) {
            assertThat(backend.description()).contains("1 thread");
            assertThat(backend).isInstanceOf(Kinds.natives(1).isEmpty() ? JavaBackend.class : CpuBackend.class);
        }
    }

    @Test
    void optionsWithinBounds() {
        assertThat(CpuOptions.isa("AVX512")).isEqualTo(Isa.AVX512);
        assertThatThrownBy(() -> CpuOptions.isa("sse")).hasMessageContainingAll("sse", "avx2", "java");
        assertThatThrownBy(() -> new CpuOptions(0, Isa.AUTO, true)).hasMessageContaining("0 threads");
        assertThatThrownBy(() -> new CpuOptions(1, Isa.AUTO, true, -1)).hasMessageContaining("-1");
    }
}
