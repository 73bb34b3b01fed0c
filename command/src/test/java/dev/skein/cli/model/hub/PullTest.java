package dev.skein.cli.model.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.cli.CommandException;
import dev.skein.cli.model.Models;
import dev.skein.cli.model.Progress;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PullTest {
    private static final String OTHER_COMMIT = "f".repeat(40);
    private static final String TOKEN = "hf_secret";
    private static final byte[] CONFIG = bytes("{\"model_type\": \"llama\"}");
    private static final byte[] WEIGHTS = random(3_000_000, 1);
    private static final byte[] QUANTIZED = random(700_000, 2);

    private static final Patience PATIENCE = new Patience(
            4, Duration.ofMillis(2), Duration.ofSeconds(2), Duration.ofSeconds(20), Duration.ofSeconds(20));

    @TempDir
    private Path home;

    private final ByteArrayOutputStream said = new ByteArrayOutputStream();
    private final Map<String, String> environment = new HashMap<>();
    private final TestHub hub = new TestHub()
            .model(
                    "org/folder",
                    TestHub.COMMIT,
                    Map.of(
                            "config.json",
                            CONFIG,
                            "tokenizer.json",
                            bytes("{}"),
                            "README.md",
                            bytes("read me"),
                            "model.safetensors",
                            WEIGHTS,
                            "original/model.safetensors",
                            WEIGHTS,
                            "pytorch_model.bin",
                            bytes("pickled")))
            .model(
                    "org/files",
                    TestHub.COMMIT,
                    Map.of("a-Q8_0.gguf", WEIGHTS, "a.Q4_K_M.gguf", QUANTIZED, "of it/a (1)-F16.gguf", QUANTIZED));

    @AfterEach
    void end() {
        hub.close();
    }

    // --- What comes ---

    @Test
    void fetchesWhatAFolderNeedsAndNothingElse() throws Exception {
        Path folder = path("org/folder");
        assertThat(names(folder)).containsExactlyInAnyOrder("config.json", "tokenizer.json", "model.safetensors");
        assertThat(folder.resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(folder).isEqualTo(home.resolve("hub/org/folder").resolve(TestHub.COMMIT));
        assertThat(said()).contains("fetching org/folder: 3 files", "kept org/folder (3.00 MB)");
        assertThat(names(home.resolve("hub/org/folder")))
                .containsExactlyInAnyOrder(TestHub.COMMIT, TestHub.COMMIT + ".kept", ".lock");
    }

    @Test
    void fetchesOneQuantization() {
        assertThat(path("org/files")).hasFileName("a.Q4_K_M.gguf").hasBinaryContent(QUANTIZED);
        assertThat(path("org/files:q8_0")).hasFileName("a-Q8_0.gguf").hasBinaryContent(WEIGHTS);
        assertThat(path("org/files:f16"))
                .endsWith(Path.of("of it", "a (1)-F16.gguf"))
                .hasBinaryContent(QUANTIZED);
        assertThat(hub.ranges("a-Q8_0.gguf")).hasSize(1);
        assertThatThrownBy(() -> path("org/files:Q5_K_M"))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("Q4_K_M (700 kB)")
                .hasMessageContaining("Q8_0 (3.00 MB)");
    }

    @Test
    void whatIsKeptNeedsNoHub() {
        Path folder = path("org/folder");
        int asked = hub.seen().size();
        assertThat(path("org/folder")).isEqualTo(folder);
        assertThat(hub.seen()).hasSize(asked);
        hub.close();
        environment.put("HF_HUB_OFFLINE", "1");
        assertThat(path("org/folder")).isEqualTo(folder);
        environment.remove("HF_ENDPOINT");
        environment.remove("HF_HUB_OFFLINE");
        assertThat(models().path("org/folder", null)).isEqualTo(folder);
        assertThat(models().path("org/folder", TestHub.COMMIT.substring(0, 8))).isEqualTo(folder);
    }

    @Test
    void withoutAHubItSaysWhatToSet() {
        assertThatThrownBy(() -> models().path("org/folder", null)).hasMessageContaining("set HF_ENDPOINT");
        assertThatThrownBy(() -> models().pull().run(name("org/folder"), "main"))
                .hasMessageContaining("set HF_ENDPOINT");
        environment.put("HF_HUB_OFFLINE", "true");
        assertThatThrownBy(() -> path("org/folder")).hasMessageContaining("HF_HUB_OFFLINE forbids");
        environment.remove("HF_HUB_OFFLINE");
        path("org/files:Q8_0");
        environment.put("HF_HUB_OFFLINE", "on");
        assertThatThrownBy(() -> path("org/files"))
                .hasMessageContaining("org/files is not kept on this machine (but org/files:Q8_0)");
        assertThat(path("org/files:Q8_0")).exists();
    }

    @Test
    void aFileThatWasRemovedIsFetchedAgain() throws Exception {
        Path folder = path("org/folder");
        Files.delete(folder.resolve("config.json"));
        assertThat(path("org/folder").resolve("config.json")).hasBinaryContent(CONFIG);
        assertThat(hub.ranges("model.safetensors")).hasSize(1);
    }

    @Test
    void aNewCommitBringsOnlyWhatChanged() {
        path("org/folder");
        byte[] changed = bytes("{\"model_type\": \"qwen2\"}");
        hub.model("org/folder", OTHER_COMMIT, Map.of("config.json", changed, "model.safetensors", WEIGHTS));
        assertThat(path("org/folder").resolve("config.json")).hasBinaryContent(CONFIG);
        Path pulled = models().cache().entry(pull("org/folder", "main"));
        assertThat(pulled).hasFileName(OTHER_COMMIT);
        assertThat(pulled.resolve("config.json")).hasBinaryContent(changed);
        assertThat(pulled.resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(hub.ranges("model.safetensors")).hasSize(1);
        assertThat(path("org/folder")).isEqualTo(pulled);
        assertThat(models().path("org/folder", TestHub.COMMIT)).hasFileName(TestHub.COMMIT);
        pull("org/folder", TestHub.COMMIT);
        assertThat(path("org/folder")).isEqualTo(pulled);
    }

    @Test
    void revisionsWithSlashesAreNamesToo() {
        hub.revision("org/folder", "refs/pr/1", TestHub.COMMIT);
        pull("org/folder", "refs/pr/1");
        assertThat(hub.seen().getFirst().path()).isEqualTo("/api/models/org/folder/revision/refs%2Fpr%2F1");
        assertThat(models().path("org/folder", "refs/pr/1")).hasFileName(TestHub.COMMIT);
        assertThat(models().cache().find(name("org/folder"), "main")).isEmpty();
    }

    @Test
    void asksForWhatTheListingDoesNotSay() {
        hub.withoutBlobs();
        assertThat(path("org/folder").resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        hub.fault("config.json", TestHub.refusal(200));
        hub.model("org/bare", TestHub.COMMIT, Map.of("config.json", CONFIG, "model.safetensors", WEIGHTS));
        assertThatThrownBy(() -> path("org/bare"))
                .hasMessageContaining("tells no")
                .hasMessageContaining("config.json");
    }

    // --- Whom it trusts ---

    @Test
    void theTokenGoesToTheHubAlone() {
        environment.put("HF_TOKEN", TOKEN);
        path("org/folder");
        assertThat(hub.seen())
                .isNotEmpty()
                .allMatch(seen -> seen.authorization().equals("Bearer " + TOKEN));
        assertThat(hub.stored())
                .isNotEmpty()
                .allMatch(seen -> seen.authorization().isEmpty());
        assertThat(said()).doesNotContain(TOKEN);
    }

    @Test
    void aModelThatMovedIsFollowedWithTheToken() {
        environment.put("HF_TOKEN", TOKEN);
        hub.fault("old/name", TestHub.redirect("/api/models/org/folder/revision/main?blobs=true"));
        hub.model("org/folder", TestHub.COMMIT, Map.of("config.json", CONFIG, "model.safetensors", WEIGHTS));
        hub.model("old/name", TestHub.COMMIT, Map.of("config.json", CONFIG, "model.safetensors", WEIGHTS));
        path("old/name");
        assertThat(hub.seen().get(1).path()).isEqualTo("/api/models/org/folder/revision/main");
        assertThat(hub.seen().get(1).authorization()).isNotEmpty();
    }

    @Test
    void redirectsHaveAnEnd() {
        TestHub.Fault again = TestHub.redirect("/api/models/org/folder/revision/main");
        hub.fault("org/folder", again, again, again, again, again, again);
        assertThatThrownBy(() -> path("org/folder")).hasMessageContaining("more than 5 times");
        hub.fault("org/files", TestHub.redirect("file:///etc/passwd"));
        assertThatThrownBy(() -> path("org/files")).hasMessageContaining("not a safe one");
    }

    @ParameterizedTest
    @CsvSource({"../../evil.safetensors", "/etc/evil", "a//b", "./a", "a\\..\\b", "'a\nb'", "''"})
    void namesThatCouldLeadOutOfTheFolderAreRefused(String evil) throws Exception {
        hub.model(
                "org/evil", TestHub.COMMIT, Map.of("config.json", CONFIG, "model.safetensors", WEIGHTS, evil, CONFIG));
        assertThatThrownBy(() -> path("org/evil"))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("no name below a folder")
                .hasMessageNotContaining("\n");
        assertThat(home.resolve("hub")).doesNotExist();
    }

    @Test
    void aListingThatIsNoneIsRefused() {
        hub.fault("org/folder", TestHub.instead(bytes("<html>Log in to this network</html>")));
        assertThatThrownBy(() -> path("org/folder")).hasMessageContaining("not JSON");
        hub.fault("org/folder", TestHub.instead(bytes("{\"sha\": \"../..\", \"siblings\": []}")));
        assertThatThrownBy(() -> path("org/folder")).hasMessageContaining("lacks the commit");
    }

    // --- What goes wrong on the way ---

    @Test
    void aCutConnectionGoesOnWhereItWas() {
        hub.fault("model.safetensors", TestHub.cutAfter(1_000_000), TestHub.cutAfter(500_000), TestHub.cutAfter(1));
        assertThat(path("org/folder").resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        List<String> ranges = hub.ranges("model.safetensors");
        assertThat(ranges).hasSize(4).first().isEqualTo("");
        assertThat(ranges.subList(1, 4)).allMatch(range -> range.matches("bytes=[1-9]\\d*-"));
        assertThat(said()).contains("model.safetensors: the connection broke", "trying again in");
    }

    @Test
    void aPullThatGaveUpIsTakenUpByTheNext() throws Exception {
        hub.fault("model.safetensors", TestHub.cutAfter(900_000));
        hub.fault("model.safetensors", TestHub.refusal(503), TestHub.refusal(500), TestHub.refusal(502));
        assertThatThrownBy(() -> path("org/folder"))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("answers 502, 4 times in a row")
                .hasMessageContaining("the next pull goes on from there");
        assertThat(models().cache().all()).isEmpty();
        Path part = home.resolve("hub/org/folder/" + TestHub.COMMIT + ".parts/model.safetensors");
        long size = Files.size(part);
        assertThat(size).isPositive();
        assertThat(path("org/folder").resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(hub.ranges("model.safetensors").getLast()).isEqualTo("bytes=" + size + "-");
        assertThat(part.getParent()).doesNotExist();
    }

    @Test
    void aPartThatIsWrongIsFetchedAnew() throws Exception {
        Path parts = Files.createDirectories(home.resolve("hub/org/folder/" + TestHub.COMMIT + ".parts"));
        Files.write(parts.resolve("model.safetensors"), random(1_000_000, 9));
        Files.write(parts.resolve("config.json"), random(1_000_000, 9));
        assertThat(path("org/folder").resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(path("org/folder").resolve("config.json")).hasBinaryContent(CONFIG);
        assertThat(hub.ranges("model.safetensors")).containsExactly("bytes=1000000-", "");
    }

    @Test
    void aHubThatKnowsNoRangesIsStartedAnew() {
        hub.fault("model.safetensors", TestHub.cutAfter(1_000_000), TestHub.rangeUnheeded());
        assertThat(path("org/folder").resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    }

    @Test
    void aRangeOfOtherBytesIsNotTaken() {
        hub.fault("model.safetensors", TestHub.cutAfter(1_000_000), (exchange, content, from) -> {
            exchange.getResponseHeaders().set("Content-Range", "bytes 0-2999999/3000000");
            exchange.sendResponseHeaders(206, content.length);
            exchange.getResponseBody().write(content);
            exchange.close();
        });
        assertThat(path("org/folder").resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    }

    @Test
    void anotherSizeIsRefused() throws Exception {
        hub.fault("model.safetensors", TestHub.instead(random(2_999_999, 1)));
        assertRefused("has 2999999 bytes or more and should have 3000000");
        hub.fault("model.safetensors", TestHub.unannounced(random(3_000_001, 1)));
        assertRefused("and should have 3000000");
    }

    @Test
    void anotherHashIsRefused() throws Exception {
        byte[] changed = WEIGHTS.clone();
        changed[changed.length - 1] ^= 1;
        hub.fault("model.safetensors", TestHub.instead(changed));
        assertRefused("has the hash " + TestHub.sha256(changed) + " and should have " + TestHub.sha256(WEIGHTS));
    }

    @Test
    void anotherHashOfASmallFileIsRefused() throws Exception {
        byte[] changed = bytes("{\"model_type\": \"mamba\"}");
        hub.fault("config.json", TestHub.instead(changed));
        assertRefused("config.json has the hash " + TestHub.git(changed));
    }

    private void assertRefused(String message) throws IOException {
        assertThatThrownBy(() -> path("org/folder"))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining(message)
                .hasMessageContaining("Nothing of it was kept");
        assertThat(models().cache().all()).isEmpty();
        String file = message.startsWith("config") ? "config.json" : "model.safetensors";
        try (Stream<Path> all = Files.walk(home)) {
            assertThat(all.map(path -> path.getFileName().toString())).doesNotContain(file);
        }
    }

    @Test
    void silenceIsCutAndTheRestFetched() {
        CountDownLatch never = new CountDownLatch(1);
        hub.fault("model.safetensors", TestHub.silentAfter(1_000_000, new CountDownLatch(1), never));
        environment.put("HF_ENDPOINT", hub.address().toString());
        Patience hasty = new Patience(
                4, Duration.ofMillis(2), Duration.ofSeconds(2), Duration.ofSeconds(20), Duration.ofMillis(500));
        assertThat(models(hasty).path("org/folder", null).resolve("model.safetensors"))
                .hasBinaryContent(WEIGHTS);
        assertThat(said()).contains("no byte came for 0.5 s");
        never.countDown();
    }

    @Test
    void waitsAsLongAsTheHubAsks() {
        hub.fault("org/folder", TestHub.refusal(429, "Retry-After", "0"), TestHub.refusal(503, "Retry-After", "1"));
        hub.fault("model.safetensors", TestHub.refusal(429, "Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT"));
        assertThat(path("org/folder")).exists();
        assertThat(said())
                .contains("the hub answers 429 (too many requests); trying again in 0.0 s")
                .contains("the hub answers 503; trying again in 1.0 s (3 of 4)");
        hub.fault("org/files", TestHub.refusal(429, "Retry-After", "3600"));
        assertThatThrownBy(() -> path("org/files")).hasMessageContaining("asks to come again in 3600 s");
        assertThat(hub.seen().stream().filter(seen -> seen.path().contains("org/files")))
                .hasSize(1);
    }

    @Test
    void givesUpAfterSoManyTimes() {
        TestHub.Fault broken = TestHub.refusal(500);
        hub.fault("org/folder", broken, broken, broken, broken, broken);
        assertThatThrownBy(() -> path("org/folder")).hasMessageContaining("answers 500, 4 times in a row");
        assertThat(hub.seen()).hasSize(4);
        hub.close();
        assertThatThrownBy(() -> path("org/folder")).hasMessageContaining("nothing listens there");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            401 | RepoNotFound     | ''   | there is no model org/folder at | then set HF_TOKEN
            401 | ''               | ''   | there is no model org/folder at | then set HF_TOKEN
            401 | ''               | t    | there is no model org/folder at | the token of HF_TOKEN may not read it
            401 | GatedRepo        | ''   | org/folder is gated             | accept its terms on the model's page, then set HF_TOKEN
            403 | GatedRepo        | t    | org/folder is gated             | was not given access
            403 | ''               | t    | the hub refuses org/folder (403 | has the token of HF_TOKEN the right
            404 | RevisionNotFound | ''   | org/folder has no revision      | a branch, a tag or a commit
            404 | RepoNotFound     | t    | there is no model org/folder    | (404)
            404 | ''               | ''   | there is no model org/folder    | (404)
            418 | ''               | ''   | the hub answers 418             | org/folder
            """)
    void refusalsSayWhatToDo(int status, String code, String token, String what, String then) {
        environment.put("HF_TOKEN", token);
        hub.fault("org/folder", TestHub.refusal(status, "X-Error-Code", code));
        assertThatThrownBy(() -> path("org/folder"))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining(what)
                .hasMessageContaining(then);
        assertThat(hub.seen()).hasSize(1);
    }

    @Test
    void aTokenThatTheHubDoesNotKnowIsNamedAsSuch() {
        environment.put("HF_TOKEN", TOKEN);
        hub.fault("org/folder", TestHub.refusal(401, "X-Error-Message", "Invalid credentials in Authorization header"));
        assertThatThrownBy(() -> path("org/folder"))
                .hasMessageContaining("does not know the token of HF_TOKEN")
                .hasMessageNotContaining(TOKEN);
    }

    @Test
    void aFileOfAGatedModelIsRefusedThoughItIsListed() {
        hub.fault("config.json", TestHub.refusal(401, "X-Error-Code", "GatedRepo"));
        assertThatThrownBy(() -> path("org/folder")).hasMessageContaining("org/folder is gated");
        hub.fault("config.json", TestHub.refusal(404, "X-Error-Code", "EntryNotFound"));
        assertThatThrownBy(() -> path("org/folder"))
                .hasMessageContaining("org/folder/config.json is not there at this revision");
        hub.fault("model.safetensors", TestHub.refusal(403));
        assertThatThrownBy(() -> path("org/folder")).hasMessageContaining("the storage that the hub names answers 403");
    }

    @Test
    void aModelAndARevisionThatAreNotThere() {
        assertThatThrownBy(() -> path("org/none")).hasMessageContaining("there is no model org/none");
        assertThatThrownBy(() -> pull("org/folder", "v2")).hasMessageContaining("org/folder has no revision 'v2'");
    }

    // --- This machine ---

    @Test
    void aFullDiskLeavesWhatCame() throws Exception {
        Path parts = Files.createDirectories(home.resolve("hub/org/folder/" + TestHub.COMMIT + ".parts"));
        Path full = Files.createSymbolicLink(parts.resolve("model.safetensors"), Path.of("/dev/full"));
        assertThatThrownBy(() -> path("org/folder"))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("No space left on device")
                .hasMessageContaining("skein model rm");
        assertThat(models().cache().all()).isEmpty();
        Files.delete(full);
        assertThat(path("org/folder").resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    }

    @Test
    void whatCannotFitIsNotBegun() {
        hub.fault("org/files", TestHub.instead(bytes("""
                        {"sha": "%s", "siblings": [{"rfilename": "a-Q8_0.gguf",
                        "lfs": {"sha256": "%s", "size": %d}}]}""".formatted(TestHub.COMMIT, "a".repeat(64), 1L << 50))));
        assertThatThrownBy(() -> path("org/files"))
                .hasMessageContaining("org/files takes 1126 TB")
                .hasMessageContaining("SKEIN_HOME");
        assertThat(hub.stored()).isEmpty();
    }

    @Test
    void aFolderThatCannotBeMadeIsNamed() throws Exception {
        Files.writeString(home.resolve("hub"), "a file");
        assertThatThrownBy(() -> path("org/folder"))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("SKEIN_HOME");
    }

    @Test
    void twoProcessesFetchOnce() throws Exception {
        CountDownLatch silent = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        hub.fault("model.safetensors", TestHub.silentAfter(1_000_000, silent, goOn));
        Process first = process("org/folder");
        silent.await();
        Process second = process("org/folder");
        awaitLine(second, "waiting for it");
        goOn.countDown();
        assertThat(List.of(first.waitFor(), second.waitFor())).containsOnly(0);
        assertThat(output(first)).isEqualTo(output(second)).contains(TestHub.COMMIT);
        assertThat(hub.ranges("model.safetensors")).hasSize(1);
        assertThat(hub.ranges("config.json")).hasSize(1);
    }

    @Test
    void anInterruptedProcessIsTakenUp() throws Exception {
        CountDownLatch silent = new CountDownLatch(1);
        hub.fault("model.safetensors", TestHub.silentAfter(2_000_000, silent, new CountDownLatch(1)));
        Process process = process("org/folder");
        silent.await();
        Path part = home.resolve("hub/org/folder/" + TestHub.COMMIT + ".parts/model.safetensors");
        while (!Files.exists(part) || Files.size(part) < 2_000_000) {
            assertThat(process.isAlive()).isTrue();
            Thread.sleep(10);
        }
        new ProcessBuilder("kill", "-INT", String.valueOf(process.pid()))
                .start()
                .waitFor();
        assertThat(process.waitFor()).isEqualTo(130);
        assertThat(models().cache().all()).isEmpty();
        assertThat(path("org/folder").resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(hub.ranges("model.safetensors")).containsExactly("", "bytes=2000000-");
    }

    // --- Tools ---

    private Process process(String model) throws IOException {
        // Where this test runs in a shell's background, SIGINT is ignored, and a child would inherit that.
        ProcessBuilder builder = new ProcessBuilder(
                "env",
                "--default-signal=INT",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                PullProcess.class.getName(),
                model);
        builder.environment()
                .putAll(Map.of(
                        "SKEIN_HOME",
                        home.toString(),
                        "HF_ENDPOINT",
                        hub.address().toString(),
                        "HF_HUB_OFFLINE",
                        "0"));
        return builder.start();
    }

    private static void awaitLine(Process process, String text) throws IOException {
        String line;
        do {
            line = process.errorReader().readLine();
            assertThat(line).as("a line with '%s'", text).isNotNull();
        } while (!line.contains(text));
    }

    private static String output(Process process) throws IOException {
        return process.inputReader().readAllAsString();
    }

    private Path path(String model) {
        environment.put("HF_ENDPOINT", hub.address().toString());
        return models().path(model, null);
    }

    private KeptModel pull(String model, String revision) {
        environment.put("HF_ENDPOINT", hub.address().toString());
        return models().pull().run(name(model), revision);
    }

    private Models models() {
        return models(PATIENCE);
    }

    private Models models(Patience patience) {
        environment.put("SKEIN_HOME", home.toString());
        Progress progress = new Progress(new PrintStream(said, true, StandardCharsets.UTF_8), false);
        return new Models(environment, "test", patience, progress);
    }

    private String said() {
        return said.toString(StandardCharsets.UTF_8);
    }

    private static HubName name(String text) {
        return HubName.of(text).orElseThrow();
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] random(int length, int seed) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }
}
