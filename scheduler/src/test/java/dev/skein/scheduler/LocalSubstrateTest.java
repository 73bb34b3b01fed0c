package dev.skein.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.GroupSpec;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// Children are small shell scripts that speak as ranks do.
class LocalSubstrateTest {
    private static final GroupSpec SPEC = new GroupSpec("g", "model", 1, "what to serve");

    private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
    private final BlockingQueue<String> log = new LinkedBlockingQueue<>();

    @Test
    void relaysReportsAndDrains() throws Exception {
        LocalSubstrate substrate = start("""
                read order
                echo "$order" >&2
                echo '{"phase":"listening","port":4711}'
                echo '{"phase":"progress","detail":"weights"}'
                echo '{"phase":"ready","detail":"warm"}'
                read line
                [ "$line" = drain ] && exit 0
                exit 9
                """);
        Event.Spawned spawned = (Event.Spawned) next();
        assertThat(ProcessHandle.of(spawned.processId())).isPresent();
        assertThat(next()).isEqualTo(new Event.Listening(0, 7, 4711));
        assertThat(next()).isEqualTo(new Event.Progress(0, 7, "weights"));
        assertThat(next()).isEqualTo(new Event.Ready(0, 7, "warm"));
        RankOrder order = RankOrder.of(log.take());
        assertThat(order).isEqualTo(new RankOrder("g", 0, "", spawned.token(), order.askedMillis(), "what to serve"));
        assertThat(spawned.token()).hasSize(64);
        substrate.drain(SPEC, 0, 7);
        assertThat(((Event.Exited) next()).reason()).startsWith("ended with exit code 0");
    }

    @Test
    void tellsTheLastWords() throws Exception {
        start("echo first >&2; echo 'no room for the weights' >&2; echo '  ' >&2; echo '12:00 INFO fine' >&2; exit 3");
        next();
        assertThat(next())
                .isEqualTo(new Event.Exited(
                        0, 7, "ended with exit code 3; its last words: no room for the weights", false));
    }

    @Test
    void tellsAFailureThatTheRankReports() throws Exception {
        start(
                "echo '{\"phase\":\"failed\",\"reason\":\"the file ends early\",\"hopeless\":true}'; echo noise >&2; exit 1");
        next();
        assertThat(next()).isEqualTo(new Event.Exited(0, 7, "the file ends early", true));
    }

    @Test
    void closingKillsChildrenThatDoNotListen() throws Exception {
        LocalSubstrate substrate = start("trap '' TERM; while :; do sleep 1; done");
        next();
        substrate.close();
        assertThat(((Event.Exited) next()).reason()).isEqualTo("ended by signal 9");
        substrate.kill(SPEC, 0, 7);
        substrate.drain(SPEC, 0, 7);
    }

    @Test
    void aCommandThatDoesNotExistIsAnExit() throws Exception {
        new LocalSubstrate(List.of("/no/such/command"), 0, () -> 1 << 30, log::add).start(SPEC, 0, 7, events::add);
        assertThat(((Event.Exited) next()).reason()).startsWith("cannot start a process");
    }

    @Test
    void reportsSurviveTheirLine() {
        List<RankReport> all = List.of(
                new RankReport.Listening(1),
                new RankReport.Progress("a \"b\"\n"),
                new RankReport.Ready(""),
                new RankReport.Failed("why", true));
        assertThat(all)
                .allSatisfy(report -> assertThat(RankReport.of(report.line())).contains(report));
        assertThat(List.of("", "# A fatal error", "{", "{\"phase\":7}", "{\"phase\":\"other\"}", "[]"))
                .allSatisfy(line -> assertThat(RankReport.of(line)).isEmpty());
    }

    private LocalSubstrate start(String script) {
        LocalSubstrate substrate = new LocalSubstrate(List.of("sh", "-c", script), 0, () -> 1 << 30, log::add);
        substrate.start(SPEC, 0, 7, events::add);
        return substrate;
    }

    private Event next() throws InterruptedException {
        Event event = events.poll(30, TimeUnit.SECONDS);
        assertThat(event).isNotNull();
        return event;
    }
}
