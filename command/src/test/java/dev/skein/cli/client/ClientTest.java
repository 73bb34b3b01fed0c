package dev.skein.cli.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.cli.CommandException;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.json.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// The client against a small server that answers as OpenAI's do.
class ClientTest {
    private final Vertx vertx = Vertx.vertx();
    private final BlockingQueue<JsonObject> asked = new LinkedBlockingQueue<>();
    private final CompletableFuture<Void> closed = new CompletableFuture<>();
    private volatile List<String> events = List.of();
    private volatile boolean ends = true;
    private ServerApi server;

    @BeforeEach
    void listen() throws Exception {
        HttpServer http = vertx.createHttpServer()
                .requestHandler(this::answer)
                .listen(0, "127.0.0.1")
                .toCompletionStage()
                .toCompletableFuture()
                .get(30, TimeUnit.SECONDS);
        server = new ServerApi("http://127.0.0.1:" + http.actualPort() + "/v1/", "key");
    }

    @AfterEach
    void close() throws Exception {
        vertx.close().toCompletionStage().toCompletableFuture().get(30, TimeUnit.SECONDS);
    }

    private void answer(HttpServerRequest request) {
        HttpServerResponse response = request.response();
        if (!"Bearer key".equals(request.getHeader("authorization"))) {
            response.setStatusCode(401).end("{\"error\":\"Unauthorized\"}");
            return;
        }
        switch (String.valueOf(request.path())) {
            case "/health" -> response.end();
            case "/v1/models" -> response.end("{\"data\":[{\"id\":\"goose\"}]}");
            case "/v1/chat/completions" ->
                request.body().onSuccess(body -> {
                    asked.add(body.toJsonObject());
                    response.closeHandler(gone -> closed.complete(null));
                    response.setChunked(true);
                    events.forEach(event -> response.write("data: " + event + "\n\n"));
                    if (ends) {
                        response.end("data: [DONE]\n\n");
                    }
                });
            default -> response.setStatusCode(404).end("{\"error\":{\"message\":\"no such path\"}}");
        }
    }

    private static String piece(String text) {
        JsonObject delta = new JsonObject().put("delta", new JsonObject().put("content", text));
        return new JsonObject().put("choices", List.of(delta)).encode();
    }

    @Test
    void aConversationRemembersAndForgets() throws Exception {
        Conversation conversation =
                new Conversation(server, server.model(), new Conversation.Style("be brief", 0.5, 7));
        events = List.of(
                "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}",
                piece("Gr"),
                piece("üße"),
                "{\"choices\":[]}");
        List<String> pieces = new ArrayList<>();
        conversation.say("hello", pieces::add);
        assertThat(String.join("", pieces)).isEqualTo("Grüße");
        assertThat(asked.take().encode())
                .isEqualTo(
                        "{\"model\":\"goose\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},"
                                + "{\"role\":\"user\",\"content\":\"hello\"}],\"stream\":true,\"temperature\":0.5,\"max_tokens\":7}");
        conversation.say("again", pieces::add);
        assertThat(asked.take().getJsonArray("messages").encode())
                .contains("\"assistant\",\"content\":\"Grüße\"}", "again");
        conversation.reset();
        conversation.say("new", pieces::add);
        assertThat(asked.take().getJsonArray("messages").encode())
                .doesNotContain("hello")
                .contains("be brief");
    }

    @Test
    void aCancelledAnswerEndsOnTheServerTooAndCountsAsFarAsItCame() throws Exception {
        Conversation conversation = new Conversation(server, "goose", new Conversation.Style(null, null, null));
        events = List.of(piece("so "), piece("far"));
        ends = false;
        conversation.say("hello", text -> {
            if (text.equals("far")) {
                Thread.ofPlatform().start(conversation::cancel);
            }
        });
        closed.get(30, TimeUnit.SECONDS);
        ends = true;
        conversation.say("and", text -> {});
        asked.take();
        assertThat(asked.take().getJsonArray("messages").encode()).contains("so far");
    }

    @Test
    void anErrorInTheStreamIsSaidAndForgotten() throws Exception {
        Conversation conversation = new Conversation(server, "goose", new Conversation.Style(null, null, null));
        events = List.of(piece("well"), "{\"error\":{\"message\":\"the worker was lost\",\"code\":500}}");
        assertThatThrownBy(() -> conversation.say("hello", text -> {}))
                .isInstanceOf(CommandException.class)
                .hasMessage("the worker was lost");
        events = List.of();
        conversation.say("again", text -> {});
        asked.take();
        assertThat(asked.take().getJsonArray("messages").encode()).doesNotContain("hello");
    }

    @Test
    void refusalsAreOneLine() {
        assertThat(server.answers()).isTrue();
        assertThatThrownBy(() -> server.get("/nothing")).hasMessageContaining("404: no such path");
        ServerApi other = new ServerApi(server.url(), null);
        assertThatThrownBy(other::model).isInstanceOf(CommandException.class).hasMessageContaining("--api-key");
        assertThatThrownBy(() -> new ServerApi("http://127.0.0.1:1", null).model())
                .hasMessageContaining("no server answers");
        assertThatThrownBy(() -> new ServerApi("nonsense", null)).hasMessageContaining("no address");
        assertThat(ServerApi.message("plain")).isEqualTo("plain");
    }

    @Test
    void statusIsATable() {
        JsonObject status = new JsonObject("""
                {"version":"0.1.0","ready":true,"requests":1,
                 "model":{"name":"goose","names":["grey","swan"],"backend":"cpu"},
                 "deployments":[{"name":"group","replicas":2,"ready":1,"revision":3,"updated":1,"complete":false,
                   "paused":true,"stalled":false}],
                 "groups":[{"name":"group-0","state":"ready","reason":"warm","restarts":2,"revision":3,
                   "statistics":{"running":1,"waiting":0,"kv_blocks_used":3,"kv_blocks_total":10},
                   "ranks":[{"rank":0,"state":"ready","host":"127.0.0.1","port":4711,"pid":77}]},
                  {"name":"group-1","state":"failed","reason":"no memory","restarts":0,"ranks":[]}]}
                """);
        assertThat(StatusCommand.text(status)).isEqualTo("""
                        skein 0.1.0  grey, swan (goose)  cpu  requests 1

                        DEPLOYMENT  GROUPS  READY  REVISION  UPDATED  STATE
                        group       2       1      3         1        paused

                        GROUP    STATE   REVISION  RESTARTS  RUNNING  WAITING  KV BLOCKS  REASON
                        group-0  ready   3         2         1        0        3/10       warm
                        group-1  failed  -         0         -        -        -/-        no memory

                        GROUP    RANK  STATE  HOST       PORT  PID
                        group-0  0     ready  127.0.0.1  4711  77
                        """);
    }
}
