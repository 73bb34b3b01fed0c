package dev.skein.cli.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.cli.CommandException;
import dev.skein.cli.model.hub.HubName;
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
        assertThat(ModelChoice.of(file.toString())).isEqualTo(new ModelChoice.Local(file.toAbsolutePath()));
    }

    @Test
    void takesAFolderWithAConfiguration() throws Exception {
        Files.writeString(folder.resolve("config.json"), "{}");
        assertThat(ModelChoice.of(folder.toString())).isEqualTo(new ModelChoice.Local(folder.toAbsolutePath()));
    }

    @Test
    void takesANameOnAHub() {
        assertThat(ModelChoice.of("org/name")).isEqualTo(new ModelChoice.Hub(new HubName("org", "name", null)));
        assertThat(ModelChoice.of("org/Na.me-1_b:Q4_K_M"))
                .isEqualTo(new ModelChoice.Hub(new HubName("org", "Na.me-1_b", "Q4_K_M")));
    }

    @Test
    void refusesTheRestInOneLine() throws Exception {
        Path text = Files.writeString(folder.resolve("text.gguf"), "I am a text");
        Path empty = Files.createFile(folder.resolve("empty.gguf"));
        assertRefused(text.toString(), "text.gguf is not a GGUF file");
        assertRefused(empty.toString(), "empty.gguf is not a GGUF file");
        assertRefused(folder.toString(), "is a folder without config.json");
        assertRefused(folder.resolve("none.gguf").toString(), "there is no file");
        assertRefused("none.gguf", "there is no file none.gguf");
        assertRefused("org/none.gguf", "there is no file org/none.gguf");
        assertRefused("../name", "there is no file ../name");
        assertRefused("org/a..b", "there is no file");
        assertRefused("a/b/c", "there is no file a/b/c");
        assertRefused("a\0b", "is not the name of a file");
    }

    @Test
    void homeIsWhereTheEnvironmentSays() {
        assertThat(SkeinHome.of(Map.of("SKEIN_HOME", "/h")).models()).isEqualTo(Path.of("/h/models"));
        assertThat(SkeinHome.of(Map.of("SKEIN_HOME", "/h")).hub()).isEqualTo(Path.of("/h/hub"));
        assertThat(SkeinHome.of(Map.of("XDG_CACHE_HOME", "/c")).folder()).isEqualTo(Path.of("/c/skein"));
        assertThat(SkeinHome.of(Map.of()).folder())
                .isEqualTo(Path.of(System.getProperty("user.home"), ".cache", "skein"));
    }

    private static void assertRefused(String name, String message) {
        assertThatThrownBy(() -> ModelChoice.of(name))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining(message)
                .hasMessageNotContaining("\n");
    }
}
