package dev.skein.loadtest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.loadtest.measure.Goal;
import dev.skein.loadtest.plan.Dialect;
import dev.skein.loadtest.plan.Load;
import dev.skein.loadtest.plan.Pattern;
import dev.skein.loadtest.plan.Prefix;
import dev.skein.loadtest.plan.Sizes;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PeerTest {
    private static final Duration PATIENCE = Duration.ofSeconds(120);

    private final LoadTest test = new LoadTest(
            new Load(
                    new Pattern.Clients(1),
                    1,
                    new Sizes.Spread(Sizes.Range.parse("1"), Sizes.Range.parse("1")),
                    Prefix.NONE,
                    Dialect.CHAT,
                    new JsonObject(),
                    1),
            Goal.NONE,
            Duration.ofSeconds(10),
            _ -> {});
    private Address address = new Address("http://127.0.0.1:1", null, null);

    @TempDir
    Path folder;

    @BeforeEach
    void choosePort() throws Exception {
        try (ServerSocket free = new ServerSocket(0)) {
            address = new Address("http://127.0.0.1:" + free.getLocalPort(), null, null);
        }
    }

    @AfterEach
    void close() {
        test.close();
    }

    /// A server of files that is ready, as a grandchild of the shell.
    private String files() throws Exception {
        Files.writeString(folder.resolve("health"), "ok");
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        String port = address.url().substring(address.url().lastIndexOf(':') + 1);
        return "sh -c 'echo starting; \"" + java + "\" -m jdk.httpserver -b 127.0.0.1 -d " + folder + " -p " + port
                + "; echo ended'";
    }

    private static List<ProcessHandle> children() {
        return ProcessHandle.current().descendants().toList();
    }

    /** A killed process takes a moment to end, and an orphan counts as alive for as long as the system's first process lets it lie. */
    private static void awaitEnd(List<ProcessHandle> processes) throws Exception {
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (processes.stream().anyMatch(PeerTest::runs) && System.nanoTime() < until) {
            Thread.sleep(20);
        }
        assertThat(processes).noneMatch(PeerTest::runs);
    }

    private static boolean runs(ProcessHandle process) {
        try {
            String status = Files.readString(Path.of("/proc/" + process.pid() + "/stat"));
            return status.charAt(status.lastIndexOf(')') + 2) != 'Z';
        } catch (IOException gone) {
            return false;
        }
    }

    @Test
    void aPeerIsStartedAndEndedWithItsChildren() throws Exception {
        String command = files();
        List<ProcessHandle> started;
        try (Peer _ = test.startPeer(command, address, PATIENCE)) {
            started = children();
            assertThat(started).hasSizeGreaterThanOrEqualTo(2).allMatch(ProcessHandle::isAlive);
            assertThatThrownBy(() -> test.startPeer(command, address, PATIENCE))
                    .hasMessageContaining("something answers at " + address.url());
        }
        awaitEnd(started);
        awaitEnd(children());
    }

    @Test
    void aPeerThatEndsIsToldWithItsLastLines() {
        assertThatThrownBy(() -> test.startPeer("echo no such model >&2; exit 3", address, PATIENCE))
                .isInstanceOf(LoadException.class)
                .hasMessageContaining("ended with code 3 before it answered; its last lines:\n  no such model");
        assertThatThrownBy(() -> test.startPeer("exit 4", address, PATIENCE))
                .hasMessageContaining("it printed nothing");
    }

    @Test
    void aPeerThatNeverAnswersIsEnded() throws Exception {
        assertThatThrownBy(() -> test.startPeer(
                        "trap '' TERM; sleep 600 & echo loading; wait; sleep 600", address, Duration.ofSeconds(1)))
                .isInstanceOf(LoadException.class)
                .hasMessageContaining("did not answer at " + address.url() + " within 1 s")
                .hasMessageContaining("loading");
        awaitEnd(children());
    }

    @Test
    void stoppingEndsTheWait() throws Exception {
        test.stop();
        assertThatThrownBy(() -> test.startPeer("sleep 600", address, PATIENCE))
                .hasMessageContaining("before anything was measured");
        awaitEnd(children());
    }

    @Test
    void thePortOfACommandSaysWhereItAnswers() {
        assertThat(Peer.url("llama-server -m a.gguf --port 8081 -t 2")).isEqualTo("http://127.0.0.1:8081");
        assertThat(Peer.url("vllm serve goose --port=9000")).isEqualTo("http://127.0.0.1:9000");
        assertThatThrownBy(() -> Peer.url("llama-server -p 8081")).hasMessageContaining("--peer-url");
    }
}
