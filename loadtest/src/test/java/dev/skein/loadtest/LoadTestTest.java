package dev.skein.loadtest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.loadtest.measure.Goal;
import dev.skein.loadtest.measure.Outcome;
import dev.skein.loadtest.measure.Summary;
import dev.skein.loadtest.plan.Dialect;
import dev.skein.loadtest.plan.Load;
import dev.skein.loadtest.plan.Pattern;
import dev.skein.loadtest.plan.Prefix;
import dev.skein.loadtest.plan.Sizes;
import dev.skein.loadtest.report.Report;
import dev.skein.loadtest.report.Side;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.json.JsonObject;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.function.BiConsumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LoadTestTest {
    private @Nullable ScriptedServer server;
    private @Nullable LoadTest test;

    @AfterEach
    void close() throws Exception {
        if (test != null) {
            test.close();
        }
        if (server != null) {
            server.close();
        }
    }

    private static Load load(Pattern pattern, int requests) {
        Sizes sizes = new Sizes.Spread(Sizes.Range.parse("5"), Sizes.Range.parse("5"));
        return new Load(pattern, requests, sizes, Prefix.NONE, Dialect.COMPLETIONS, new JsonObject(), 7);
    }

    private ScriptedServer serve(BiConsumer<Integer, HttpServerResponse> script) throws Exception {
        return server = new ScriptedServer(script);
    }

    private Report run(ScriptedServer server, Pattern pattern, int requests, int runs) {
        return run(server, pattern, requests, runs, Duration.ofSeconds(60));
    }

    private Report run(ScriptedServer server, Pattern pattern, int requests, int runs, Duration silence) {
        test = new LoadTest(load(pattern, requests), Goal.NONE, silence, _ -> {});
        return test.run(new Address(server.url() + "/v1/", "secret", null), null, runs);
    }

    private void answer(HttpServerResponse response) {
        Objects.requireNonNull(server).three(response);
    }

    @Test
    void clientsAskAgainWhenTheyHaveTheirAnswer() throws Exception {
        ScriptedServer server = serve((_, response) -> answer(response));
        Report report = run(server, new Pattern.Clients(3), 10, 2);
        Side side = report.sides().getFirst();
        assertThat(side.model()).isEqualTo("goose");
        assertThat(side.software()).isEqualTo("nest 1.2");
        assertThat(side.runs()).hasSize(2);
        // The warm-up asks too, and nothing is asked twice.
        assertThat(server.bodies).hasSize(30);
        assertThat(server.bodies).allMatch(body -> "Bearer secret".equals(body.getString("key")));
        assertThat(server.most).hasValueLessThanOrEqualTo(3);
        Summary run = side.runs().getFirst();
        assertThat(run.completed()).isEqualTo(10);
        assertThat(run.outputTokens()).isEqualTo(50);
        assertThat(run.itl().count()).isEqualTo(20);
        // The server waits 20 ms between the second piece and the third.
        assertThat(run.itl().most()).isGreaterThan(5);
        assertThat(run.e2el().least()).isGreaterThan(5);
        assertThat(report.ended()).isNull();
    }

    /// Whatever the server does, times count from the plan's.
    @Test
    void anOpenLoopAsksWhenItsPlanSays() throws Exception {
        ScriptedServer server = serve((_, response) -> answer(response));
        Pattern.Rate rate = new Pattern.Rate(400, 1, 0);
        Summary run = run(server, rate, 20, 1).sides().getFirst().runs().getFirst();
        long[] due = load(rate, 20).due(rate, 1);
        assertThat(run.observations()).hasSize(20);
        for (int i = 0; i < 20; i++) {
            assertThat(run.observations().get(i).due()).isEqualTo(due[i]);
            assertThat(run.observations().get(i).sent()).isGreaterThanOrEqualTo(due[i]);
        }
    }

    @Test
    void aBoundOfAnOpenLoopDelaysWithoutMovingWhatWasDue() throws Exception {
        ScriptedServer server = serve((_, response) -> answer(response));
        Pattern.Rate rate = new Pattern.Rate(10_000, Double.POSITIVE_INFINITY, 2);
        Summary run = run(server, rate, 10, 1).sides().getFirst().runs().getFirst();
        assertThat(server.most).hasValueLessThanOrEqualTo(2);
        assertThat(run.observations().get(9).due()).isEqualTo(900_000);
        // Eight answers of 20 ms went before the last, two at a time; a timer may fire a little early.
        assertThat(run.ttft().most()).isGreaterThan(4 * 15);
    }

    @Test
    void whatFailsIsCountedByCause() throws Exception {
        ScriptedServer server = serve((n, response) -> {
            switch (n % 8) {
                case 0 -> answer(response);
                case 1 -> response.setStatusCode(503).end("{\"error\":{\"message\":\"full\"}}");
                case 2 -> response.end(ScriptedServer.piece("a") + "data: {\"error\":{\"message\":\"lost\"}}\n\n");
                case 3 -> response.end("data: nonsense\n\n");
                case 4 -> response.end(ScriptedServer.piece("a"));
                case 5 -> response.write(ScriptedServer.piece("a")).onComplete(_ -> response.reset());
                case 6 -> response.end(ScriptedServer.bytes(9 << 20));
                default -> response.write(ScriptedServer.piece("a"));
            }
        });
        Report report = run(server, new Pattern.Clients(8), 16, 1, Duration.ofSeconds(2));
        Summary run = report.sides().getFirst().runs().getFirst();
        assertThat(run.completed()).isEqualTo(2);
        assertThat(run.failed()).isEqualTo(14);
        assertThat(run.failures())
                .hasSize(7)
                .allSatisfy((_, those) -> assertThat(those.count()).isEqualTo(2));
        assertThat(run.failures().keySet())
                .containsExactlyInAnyOrder(
                        "HTTP 503",
                        "an error within the stream",
                        "an event that is not of OpenAI's form",
                        "a stream that ended early",
                        "a connection that broke",
                        "an answer too large to keep",
                        "no answer in time");
        assertThat(report.text()).contains("2 of 16 requests failed by HTTP 503, such as: full");
    }

    /// As llama-server does after a stream: the connection is closed without a word, when it may be in use again.
    @Test
    void aKeptConnectionThatIsClosedCountsForNothing() throws Exception {
        ScriptedServer server = serve((n, response) -> {
            if (n % 2 == 0) {
                answer(response);
            } else {
                response.reset();
            }
        });
        Summary run = run(server, new Pattern.Clients(1), 4, 1)
                .sides()
                .getFirst()
                .runs()
                .getFirst();
        assertThat(run.completed()).isEqualTo(4);
        // Four of the warm-up and four of the run; all but the first were asked twice.
        assertThat(server.asked).hasValue(15);
    }

    @Test
    void aRunOfFailuresEndsTheTestAndKeepsWhatWasMeasured() throws Exception {
        ScriptedServer server = serve((n, response) -> {
            if (n < 8) {
                answer(response);
            } else {
                response.setStatusCode(500).end("{\"error\":{\"message\":\"no more\"}}");
            }
        });
        Report report = run(server, new Pattern.Clients(2), 4, 3);
        assertThat(report.sides().getFirst().runs()).hasSize(1);
        assertThat(report.ended()).contains("all 4 requests of a run to", "4 by HTTP 500 (no more)");
    }

    @Test
    void nothingButFailuresIsNoReport() throws Exception {
        ScriptedServer server =
                serve((_, response) -> response.setStatusCode(400).end("{\"error\":{\"message\":\"bad\"}}"));
        assertThatThrownBy(() -> run(server, new Pattern.Clients(2), 4, 1))
                .isInstanceOf(LoadException.class)
                .hasMessageContaining("4 by HTTP 400 (bad)");
    }

    @Test
    void aServerThatGoesAwayIsACauseLikeOthers() throws Exception {
        ScriptedServer server = serve((n, response) -> {
            answer(response);
            if (n == 6) {
                Objects.requireNonNull(this.server).vertx.close();
            }
        });
        Report report = run(server, new Pattern.Clients(1), 4, 5);
        assertThat(report.sides().getFirst().runs()).hasSize(1);
        assertThat(report.ended()).contains("all 4 requests").contains("a connection refused");
    }

    @Test
    void stoppingBreaksOffWhatIsOpenAndKeepsWhatWasAnswered() throws Exception {
        CountDownLatch stuck = new CountDownLatch(2);
        ScriptedServer server = serve((n, response) -> {
            if (n < 15) {
                answer(response);
            } else {
                response.write(ScriptedServer.piece("a"));
                stuck.countDown();
            }
        });
        Thread stopper = Thread.ofVirtual().start(() -> {
            try {
                stuck.await();
                Objects.requireNonNull(test).stop();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        Report report = run(server, new Pattern.Clients(2), 10, 3);
        stopper.join();
        Summary run = report.sides().getFirst().runs().getFirst();
        assertThat(run.completed()).isEqualTo(5);
        assertThat(run.cut()).isEqualTo(2);
        assertThat(run.failed()).isZero();
        assertThat(run.observations())
                .filteredOn(o -> o.outcome() instanceof Outcome.Cut)
                .hasSize(2);
        assertThat(report.ended()).contains("before all runs were measured");
    }

    @Test
    void twoServersTakeTurns() throws Exception {
        try (ScriptedServer other =
                new ScriptedServer((_, response) -> response.end(ScriptedServer.piece("x") + ScriptedServer.END))) {
            ScriptedServer server = serve((_, response) -> answer(response));
            test = new LoadTest(load(new Pattern.Clients(2), 4), Goal.NONE, Duration.ofSeconds(60), _ -> {});
            Report report = test.run(new Address(server.url(), null, "first"), new Address(other.url(), null, null), 2);
            assertThat(report.sides())
                    .hasSize(2)
                    .allSatisfy(side -> assertThat(side.runs()).hasSize(2));
            assertThat(server.bodies).allMatch(body -> "first".equals(body.getString("model")));
            assertThat(prompts(server)).isEqualTo(prompts(other));
            assertThat(report.text()).contains("the first server's figures over the second's");
        }
    }

    private static Set<String> prompts(ScriptedServer server) {
        return server.bodies.stream().map(body -> body.getString("prompt")).collect(Collectors.toSet());
    }

    @Test
    void wrongAddressesAreNamed() throws Exception {
        for (String wrong : new String[] {"", "here", "ftp://a", "http://", "http://a b"}) {
            assertThatThrownBy(() -> new Address(wrong, null, null)).hasMessageContaining(wrong + " is no address");
        }
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        test = new LoadTest(load(new Pattern.Clients(1), 1), Goal.NONE, Duration.ofSeconds(5), _ -> {});
        LoadTest made = test;
        assertThatThrownBy(() -> made.run(new Address("http://127.0.0.1:" + port, null, null), null, 1))
                .isInstanceOf(LoadException.class)
                .hasMessageContaining("a connection refused")
                .hasMessageContaining(":" + port);
    }
}
