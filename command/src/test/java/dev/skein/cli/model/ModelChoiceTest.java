package dev.skein.cli.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.cli.CommandException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelChoiceTest {
    @TempDir
    private Path folder;

    @Test
    void takesAFileThatBeginsAsGguf() throws Exception {
        Path file = Files.writeString(folder.resolve("a.gguf"), "GGUF...");
        assertThat(ModelChoice.file(file.toString())).isEqualTo(file.toAbsolutePath());
    }

    @Test
    void refusesTheRestInOneLine() throws Exception {
        Path text = Files.writeString(folder.resolve("text.gguf"), "I am a text");
        Path empty = Files.createFile(folder.resolve("empty.gguf"));
        assertRefused(text.toString(), "text.gguf is not a GGUF file");
        assertRefused(empty.toString(), "empty.gguf is not a GGUF file");
        assertRefused(folder.toString(), "is a folder");
        assertRefused(folder.resolve("none.gguf").toString(), "there is no file");
        assertRefused("none.gguf", "there is no file none.gguf");
        assertRefused("org/name", "not supported yet");
        assertRefused("a\0b", "is not the name of a file");
    }

    @Test
    void homeIsWhereTheEnvironmentSays() {
        assertThat(SkeinHome.of(Map.of("SKEIN_HOME", "/h")).models()).isEqualTo(Path.of("/h/models"));
        assertThat(SkeinHome.of(Map.of("XDG_CACHE_HOME", "/c")).folder()).isEqualTo(Path.of("/c/skein"));
        assertThat(SkeinHome.of(Map.of()).folder())
                .isEqualTo(Path.of(System.getProperty("user.home"), ".cache", "skein"));
    }

    private static void assertRefused(String name, String message) {
        assertThatThrownBy(() -> ModelChoice.file(name))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining(message)
                .hasMessageNotContaining("\n");
    }
}
