package dev.skein.gateway.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Real templates of many models, each with several conversations, against what Jinja2 itself made of them.
///
/// The templates are other people's and not in this repository: `make_template_goldens.py` fetches them once into the
/// cache folder and renders them there.
class ChatTemplateCorpusTest {
    private static final Path SCRIPT = Path.of("src/test/python/make_template_goldens.py");
    private static final Path CONVERSATIONS = Path.of("src/test/resources/templates/conversations.json");

    private static Path folder = Path.of("");

    @BeforeAll
    static void makeGoldens() throws Exception {
        folder = cacheHome().resolve("template-goldens").resolve(key());
        if (!Files.exists(folder.resolve("goldens.jsonl"))) {
            runMaker();
        }
    }

    private static Path cacheHome() {
        var home = System.getenv("SKEIN_HOME");
        if (home != null && !home.isEmpty()) {
            return Path.of(home);
        }
        var cache = System.getenv("XDG_CACHE_HOME");
        return (cache != null && !cache.isEmpty() ? Path.of(cache) : Path.of(System.getProperty("user.home"), ".cache"))
                .resolve("skein");
    }

    /// Changes with the script and the conversations, so that old goldens are never compared with new renders.
    private static String key() throws IOException, NoSuchAlgorithmException {
        var digest = MessageDigest.getInstance("SHA-256");
        digest.update(Files.readAllBytes(SCRIPT));
        digest.update(Files.readAllBytes(CONVERSATIONS));
        return HexFormat.of().formatHex(digest.digest()).substring(0, 16);
    }

    private static void runMaker() throws IOException, InterruptedException {
        var command = List.of(
                "python3", SCRIPT.toString(), "corpus", "--cache", cacheHome().toString());
        Process process;
        try {
            process = new ProcessBuilder(command).redirectErrorStream(true).start();
        } catch (IOException e) {
            fail("The goldens of real chat templates are made by Python: install python3 with venv and pip.", e);
            return;
        }
        var said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(15, TimeUnit.MINUTES)).as("the maker ends").isTrue();
        assertThat(process.exitValue())
                .as("'" + String.join(" ", command)
                        + "' needs python3 with venv and pip and a package index; it said:\n" + said)
                .isZero();
    }

    @Test
    void rendersEachConversationAsJinja() throws IOException {
        var lines = Files.readAllLines(folder.resolve("goldens.jsonl"));
        assertThat(lines.getFirst()).contains("\"jinja2\": \"3.1.6\"");
        var conversations = Golden.object(Files.readString(CONVERSATIONS));
        var failures = new ArrayList<String>();
        var templates = new HashMap<String, String>();
        for (var line : lines.subList(1, lines.size())) {
            check(Golden.object(line), conversations, templates, failures);
        }
        assertThat(failures)
                .as(failures.size() + " of " + (lines.size() - 1) + " renders differ")
                .isEmpty();
        assertThat(templates).hasSizeGreaterThanOrEqualTo(40);
        assertThat(conversations).hasSizeGreaterThanOrEqualTo(4);
        assertThat(lines).hasSize(1 + templates.size() * conversations.size() * 2);
    }

    private static void check(
            Map<String, Object> golden,
            Map<String, Object> conversations,
            Map<String, String> templates,
            List<String> failures)
            throws IOException {
        var file = Golden.text(golden, "template");
        var conversation = Golden.text(golden, "conversation");
        if (!templates.containsKey(file)) {
            templates.put(file, Files.readString(folder.resolve(file)));
        }
        var prompt = Objects.requireNonNull(golden.get("add_generation_prompt"));
        var variables = new HashMap<>(Golden.part(conversations, conversation));
        variables.put("add_generation_prompt", prompt);
        var name = file + ", " + conversation + ", prompt " + prompt;
        try {
            new Golden(golden).check(name, Objects.requireNonNull(templates.get(file)), variables);
        } catch (AssertionError | RuntimeException e) {
            failures.add(name + ": " + e);
        }
    }
}
