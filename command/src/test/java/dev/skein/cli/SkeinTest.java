package dev.skein.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.worker.engine.PromptLookup;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SkeinTest {
    private static final WorkerParameters PARAMETERS = new WorkerParameters(
            Path.of("/m/a b.gguf"),
            "auto",
            2,
            "auto",
            "cuda",
            0.5,
            true,
            true,
            0,
            256,
            2048,
            1L << 40,
            1024,
            true,
            true,
            new PromptLookup(5, 2, 4),
            20,
            -3,
            2,
            3,
            60_000,
            300_000,
            "info");

    private record Ended(int code, String output, String error) {}

    private static Ended run(String... words) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        ByteArrayOutputStream error = new ByteArrayOutputStream();
        try {
            System.setOut(new PrintStream(output, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(error, true, StandardCharsets.UTF_8));
            int code = Skein.run(List.of(words));
            return new Ended(code, output.toString(StandardCharsets.UTF_8), error.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"serve", "chat", "status", "bench", "model", "version"})
    void everyCommandIsInTheHelp(String command) {
        assertThat(run("help").output()).contains("  " + command + " ");
        assertThat(run(command, "--help").code()).isZero();
    }

    @Test
    void helpIsAlsoGivenUnasked() {
        assertThat(run().output()).isEqualTo(run("--help").output()).contains("serve");
        assertThat(run("help", "serve").output()).contains("--max-model-len");
    }

    @Test
    void theVersionIsTheBuilds() {
        assertThat(run("--version").output()).matches("skein \\d+\\.\\d+\\.\\d+\\S*\\R");
    }

    @ParameterizedTest
    @CsvSource({
        "serv, the nearest is serve",
        "bensh, the nearest is bench",
        "fly-to-the-south-in-winter, see skein help"
    })
    void anUnknownCommandIsRefusedInOneLine(String command, String message) {
        Ended ended = run(command);
        assertThat(ended.code()).isEqualTo(2);
        assertThat(ended.error()).contains(message).hasLineCount(1);
    }

    @Test
    void aUsedPortIsFoundBeforeAnythingElse() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Ended ended = run("serve", "/no/such.gguf", "--port", "" + taken.getLocalPort());
            assertThat(ended.code()).isEqualTo(1);
            assertThat(ended.error())
                    .contains("127.0.0.1:" + taken.getLocalPort())
                    .hasLineCount(1);
        }
    }

    @ParameterizedTest
    @CsvSource({"status, ftp://x", "status, http://", "status, http://x:99999", "chat, file:///etc", "bench, x"})
    void anAddressThatIsNoneIsRefusedInOneLine(String command, String url) {
        Ended ended = run(command, "--url", url);
        assertThat(ended.code()).isEqualTo(2);
        assertThat(ended.error()).contains("--url " + url + " is no address").hasLineCount(1);
    }

    @Test
    void everyOptionOfTheClientsIsExplained() {
        for (String command : List.of("status", "bench", "chat")) {
            assertThat(run(command, "--help").output().lines().filter(line -> line.matches(" *-\\S+( [A-Z]+)?")))
                    .as(command)
                    .isEmpty();
        }
    }

    @Test
    void aStartThatCannotSucceedIsRefusedInOneLine() {
        assertThat(run("serve", "/no/such.gguf"))
                .isEqualTo(new Ended(1, "", "skein: there is no file /no/such.gguf" + System.lineSeparator()));
        assertThat(run("serve", "--max-num-seqs", "4096").error())
                .contains("--max-num-batched-tokens")
                .hasLineCount(1);
        assertThat(run("serve", "--dtype", "bfloat16", "--device", "cpu").error())
                .contains("--dtype bfloat16 does not go with --device cpu")
                .hasLineCount(1);
        assertThat(run("serve", "--served-model-name", "a", "pom.xml").error()).contains("name the model first");
        assertThat(run("serve", "--chat-template", "no such file").error()).contains("--chat-template");
        assertThat(run("model", "x").code()).isEqualTo(2);
    }

    @Test
    void whatAWorkerIsToldSurvivesItsText() {
        assertThat(WorkerParameters.decode(PARAMETERS.encode())).isEqualTo(PARAMETERS);
        assertThat(PARAMETERS.options("secret").seed()).isEqualTo(-3);
    }

    @Test
    void aWorkersSecretAndModelStayOffItsCommandLine() {
        assertThat(JavaCommand.worker())
                .endsWith("dev.skein.cli.Skein", "worker")
                .contains("-cp");
    }
}
