package dev.skein.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.cli.CommandException;
import dev.skein.loadtest.LoadTest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BenchTest {
    private static final String NOBODY = "http://127.0.0.1:1";

    @TempDir
    Path folder;

    private static int bench(List<String> arguments) {
        return BenchCommand.run(arguments, _ -> Path.of("none"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--runs 0|at least 1",
                "--peer-url http://a|need --url",
                "--peer x|need --url",
                "--html x|need --url",
                "--cpu neon|neon",
                "--run 1|--runs",
            })
    void wrongUseIsRefused(String arguments, String message) {
        assertThatThrownBy(() -> bench(List.of(arguments.split(" "))))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--clients 0|0 clients",
                "--requests 0|0 requests",
                "--rate 0|rate of 0.0",
                "--rate 5 --burstiness wild|--burstiness wild",
                "--max-concurrency 4|needs --rate or --trace",
                "--prompt-words many|many' is no count",
                "--max-tokens 0|answers of 0 tokens",
                "--endpoint embeddings|completions and chat",
                "--extra-body 7|--extra-body 7",
                "--goodput ttft:fast|goal 'ttft:fast'",
                "--timeout 0|at least 1 second",
                "--trace no-such-file|no-such-file cannot be read",
                "--peer sleep|names no --port",
                "--peer-url nowhere|--peer-url nowhere is no address",
                "--clients 1|a connection refused",
            })
    void aWrongLoadIsRefusedBeforeAnythingIsAsked(String arguments, String message) {
        List<String> words = new ArrayList<>(List.of("--url", NOBODY));
        words.addAll(List.of(arguments.split(" ")));
        assertThatThrownBy(() -> bench(words))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining(message);
    }

    @Test
    void aTraceExcludesOtherPatterns() throws Exception {
        Path trace = folder.resolve("trace.jsonl");
        Files.writeString(trace, "{\"timestamp\": 0, \"input_length\": 4, \"output_length\": 2}\n");
        assertThatThrownBy(() -> bench(List.of("--url", NOBODY, "--trace", trace.toString(), "--rate", "2")))
                .hasMessageContaining("leave out --rate");
        assertThatThrownBy(() -> bench(List.of("--url", NOBODY, "--trace", trace.toString(), "--requests", "2")))
                .hasMessageContaining("2 requests of a trace of 1");
    }

    @Test
    void progressIsOneLine() {
        assertThat(ServerBench.text(new LoadTest.Progress(NOBODY, 0, 5, 3, 8, 0, 32, 12.34)))
                .isEqualTo(NOBODY + "  warming up  3 of 32 requests, 8 open, 12.3 tok/s");
        assertThat(ServerBench.text(new LoadTest.Progress(NOBODY, 2, 5, 3, 8, 1, 32, 12.34)))
                .contains("run 2 of 5", "8 open, 1 failed,");
    }
}
