package dev.skein.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.cli.model.DefaultModel;
import dev.skein.cli.model.Models;
import dev.skein.cli.model.Progress;
import dev.skein.cli.model.hub.HubCacheFixture;
import dev.skein.cli.model.hub.Patience;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelCommandTest {
    private static final String COMMIT = "0123456789abcdef";

    @TempDir
    private Path home;

    private Models models;

    @BeforeEach
    void keep() throws Exception {
        models = new Models(
                Map.of("SKEIN_HOME", home.toString()),
                "test",
                Patience.USUAL,
                new Progress(new PrintStream(OutputStream.nullOutputStream()), false));
        HubCacheFixture.keep(models.cache(), "org/a", COMMIT, "Q4_K_M", "a-Q4_K_M.gguf", 1_500_000);
        HubCacheFixture.keep(models.cache(), "org/a", COMMIT, "Q8_0", "a-Q8_0.gguf", 20);
        HubCacheFixture.keep(models.cache(), "other/b", COMMIT, "", "config.json", 30);
    }

    @Test
    void listTellsWhatIsKept() {
        assertThat(printed("list").lines())
                .hasSize(4)
                .anyMatch(line -> line.matches("MODEL +REVISION +COMMIT +SIZE +USED"))
                .anyMatch(line ->
                        line.matches("org/a:Q4_K_M +main +0123456789ab +1.50 MB +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d"))
                .anyMatch(line -> line.startsWith("other/b "));
    }

    @Test
    void listTellsOfTheDefaultModelOnceItIsChecked() throws Exception {
        Path file = home.resolve("models/SmolLM2-135M-Instruct.Q4_1.gguf");
        Files.createDirectories(file.getParent());
        Files.write(file, new byte[2000]);
        assertThat(printed("list").lines()).hasSize(4);
        String sha256 = DefaultModel.Source.SMOLLM2.sha256();
        Files.writeString(
                file.resolveSibling(file.getFileName() + ".checked"),
                sha256 + " 2000 " + Files.getLastModifiedTime(file).toMillis() + "\n");
        assertThat(printed("list").lines())
                .hasSize(5)
                .anyMatch(line -> line.matches("SmolLM2-135M-Instruct +default +b179c9523d0e +2.00 kB *"));
    }

    @Test
    void showTellsAlsoOfWhatCannotBeOpened() {
        assertThat(printed("show", "org/a:q4_k_m"))
                .contains("org/a:Q4_K_M", COMMIT, "cannot be served", "a-Q4_K_M.gguf (1.50 MB)")
                .doesNotContain("Q8_0");
        assertThat(printed("show", "org/a")).contains("Q4_K_M", "Q8_0");
        assertThatThrownBy(() -> printed("show", "org/c"))
                .hasMessageContaining("org/c is not kept on this machine; there are org/a:Q4_K_M, org/a:Q8_0, other/b");
    }

    @Test
    void rmRemovesWhatIsNamedAndNothingElse() {
        printed("rm", "org/a:Q8_0", "-y");
        assertThat(home.resolve("hub/org/a").resolve(COMMIT)).isDirectoryContaining("glob:**/a-Q4_K_M.gguf");
        assertThat(home.resolve("hub/org/a").resolve(COMMIT)).isDirectoryNotContaining("glob:**/a-Q8_0.gguf");
        printed("rm", "other/b", "--yes");
        assertThat(home.resolve("hub")).isDirectoryNotContaining("glob:**/other");
        printed("rm", "org/a", "--revision", "main", "-y");
        assertThat(home.resolve("hub")).isEmptyDirectory();
        assertThat(printed("list")).contains("none yet");
    }

    @Test
    void rmAsksAtATerminalOnly() {
        assertThatThrownBy(() -> printed("rm", "org/a"))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("say -y");
        assertThat(printed("list")).contains("org/a:Q4_K_M");
    }

    @Test
    void wrongUseIsRefused() {
        assertThatThrownBy(() -> printed("lst")).hasMessageContaining("the nearest is list");
        assertThatThrownBy(() -> printed("download")).hasMessageContaining("pull, list, show, rm");
        assertThatThrownBy(() -> printed("pull", "name")).hasMessageContaining("ORG/NAME:QUANT");
        assertThatThrownBy(() -> printed("pull")).isInstanceOf(CommandException.class);
        assertThatThrownBy(() -> printed("pull", "org/c")).hasMessageContaining("set HF_ENDPOINT");
        assertThatThrownBy(() -> printed("list", "x")).hasMessageContaining("no arguments");
        assertThatThrownBy(() -> models.path(null, "main")).hasMessageContaining("--revision is for a model of a hub");
    }

    private String printed(String... words) {
        PrintStream out = System.out;
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        try {
            System.setOut(new PrintStream(output, true, StandardCharsets.UTF_8));
            ModelCommand.run(models, List.of(words));
        } finally {
            System.setOut(out);
        }
        return output.toString(StandardCharsets.UTF_8);
    }
}
