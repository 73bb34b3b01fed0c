package dev.skein.cli.settings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.cli.CommandException;
import dev.skein.worker.engine.PromptLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ServeSettingsTest {
    @TempDir
    private Path folder;

    @Test
    void allNames() {
        assertThat(ServeSettings.ALL)
                .extracting(Setting::flag)
                .containsExactly(
                        "--model",
                        "--revision",
                        "--served-model-name",
                        "--max-model-len",
                        "--load-format",
                        "--dtype",
                        "--host",
                        "--port",
                        "--shutdown-timeout",
                        "--request-timeout",
                        "--group-wait-timeout",
                        "--config",
                        "--root-path",
                        "--api-key",
                        "--allowed-origins",
                        "--enable-request-id-headers",
                        "--max-num-seqs",
                        "--max-num-batched-tokens",
                        "--max-num-queued-reqs",
                        "--enable-prefix-caching",
                        "--scheduling-policy",
                        "--speculative-config",
                        "--kv-cache-memory-bytes",
                        "--block-size",
                        "--seed",
                        "--max-logprobs",
                        "--device",
                        "--gpu-memory-utilization",
                        "--enforce-eager",
                        "--batch-invariant",
                        "--threads",
                        "--cpu",
                        "--tensor-parallel-size",
                        "--pipeline-parallel-size",
                        "--replicas",
                        "--scale-to-zero-after",
                        "--step-timeout",
                        "--recover-seconds",
                        "--chat-template",
                        "--chat-template-content-format",
                        "--response-role",
                        "--generation-config",
                        "--override-generation-config",
                        "--trust-request-chat-template",
                        "--return-tokens-as-token-ids",
                        "--enable-prompt-tokens-details",
                        "--enable-force-include-usage",
                        "--log-level",
                        "--uvicorn-log-level",
                        "--enable-log-requests",
                        "--disable-log-stats",
                        "--enable-chunked-prefill",
                        "--kv-cache-dtype",
                        "--tokenizer-mode",
                        "--data-parallel-size",
                        "--disable-uvicorn-access-log",
                        "--disable-fastapi-docs",
                        "--enable-server-load-tracking",
                        "--trust-remote-code",
                        "--num-gpu-blocks-override",
                        "--swap-space",
                        "--num-scheduler-steps",
                        "--max-log-len",
                        "--disable-log-requests",
                        "--use-v2-block-manager");
    }

    @Test
    void allDefaults() {
        Settings none = read();
        Map<String, String> defaults = ServeSettings.ALL.stream()
                .filter(setting -> none.find(setting).isPresent())
                .collect(Collectors.toMap(
                        Setting::name, setting -> none.get(setting).toString()));
        assertThat(defaults)
                .isEqualTo(Map.ofEntries(
                        Map.entry("load-format", "auto"),
                        Map.entry("dtype", "auto"),
                        Map.entry("host", "127.0.0.1"),
                        Map.entry("port", "8000"),
                        Map.entry("shutdown-timeout", "PT30S"),
                        Map.entry("request-timeout", "PT0S"),
                        Map.entry("group-wait-timeout", "PT30S"),
                        Map.entry("enable-request-id-headers", "false"),
                        Map.entry("max-num-seqs", "256"),
                        Map.entry("max-num-batched-tokens", "2048"),
                        Map.entry("max-num-queued-reqs", "1024"),
                        Map.entry("enable-prefix-caching", "true"),
                        Map.entry("scheduling-policy", "fcfs"),
                        Map.entry("block-size", "16"),
                        Map.entry("seed", "0"),
                        Map.entry("max-logprobs", "20"),
                        Map.entry("threads", "0"),
                        Map.entry("batch-invariant", "false"),
                        Map.entry("device", "auto"),
                        Map.entry("gpu-memory-utilization", "0.92"),
                        Map.entry("cpu", "auto"),
                        Map.entry("tensor-parallel-size", "1"),
                        Map.entry("pipeline-parallel-size", "1"),
                        Map.entry("replicas", "1"),
                        Map.entry("scale-to-zero-after", "PT0S"),
                        Map.entry("step-timeout", "PT1M"),
                        Map.entry("recover-seconds", "PT5M"),
                        Map.entry("chat-template-content-format", "auto"),
                        Map.entry("response-role", "assistant"),
                        Map.entry("generation-config", "auto"),
                        Map.entry("log-level", "info"),
                        Map.entry("root-path", ""),
                        Map.entry("override-generation-config", ""),
                        Map.entry("trust-request-chat-template", "false"),
                        Map.entry("return-tokens-as-token-ids", "false"),
                        Map.entry("enable-prompt-tokens-details", "false"),
                        Map.entry("enable-force-include-usage", "false"),
                        Map.entry("enable-log-requests", "false"),
                        Map.entry("disable-log-stats", "false"),
                        Map.entry("kv-cache-dtype", "auto"),
                        Map.entry("tokenizer-mode", "auto"),
                        Map.entry("data-parallel-size", "1"),
                        Map.entry("disable-uvicorn-access-log", "true"),
                        Map.entry("disable-fastapi-docs", "true"),
                        Map.entry("enable-server-load-tracking", "true"),
                        Map.entry("trust-remote-code", "false"),
                        Map.entry("disable-log-requests", "false"),
                        Map.entry("use-v2-block-manager", "false"),
                        Map.entry("enforce-eager", "false"),
                        Map.entry("enable-chunked-prefill", "true")));
    }

    @Test
    void dashesUnderscoresEqualsAndWordsAllDo() {
        Settings settings =
                read("--max_model_len=1k", "--max-num-seqs", "8", "some.gguf", "--tensor_parallel_size", "1");
        assertThat(settings.get(ServeSettings.MAX_MODEL_LEN)).isEqualTo(1000);
        assertThat(settings.get(ServeSettings.MAX_NUM_SEQS)).isEqualTo(8);
        assertThat(settings.get(ServeSettings.MODEL_FILE)).isEqualTo("some.gguf");
        assertThat(read("-tp", "1").get(ServeSettings.TENSOR_PARALLEL)).isEqualTo(1);
    }

    @Test
    void theWordWinsOverTheFlagAndTheLastOfTwoOverTheFirst() {
        assertThat(read("--model", "a.gguf", "b.gguf").get(ServeSettings.MODEL_FILE))
                .isEqualTo("b.gguf");
        assertThat(read("b.gguf", "--model=a.gguf").get(ServeSettings.MODEL_FILE))
                .isEqualTo("b.gguf");
        assertThat(read("--port", "1", "--port", "2").get(ServeSettings.PORT)).isEqualTo(2);
    }

    @Test
    void switchesTakeNoWordAndHaveANoForm() {
        Settings settings = read("--enforce-eager", "model.gguf", "--no-enable-log-requests");
        assertThat(settings.get(ServeSettings.ENFORCE_EAGER)).isTrue();
        assertThat(settings.get(ServeSettings.LOG_REQUESTS)).isFalse();
        assertThat(settings.get(ServeSettings.MODEL_FILE)).isEqualTo("model.gguf");
        assertThat(read("--enforce-eager", "--no-enforce-eager").get(ServeSettings.ENFORCE_EAGER))
                .isFalse();
        assertThat(read("--enforce-eager=false").get(ServeSettings.ENFORCE_EAGER))
                .isFalse();
    }

    @Test
    void severalNamesAndKeys() {
        Settings settings = read("m.gguf", "--served-model-name", "a", "b", "--api-key", "x", "--api-key=y");
        assertThat(settings.all(ServeSettings.SERVED_MODEL_NAME)).containsExactly("a", "b");
        assertThat(settings.all(ServeSettings.API_KEY)).containsExactly("x", "y");
        assertThat(settings.get(ServeSettings.MODEL_FILE)).isEqualTo("m.gguf");
        assertThat(read("--api-key", "x", "m.gguf").get(ServeSettings.MODEL_FILE))
                .isEqualTo("m.gguf");
    }

    @Test
    void theCommandLineWinsOverTheEnvironmentAndThatOverTheFile() throws Exception {
        Path file = Files.writeString(folder.resolve("skein.yaml"), """
                port: 1
                host: file
                max_num_seqs: 7
                served-model-name: [from, file]
                enforce-eager: true
                no-disable-log-stats: false
                no-enable-prefix-caching: true
                """);
        Map<String, String> environment =
                Map.of("SKEIN_PORT", "2", "SKEIN_HOST", "env", "SKEIN_API_KEY", "k,l", "PATH", "x");
        Settings settings = read(environment, "--config", file.toString(), "--port", "3");
        assertThat(settings.get(ServeSettings.PORT)).isEqualTo(3);
        assertThat(settings.get(ServeSettings.HOST)).isEqualTo("env");
        assertThat(settings.get(ServeSettings.MAX_NUM_SEQS)).isEqualTo(7);
        assertThat(settings.get(ServeSettings.ENFORCE_EAGER)).isTrue();
        assertThat(settings.get(ServeSettings.DISABLE_LOG_STATS)).isTrue();
        assertThat(settings.get(ServeSettings.PREFIX_CACHING)).isFalse();
        assertThat(read("--config=" + file).get(ServeSettings.PORT)).isEqualTo(1);
        assertThat(settings.all(ServeSettings.SERVED_MODEL_NAME)).containsExactly("from", "file");
        assertThat(settings.all(ServeSettings.API_KEY)).containsExactly("k", "l");
        assertThat(read(environment, "--config", file.toString(), "--served-model-name", "line")
                        .all(ServeSettings.SERVED_MODEL_NAME))
                .containsExactly("line");
    }

    @Test
    void vllmsVariableIsOnlyForTheKey() {
        Settings settings = read(Map.of("VLLM_API_KEY", "v", "VLLM_PORT", "9"));
        assertThat(settings.all(ServeSettings.API_KEY)).containsExactly("v");
        assertThat(settings.get(ServeSettings.PORT)).isEqualTo(8000);
        assertThat(read(Map.of("VLLM_API_KEY", "v", "SKEIN_API_KEY", "s")).all(ServeSettings.API_KEY))
                .containsExactly("s");
    }

    @Test
    void secretsAreNotShown() {
        assertThat(read("--api-key", "geheim", "--port", "1").toString())
                .doesNotContain("geheim")
                .contains("port=1", "api-key=(1 hidden)", "max-num-seqs=256")
                .doesNotContain("swap-space", "max-log-len");
    }

    @ParameterizedTest
    @CsvSource({
        "--max-model-length, --max-model-len",
        "--prot, --port",
        "--max-num-sequences, --max-num-seqs",
        "--api-keys=x, --api-key",
        "--servedmodelname, --served-model-name",
        "--enable-prefix-cache, --enable-prefix-caching",
        "--kv-cache-type=x, --kv-cache-dtype"
    })
    void anUnknownFlagNamesTheNearest(String given, String nearest) {
        assertRefused(nearest, given, "1");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--quantization",
                "--enable-lora",
                "--tool-call-parser",
                "--reasoning-parser",
                "--enable-auto-tool-choice",
                "--limit-mm-per-prompt"
            })
    void nothingIsGuessedWhereNothingIsNear(String given) {
        assertRefused("there is no flag " + given + "; see skein serve --help", given, "1");
    }

    @Test
    void valuesThatHoldAnywayAreTaken() {
        Settings settings = read(
                "--no-enable-prefix-caching",
                "--enable-chunked-prefill",
                "--kv-cache-dtype",
                "auto",
                "--load-format",
                "auto",
                "--tokenizer-mode",
                "auto",
                "-dp",
                "1",
                "--disable-uvicorn-access-log",
                "--disable-fastapi-docs",
                "--enable-server-load-tracking",
                "--max-log-len",
                "100",
                "--num-gpu-blocks-override",
                "512",
                "--gpu-memory-utilization",
                "0.9",
                "--swap-space",
                "4",
                "--root-path",
                "/llm/");
        assertThat(settings.get(ServeSettings.ROOT_PATH)).isEqualTo("/llm");
        assertThat(read().toString()).doesNotContain("kv-cache-dtype", "fastapi");
    }

    @Test
    void strangeVariablesAreToldAbout() {
        assertThat(new SettingsReader(ServeSettings.ALL, ServeSettings.MODEL_FILE)
                        .strangers(Map.of(
                                "SKEIN_PROT", "1", "SKEIN_PORT", "1", "SKEIN_HOME", "x", "SKEIN_XYZ", "", "A", "")))
                .containsExactly(
                        "SKEIN_PROT is no setting and changes nothing; the nearest is SKEIN_PORT",
                        "SKEIN_XYZ is no setting and changes nothing");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--no-enable-chunked-prefill        | --enable-chunked-prefill can only be true: prompts are always prefilled",
                "--no-enable-server-load-tracking   | --enable-server-load-tracking can only be true",
                "--kv-cache-dtype=fp8               | --kv-cache-dtype is 'fp8'; the backend chooses",
                "--load-format=safetensors          | --load-format is 'safetensors'",
                "--tokenizer-mode=slow              | --tokenizer-mode is 'slow'",
                "--data-parallel-size=2             | --data-parallel-size is 2",
                "--gpu-memory-utilization=2         | --gpu-memory-utilization is '2'; it must be 0 to 1",
                "--swap-space=much                  | --swap-space is 'much'",
                "--num-scheduler-steps=0            | --num-scheduler-steps is 0",
                "--max-log-len=x                    | --max-log-len is 'x'",
                "--root-path=llm                    | --root-path is 'llm'; it must begin with /",
                "--override-generation-config={\"x\":1} | --override-generation-config holds x; it may hold max_new_tokens",
                "--override-generation-config=x     | --override-generation-config is no JSON",
            })
    void valuesThatDoNotHoldAreRefused(String given, String message) {
        assertRefused(message, given);
    }

    @ParameterizedTest
    @CsvSource({
        "--port=70000, --port is 70000; it must be 0 to 65535",
        "--port=http, --port is 'http'",
        "--max-num-seqs=0, --max-num-seqs is 0",
        "--max-model-len=0, --max-model-len is 0",
        "--tensor-parallel-size=0, --tensor-parallel-size is 0; it must be 1 to 64",
        "--block-size=32, --block-size is 32",
        "--dtype=float16, --dtype is 'float16'",
        "--cpu=neon, --cpu is 'neon'",
        "--enforce-eager=perhaps, --enforce-eager is 'perhaps'",
        "--shutdown-timeout=-1, --shutdown-timeout is '-1'",
        "--request-timeout=soon, --request-timeout is 'soon'",
        "--chat-template-content-format=openai, there is only auto"
    })
    void aWrongValueIsNamedWithItsBound(String given, String message) {
        assertRefused(message, given);
    }

    @Test
    void wrongUseIsRefused() {
        assertRefused("--port", "--port");
        assertRefused("second word", "a.gguf", "b.gguf");
        assertRefused("no file", "--config", folder.resolve("none.yaml").toString());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "port: 1\nport: 2",
                "max_num_seqs: 1\nmax-num-seqs: 2",
                "no-enforce-eager: perhaps",
                "no-port: 1",
                "port: [1, 2]",
                "port: {a: 1}",
                "ports: 1",
                "- 1",
                "port: \"",
                "config: other.yaml",
                "port:"
            })
    void aWrongFileIsRefused(String yaml) throws Exception {
        Path file = Files.writeString(folder.resolve("wrong.yaml"), yaml);
        assertRefused("wrong.yaml", "--config", file.toString());
    }

    @Test
    void anEmptyFileSaysNothing() throws Exception {
        Path file = Files.writeString(folder.resolve("empty.yaml"), "# nothing\n");
        assertThat(read("--config", file.toString()).get(ServeSettings.PORT)).isEqualTo(8000);
    }

    @ParameterizedTest
    @CsvSource({"2048, 2048", "1k, 1000", "1K, 1024", "1.5K, 1536", "2m, 2000000", "1M, 1048576", "auto, -1", "-1, -1"})
    void numbersTakeUnits(String text, int tokens) {
        assertThat(read("--max-model-len=" + text).get(ServeSettings.MAX_MODEL_LEN))
                .isEqualTo(tokens);
    }

    @Test
    void secondsTakeFractions() {
        assertThat(read("--shutdown-timeout", "1.5").get(ServeSettings.SHUTDOWN_TIMEOUT))
                .isEqualTo(Duration.ofMillis(1500));
    }

    @Test
    void helpNamesEveryFlagAndFitsAScreen() {
        String help = ServeHelp.text();
        assertThat(help).contains(ServeSettings.ALL.stream().map(Setting::flag).toList());
        assertThat(help.lines()).allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(112));
    }

    private static void assertRefused(String message, String... arguments) {
        assertThatThrownBy(() -> read(arguments))
                .isInstanceOfSatisfying(
                        CommandException.class, e -> assertThat(e.exitCode()).isEqualTo(2))
                .hasMessageContaining(message);
    }

    private static Settings read(String... arguments) {
        return read(Map.of(), arguments);
    }

    private static Settings read(Map<String, String> environment, String... arguments) {
        return new SettingsReader(ServeSettings.ALL, ServeSettings.MODEL_FILE)
                .read(Arrays.asList(arguments), environment);
    }

    @Test
    void readsASpeculativeConfig() {
        assertThat(read("--speculative-config", "{\"method\": \"ngram\", \"num_speculative_tokens\": 3}")
                        .get(ServeSettings.SPECULATIVE_CONFIG))
                .isEqualTo(new PromptLookup(3, 5, 5));
        assertThat(read(
                                "--speculative-config",
                                "{\"method\":\"ngram\",\"num_speculative_tokens\":3,\"prompt_lookup_min\":1,\"prompt_lookup_max\":4}")
                        .get(ServeSettings.SPECULATIVE_CONFIG))
                .isEqualTo(new PromptLookup(3, 1, 4));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "5 | must be a JSON object",
                "{\"method\":\"eagle\"} | there is ngram",
                "{\"method\":\"ngram\"} | num_speculative_tokens is 0",
                "{\"method\":\"ngram\",\"num_speculative_tokens\":\"5\"} | must be a whole number",
                "{\"method\":\"ngram\",\"num_speculative_tokens\":5,\"model\":\"x\"} | has [model]",
                "{\"method\":\"ngram\",\"num_speculative_tokens\":5,\"prompt_lookup_max\":0} | prompt_lookup_min is 0"
            })
    void refusesAnotherSpeculativeConfig(String text, String reason) {
        assertThatThrownBy(() -> read("--speculative-config", text)).hasMessageContaining(reason);
    }
}
