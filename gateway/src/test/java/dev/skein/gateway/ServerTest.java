package dev.skein.gateway;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.protocol.v1.StatisticsResponse;
import io.vertx.core.Future;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** The server itself: its bounds, keys, small answers, beginning and end. */
class ServerTest {
    private static final String KEY = "sk-right";
    private static Stage stage;

    @BeforeAll
    static void start() {
        stage = new Stage(ServerTest::tight);
        stage.worker.says("served");
    }

    @AfterAll
    static void stop() {
        stage.close();
    }

    private static GatewayOptions tight(GatewayOptions options) {
        return options.withLimits(new GatewayOptions.Limits(
                1 << 20,
                3 << 20,
                8192,
                100,
                2,
                1000,
                Duration.ofSeconds(1),
                Duration.ofSeconds(1),
                Duration.ofSeconds(1),
                Duration.ofSeconds(5),
                Duration.ofSeconds(5),
                Duration.ZERO));
    }

    private static Socket connect(Stage stage) throws IOException {
        Socket socket = new Socket("127.0.0.1", stage.port);
        socket.setSoTimeout(30_000);
        return socket;
    }

    private static void write(Socket socket, String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(UTF_8));
    }

    private static String readAll(Socket socket) throws IOException {
        return new String(socket.getInputStream().readAllBytes(), UTF_8);
    }

    @Test
    void aBodyOf100MegabytesIsAnsweredAndNotKept() throws Exception {
        try (Socket socket = connect(stage)) {
            write(
                    socket,
                    "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                            + "content-length: 104857600\r\n\r\n");
            assertThat(refusal(socket))
                    .startsWith("HTTP/1.1 413 ")
                    .contains("connection: close")
                    .contains("1048576");
        }
    }

    @Test
    void aChunkedBodyOf100MegabytesIsAnsweredAndNotKept() throws Exception {
        try (Socket socket = connect(stage)) {
            write(
                    socket,
                    "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                            + "transfer-encoding: chunked\r\n\r\n" + Integer.toHexString((100 << 20) - 7) + "\r\n");
            assertThat(refusal(socket)).startsWith("HTTP/1.1 413 ").contains("connection: close");
        }
    }

    /** Sends 100 MB whatever comes back, as some clients do, and then reads. The last bytes would end a last chunk. */
    private static String refusal(Socket socket) throws IOException {
        byte[] body = new byte[100 << 20];
        byte[] last = "\r\n0\r\n\r\n".getBytes(UTF_8);
        System.arraycopy(last, 0, body, body.length - last.length, last.length);
        OutputStream out = socket.getOutputStream();
        out.write(body);
        return readAll(socket);
    }

    @Test
    void aLargeBodyIsRefusedBeforeItIsSentWhereTheClientAsks() throws Exception {
        try (Socket socket = connect(stage)) {
            write(
                    socket,
                    "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                            + "expect: 100-continue\r\ncontent-length: 104857600\r\n\r\n");
            assertThat(new String(socket.getInputStream().readNBytes(12), UTF_8))
                    .isEqualTo("HTTP/1.1 413");
        }
        try (Socket socket = connect(stage)) {
            String body = "{\"prompt\":\"x\"}";
            write(
                    socket,
                    "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                            + "expect: 100-continue\r\ncontent-length: " + body.length() + "\r\n\r\n");
            assertThat(new String(socket.getInputStream().readNBytes(25), UTF_8))
                    .isEqualTo("HTTP/1.1 100 Continue\r\n\r\n");
            write(socket, body);
            assertThat(new String(socket.getInputStream().readNBytes(12), UTF_8))
                    .isEqualTo("HTTP/1.1 200");
        }
    }

    @Test
    void aBodyThatDoesNotComeIsNotWaitedForForEver() throws Exception {
        try (Socket socket = connect(stage)) {
            write(
                    socket,
                    "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                            + "content-length: 10\r\n\r\n{");
            assertThat(new String(socket.getInputStream().readNBytes(12), UTF_8))
                    .isEqualTo("HTTP/1.1 408");
        }
    }

    @Test
    void bodiesInHandAreBoundedTogether() throws Exception {
        String head = "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                + "content-length: 1048576\r\n\r\n";
        String most = " ".repeat((1 << 20) - 1);
        try (Stage full = new Stage(options -> options.withLimits(slow(options)))) {
            full.worker.says("served");
            List<Socket> sockets = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                sockets.add(connect(full));
                write(sockets.getLast(), head + most);
            }
            List<String> refused = new ArrayList<>();
            for (Socket socket : sockets) {
                String answer = answer(socket);
                if (!answer.isEmpty()) {
                    refused.add(answer);
                }
            }
            assertThat(refused).singleElement().asString().startsWith("HTTP/1.1 503 ");
            assertThat(refused.getFirst()).contains("retry-after: 1").contains("3145728 bytes in hand");
            for (Socket socket : sockets) {
                socket.close();
            }
            while (full.post("/v1/completions", "{\"prompt\":\"x\"}" + most.substring(100))
                            .statusCode()
                    == 503) {
                Thread.onSpinWait();
            }
        }
    }

    /** What comes within a second: nothing while the server waits for more. */
    private static String answer(Socket socket) throws IOException {
        socket.setSoTimeout(1000);
        StringBuilder came = new StringBuilder();
        try {
            for (int b = socket.getInputStream().read();
                    b >= 0;
                    b = socket.getInputStream().read()) {
                came.append((char) b);
            }
        } catch (SocketTimeoutException e) {
            // It says no more.
        }
        return came.toString();
    }

    private static GatewayOptions.Limits slow(GatewayOptions options) {
        GatewayOptions.Limits limits = tight(options).limits();
        return new GatewayOptions.Limits(
                limits.bodyBytes(),
                limits.heldBytes(),
                limits.headerBytes(),
                limits.nesting(),
                limits.requests(),
                limits.sequences(),
                limits.header(),
                Duration.ofSeconds(60),
                limits.keepAlive(),
                limits.groupWait(),
                limits.drain(),
                limits.request());
    }

    @ParameterizedTest
    @ValueSource(strings = {"zz\r\n{}\r\n", "-5\r\n", "5;\r\n{}xxxxxxxx"})
    void aBodyInBrokenChunksIsABadRequest(String chunks) throws Exception {
        try (Socket socket = connect(stage)) {
            write(
                    socket,
                    "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                            + "transfer-encoding: chunked\r\n\r\n" + chunks);
            assertThat(readAll(socket)).startsWith("HTTP/1.1 400 ").contains("\"code\":400");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "GET / HT", "GET /health HTTP/1.1\r\nhost: x\r\nx-slow: "})
    void headersThatDoNotComeEndTheConnection(String begun) throws Exception {
        try (Socket socket = connect(stage)) {
            write(socket, begun);
            assertThat(readAll(socket)).isEmpty();
        }
    }

    @Test
    void anIdleConnectionEndsAfterItsAnswer() throws Exception {
        try (Socket socket = connect(stage)) {
            write(socket, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
            assertThat(readAll(socket)).startsWith("HTTP/1.1 200");
        }
    }

    @Test
    void aLongAnswerIsNotAnIdleConnection() throws Exception {
        FakeWorker.Call call;
        try (Stage patient = new Stage(ServerTest::tight);
                Socket socket = connect(patient)) {
            String body = "{\"prompt\":\"x\",\"stream\":true}";
            write(
                    socket,
                    "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                            + "content-length: " + body.length() + "\r\n\r\n" + body);
            call = patient.worker.next();
            // Longer than every bound on waiting for the client.
            Thread.sleep(3500);
            call.say("late");
            call.end();
            assertThat(readAll(socket)).contains("\"text\":\"l").contains("[DONE]");
        }
    }

    @Test
    void longHeadersAndLinesAreRefused() throws Exception {
        try (Socket socket = connect(stage)) {
            write(socket, "GET /health HTTP/1.1\r\nhost: x\r\nx-long: " + "y".repeat(10_000) + "\r\n\r\n");
            assertThat(readAll(socket)).contains(" 431 ").contains("\"code\":431");
        }
        try (Socket socket = connect(stage)) {
            write(socket, "GET /" + "y".repeat(10_000) + " HTTP/1.1\r\nhost: x\r\n\r\n");
            assertThat(readAll(socket)).contains(" 414 ").contains("\"code\":414");
        }
        try (Socket socket = connect(stage)) {
            write(socket, "\u0001\u0002 nonsense\r\n\r\n");
            assertThat(readAll(socket)).contains(" 400 ").contains("\"code\":400");
        }
    }

    @Test
    void pipelinedRequestsAreAnsweredInOrder() throws Exception {
        try (Socket socket = connect(stage)) {
            String body = "{\"prompt\":\"" + "x".repeat(400) + "\"," + " ".repeat(2000) + "\"max_tokens\":4}";
            write(
                    socket,
                    "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                            + "content-length: " + body.length() + "\r\n\r\n" + body
                            + "GET /version HTTP/1.1\r\nhost: x\r\n\r\n");
            String answers = readAll(socket);
            assertThat(answers.indexOf("\"text\":\"served\"")).isPositive().isLessThan(answers.indexOf("\"version\""));
        }
    }

    @Test
    void moreRequestsThanTheLimitAreRefused() throws Exception {
        try (Stage full = new Stage(ServerTest::tight)) {
            String body = "{\"prompt\":\"x\"}";
            FutureTask<HttpResponse<String>> first = new FutureTask<>(() -> full.post("/v1/completions", body));
            FutureTask<HttpResponse<String>> second = new FutureTask<>(() -> full.post("/v1/completions", body));
            Thread.ofVirtual().start(first);
            Thread.ofVirtual().start(second);
            List<FakeWorker.Call> calls = List.of(full.worker.next(), full.worker.next());
            assertThat(full.json(full.get("/load")).get("server_load").asInt()).isEqualTo(2);
            HttpResponse<String> third = full.post("/v1/completions", body);
            assertThat(third.statusCode()).isEqualTo(503);
            assertThat(third.headers().firstValue("retry-after")).isPresent();
            calls.forEach(FakeWorker.Call::end);
            assertThat(first.get().statusCode()).isEqualTo(200);
            assertThat(second.get().statusCode()).isEqualTo(200);
            full.worker.says("again");
            assertThat(full.post("/v1/completions", body).statusCode()).isEqualTo(200);
        }
    }

    private static UnaryOperator<GatewayOptions> access(List<String> keys, List<String> origins) {
        return options -> options.withAccess(new GatewayOptions.Access(keys, origins, true));
    }

    @Test
    void withAKeyEverythingNeedsItButSignsOfLife() throws Exception {
        try (Stage locked = new Stage(access(List.of("sk-other", KEY), List.of()))) {
            locked.worker.says("served");
            for (String open : List.of("/health", "/ping", "/version", "/metrics", "/skein")) {
                assertThat(locked.get(open).statusCode()).as(open).isEqualTo(200);
            }
            for (String shut : List.of("/v1/models", "/v1/models/tiny", "/load", "/skein/status", "/nothing", "/")) {
                assertUnauthorized(locked.get(shut));
            }
            for (String shut : List.of("/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize")) {
                assertUnauthorized(locked.post(shut, "{}"));
            }
            for (String wrong : List.of("Bearer sk-wrong", "Bearer ", KEY, "Basic " + KEY, "Bearer " + KEY + " ")) {
                HttpRequest.Builder request = locked.to("/v1/models").header("authorization", wrong);
                if (!wrong.endsWith(KEY + " ")) {
                    assertUnauthorized(locked.send(request.GET()));
                }
            }
            for (String right : List.of("Bearer " + KEY, "bearer " + KEY, "Bearer sk-other")) {
                HttpRequest.Builder request = locked.to("/v1/models").header("authorization", right);
                assertThat(locked.send(request.GET()).statusCode()).isEqualTo(200);
            }
        }
    }

    private static void assertUnauthorized(HttpResponse<String> response) {
        assertThat(response.statusCode()).isEqualTo(401);
        assertThat(response.body()).isEqualTo("{\"error\":\"Unauthorized\"}");
    }

    @Test
    void noPageMayCallUnlessItsOriginIsAllowed() throws Exception {
        try (Stage open = new Stage(access(List.of(KEY), List.of("https://good.example")))) {
            HttpResponse<String> good = preflight(open, "https://good.example");
            assertThat(good.statusCode()).isEqualTo(200);
            assertThat(good.headers().firstValue("access-control-allow-origin")).hasValue("https://good.example");
            assertThat(good.headers().firstValue("access-control-allow-headers"))
                    .hasValue("authorization");
            HttpResponse<String> bad = preflight(open, "https://bad.example");
            assertThat(bad.statusCode()).isEqualTo(401);
            assertThat(bad.headers().firstValue("access-control-allow-origin")).isEmpty();
        }
        HttpResponse<String> none = preflight(stage, "https://good.example");
        assertThat(none.statusCode()).isEqualTo(405);
        assertThat(none.headers().firstValue("access-control-allow-origin")).isEmpty();
    }

    private static HttpResponse<String> preflight(Stage stage, String origin) throws Exception {
        return stage.send(stage.to("/v1/models")
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization")
                .method("OPTIONS", HttpRequest.BodyPublishers.noBody()));
    }

    @Test
    void aRequestKeepsTheNameItsClientGaveIt() throws Exception {
        try (Stage named = new Stage(access(List.of(), List.of()))) {
            named.worker.says("x");
            HttpResponse<String> response = named.send(named.to("/v1/completions")
                    .header("content-type", "application/json")
                    .header("x-request-id", "my \"id\"")
                    .POST(HttpRequest.BodyPublishers.ofString("{\"prompt\":\"x\",\"request_id\":\"ignored\"}")));
            assertThat(named.json(response).get("id").asString()).isEqualTo("cmpl-my \"id\"");
            assertThat(response.headers().firstValue("x-request-id")).hasValue("my \"id\"");
            response = named.post("/v1/completions", "{\"prompt\":\"x\",\"request_id\":\"inside\"}");
            assertThat(named.json(response).get("id").asString()).isEqualTo("cmpl-inside");
        }
    }

    @Test
    void headAnswersAsGetDoesWithoutABody() throws Exception {
        for (String path : List.of("/health", "/version", "/v1/models", "/metrics")) {
            HttpResponse<String> response =
                    stage.send(stage.to(path).method("HEAD", HttpRequest.BodyPublishers.noBody()));
            assertThat(response.statusCode()).as(path).isEqualTo(200);
            assertThat(response.body()).isEmpty();
        }
        try (Socket socket = connect(stage)) {
            write(socket, "HEAD /version HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            assertThat(readAll(socket)).contains("content-length: 19").endsWith("\r\n\r\n");
        }
        assertThat(stage.send(stage.to("/v1/completions").method("HEAD", HttpRequest.BodyPublishers.noBody()))
                        .statusCode())
                .isEqualTo(405);
    }

    @Test
    void smallAnswers() throws Exception {
        assertThat(stage.get("/health").body()).isEmpty();
        assertThat(stage.get("/ping").statusCode()).isEqualTo(200);
        assertThat(stage.post("/ping", "").statusCode()).isEqualTo(200);
        assertThat(stage.get("/version").body()).isEqualTo("{\"version\":\"1.2.3\"}");
        assertThat(stage.get("/load").body()).isEqualTo("{\"server_load\":0}");
        JsonNode models = stage.json(stage.get("/v1/models"));
        assertThat(models.get("object").asString()).isEqualTo("list");
        JsonNode card = models.at("/data/0");
        assertThat(card.propertyNames())
                .containsExactly(
                        "id", "object", "created", "owned_by", "root", "parent", "max_model_len", "permission");
        assertThat(card.get("id").asString()).isEqualTo("tiny");
        assertThat(card.get("root").asString()).isEqualTo("/models/tiny.gguf");
        assertThat(card.get("max_model_len").asInt()).isEqualTo(512);
        assertThat(stage.json(stage.get("/v1/models/tiny"))).isEqualTo(card);
    }

    @Test
    void servedNamesAreAliasesAndTheFirstIsEchoed() throws Exception {
        try (Stage named = new Stage(options ->
                options.withApi(GatewayOptions.Api.defaults().withServedModelNames(List.of("one", "org/two"))))) {
            named.worker.says("x");
            for (String name : List.of("one", "org/two")) {
                HttpResponse<String> response =
                        named.post("/v1/completions", "{\"prompt\":\"x\",\"model\":\"" + name + "\"}");
                assertThat(named.json(response).get("model").asString()).isEqualTo("one");
                assertThat(named.get("/v1/models/" + name).statusCode()).isEqualTo(200);
            }
            assertThat(named.post("/v1/completions", "{\"prompt\":\"x\",\"model\":\"tiny\"}")
                            .statusCode())
                    .isEqualTo(404);
            assertThat(named.json(named.get("/v1/models")).get("data").size()).isEqualTo(2);
        }
    }

    @Test
    void aPathMayBeginWithTheRootOfAProxy() throws Exception {
        GatewayOptions.Api api = new GatewayOptions.Api(
                List.of(), null, false, true, "{\"max_new_tokens\":3}", "assistant", 20, false, false, false, "/llm");
        try (Stage behind = new Stage(options -> options.withApi(api))) {
            behind.worker.says("served");
            for (String path : List.of("/v1/models/tiny", "/llm/v1/models/tiny", "/llm/health", "/health")) {
                assertThat(behind.get(path).statusCode()).as(path).isEqualTo(200);
            }
            assertThat(behind.get("/llmv1/models").statusCode()).isEqualTo(404);
            behind.worker.script = behind.worker.calls::add;
            FutureTask<HttpResponse<String>> answer =
                    new FutureTask<>(() -> behind.post("/llm/v1/completions", "{\"prompt\":\"x\"}"));
            Thread.ofVirtual().start(answer);
            FakeWorker.Call call = behind.worker.next();
            assertThat(call.request.getMaxTokens()).isEqualTo(3);
            call.end();
            assertThat(answer.get().statusCode()).isEqualTo(200);
        }
    }

    @Test
    void tokens() throws Exception {
        assertThat(stage.post("/tokenize", "{\"prompt\":\"hé\",\"return_token_strs\":true}")
                        .body())
                .isEqualTo("{\"count\":3,\"max_model_len\":512,\"tokens\":[104,195,169],"
                        + "\"token_strs\":[\"h\",\"Ã\",\"©\"]}");
        JsonNode chat = stage.json(stage.post("/tokenize", "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"));
        int[] ids = TinyModel.ids("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
        assertThat(chat.get("count").asInt()).isEqualTo(ids.length);
        assertThat(chat.get("token_strs").isNull()).isTrue();
        assertThat(stage.post("/detokenize", "{\"tokens\":" + chat.get("tokens") + "}")
                        .body())
                .isEqualTo("{\"prompt\":\"<|im_start|>user\\nHi<|im_end|>\\n<|im_start|>assistant\\n\"}");
    }

    @Test
    void statusShowsGroupsRanksAndQueues() throws Exception {
        stage.worker.statistics = StatisticsResponse.newBuilder()
                .setRunning(3)
                .setWaiting(4)
                .setBlocksUsed(5)
                .setBlocksTotal(64)
                .build();
        HttpResponse<String> response = stage.get("/skein/status");
        assertThat(response.body()).doesNotContain(FakeWorker.TOKEN);
        JsonNode status = stage.json(response);
        assertThat(status.get("ready").asBoolean()).isTrue();
        assertThat(status.at("/model/names/0").asString()).isEqualTo("tiny");
        assertThat(status.at("/groups/0/state").asString()).isEqualTo("ready");
        assertThat(status.at("/groups/0/statistics/waiting").asInt()).isEqualTo(4);
        assertThat(status.at("/groups/0/statistics/kv_blocks_total").asInt()).isEqualTo(64);
        assertThat(status.at("/groups/0/ranks/0/pid").asInt()).isEqualTo(4711);
        assertThat(status.at("/groups/0/ranks/0/state").asString()).isEqualTo("ready");
    }

    @Test
    void theStatusPageLoadsNothingFromElsewhere() throws Exception {
        HttpResponse<String> page = stage.get("/skein");
        assertThat(page.headers().firstValue("content-type")).hasValue("text/html; charset=utf-8");
        assertThat(page.headers().firstValue("content-security-policy").orElseThrow())
                .contains("default-src 'none'", "connect-src 'self'");
        assertThat(page.body()).contains("skein/status").doesNotContain("://", "innerHTML");
    }

    @Test
    void aPortInUseIsToldBeforeAnythingIsStarted() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            GatewayOptions options = Stage.options(stage.scheduler).withAddress("127.0.0.1", taken.getLocalPort());
            assertThatThrownBy(() -> Gateway.create(stage.vertx, options))
                    .isInstanceOf(GatewayException.class)
                    .hasMessageContaining("127.0.0.1:" + taken.getLocalPort())
                    .hasMessageContaining("--port");
        }
    }

    @Test
    void theModelIsFetchedWhileTheWeightsLoad() throws Exception {
        try (FakeScheduler scheduler = new FakeScheduler(stage.vertx);
                Gateway gateway = Gateway.create(stage.vertx, Stage.options(scheduler))) {
            scheduler.tell(FakeScheduler.warming("group-0", stage.worker));
            assertThat(gateway.ready().isComplete()).isFalse();
            assertThat(gateway.port()).isEqualTo(-1);
            int port = Wait.on(gateway.listen());
            assertThat(gateway.port()).isEqualTo(port);
            HttpRequest.Builder models = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/v1/models"));
            while (stage.json(stage.send(models)).get("data").isEmpty()) {
                Thread.onSpinWait();
            }
            assertThat(gateway.ready().isComplete()).isFalse();
            scheduler.tell(FakeScheduler.ready("group-0", stage.worker));
            Wait.on(gateway.ready());
        }
    }

    @Test
    void closingFinishesStreamsAndTakesNoMore() throws Exception {
        Stage closing = new Stage();
        FutureTask<HttpResponse<String>> answer =
                new FutureTask<>(() -> closing.post("/v1/completions", "{\"prompt\":\"x\",\"stream\":true}"));
        Thread.ofVirtual().start(answer);
        FakeWorker.Call call = closing.worker.next();
        call.say("a");
        Future<Void> closed = closing.gateway.shutdown();
        while (accepts(closing.port)) {
            Thread.onSpinWait();
        }
        call.say("b");
        call.end();
        assertThat(answer.get(10, TimeUnit.SECONDS).body()).contains("\"a\"", "\"b\"", "[DONE]");
        Wait.on(closed);
        closing.close();
    }

    private static boolean accepts(int port) {
        try (Socket socket = new Socket("127.0.0.1", port)) {
            return socket.isConnected();
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void closingCancelsWhatDoesNotFinishInTime() throws Exception {
        Stage closing = new Stage(options -> {
            GatewayOptions.Limits limits = tight(options).limits();
            return options.withLimits(new GatewayOptions.Limits(
                    limits.bodyBytes(),
                    limits.heldBytes(),
                    limits.headerBytes(),
                    limits.nesting(),
                    limits.requests(),
                    limits.sequences(),
                    limits.header(),
                    limits.body(),
                    limits.keepAlive(),
                    limits.groupWait(),
                    Duration.ofMillis(200),
                    limits.request()));
        });
        FutureTask<HttpResponse<String>> answer =
                new FutureTask<>(() -> closing.post("/v1/completions", "{\"prompt\":\"x\",\"stream\":true}"));
        Thread.ofVirtual().start(answer);
        FakeWorker.Call call = closing.worker.next();
        Wait.on(closing.gateway.shutdown());
        call.cancelled.get(10, TimeUnit.SECONDS);
        closing.close();
    }
}
