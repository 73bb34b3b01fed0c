package dev.skein.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.cli.CommandException;
import dev.skein.cli.client.ServerApi;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.json.JsonObject;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BenchTest {
    private final Vertx vertx = Vertx.vertx();
    private final Set<String> prompts = ConcurrentHashMap.newKeySet();
    private final AtomicInteger open = new AtomicInteger();
    private final AtomicInteger most = new AtomicInteger();
    private volatile boolean breaks;
    private ServerApi server;

    @BeforeEach
    void listen() throws Exception {
        HttpServer http = vertx.createHttpServer()
                .requestHandler(this::answer)
                .listen(0, "127.0.0.1")
                .toCompletionStage()
                .toCompletableFuture()
                .get(30, TimeUnit.SECONDS);
        server = new ServerApi("http://127.0.0.1:" + http.actualPort(), null);
    }

    @AfterEach
    void close() throws Exception {
        vertx.close().toCompletionStage().toCompletableFuture().get(30, TimeUnit.SECONDS);
    }

    /// Three pieces that the server counts as five tokens, the last a while after the first.
    private void answer(HttpServerRequest request) {
        if ("/v1/models".equals(request.path())) {
            request.response().end("{\"data\":[{\"id\":\"goose\"}]}");
            return;
        }
        request.body().onSuccess(body -> {
            prompts.add(body.toJsonObject().getString("prompt"));
            most.accumulateAndGet(open.incrementAndGet(), Math::max);
            request.response().setChunked(true).write(piece("a") + piece("b"));
            vertx.setTimer(20, timer -> {
                open.decrementAndGet();
                String end = breaks ? "data: {\"error\":{\"message\":\"lost\"}}\n\n" : piece("c") + usage();
                request.response().end(end + "data: [DONE]\n\n");
            });
        });
    }

    private static String piece(String text) {
        return "data: "
                + new JsonObject()
                        .put("choices", List.of(new JsonObject().put("text", text)))
                        .encode() + "\n\n";
    }

    private static String usage() {
        return "data: {\"choices\":[],\"usage\":{\"completion_tokens\":5}}\n\n";
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 500})
    void countsWhatClientsSee(double rate) {
        ServerBench bench = new ServerBench(server, new ServerBench.Load(3, 10, 5, 5, rate, 7));
        ServerBench.Result result = bench.run(1);
        assertThat(bench.model()).isEqualTo("goose");
        assertThat(prompts).hasSize(10);
        assertThat(result.tokensPerSecond()).isPositive().isLessThanOrEqualTo(50 / 0.02);
        assertThat(result.firstMillis().sorted()).hasSize(10);
        assertThat(result.betweenMillis().sorted()).hasSize(20);
        assertThat(result.betweenMillis().most()).isGreaterThan(5);
        if (rate == 0) {
            assertThat(most).hasValueLessThanOrEqualTo(3);
        }
    }

    @Test
    void aFailedRequestFailsTheRun() {
        breaks = true;
        ServerBench bench = new ServerBench(server, new ServerBench.Load(2, 2, 5, 5, 0, 7));
        assertThatThrownBy(() -> bench.run(1))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("lost");
    }

    @Test
    void samplesAreSortedAndSummed() {
        Samples samples = Samples.of(5, 1, 3, 2);
        assertThat(samples.median()).isEqualTo(2.5);
        assertThat(samples.text()).isEqualTo("2.5 (1.0-5.0)");
        assertThat(samples.quantile(0.5)).isEqualTo(2);
        assertThat(samples.quantile(0.99)).isEqualTo(5);
        assertThat(Samples.of(4, 9, 1).median()).isEqualTo(4);
        assertThatThrownBy(Samples::of).isInstanceOf(IllegalArgumentException.class);
        assertThat(Figure.text(List.of(new Figure("output", samples, "tok/s"))))
                .contains("output", "2.5 (1.0-5.0) tok/s");
    }

    @Test
    void wrongUseIsRefused() {
        assertThatThrownBy(() -> BenchCommand.run(List.of("--runs", "0"), name -> Path.of("none")))
                .hasMessageContaining("at least 1");
        assertThatThrownBy(() -> BenchCommand.run(List.of("--peer-url", "http://a"), name -> Path.of("none")))
                .hasMessageContaining("needs --url");
        assertThatThrownBy(() -> BenchCommand.run(List.of("--cpu", "neon"), name -> Path.of("none")))
                .hasMessageContaining("neon");
        assertThatThrownBy(() -> BenchCommand.run(List.of("--run", "1"), name -> Path.of("none")))
                .hasMessageContaining("--runs");
    }
}
