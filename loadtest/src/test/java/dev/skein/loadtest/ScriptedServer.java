package dev.skein.loadtest;

import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.json.JsonObject;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;

/// Answers as a test says.
final class ScriptedServer implements AutoCloseable {
    static final String END = "data: {\"choices\":[],\"usage\":{\"completion_tokens\":5}}\n\ndata: [DONE]\n\n";

    final Set<JsonObject> bodies = ConcurrentHashMap.newKeySet();
    final AtomicInteger asked = new AtomicInteger();
    final AtomicInteger open = new AtomicInteger();
    final AtomicInteger most = new AtomicInteger();
    final Vertx vertx = Vertx.vertx();
    private final HttpServer http;

    /// @param script answers the n-th request, counted from 0
    ScriptedServer(BiConsumer<Integer, HttpServerResponse> script) throws Exception {
        http = vertx.createHttpServer()
                .requestHandler(request -> handle(request, script))
                .listen(0, "127.0.0.1")
                .toCompletionStage()
                .toCompletableFuture()
                .get(30, TimeUnit.SECONDS);
    }

    private void handle(HttpServerRequest request, BiConsumer<Integer, HttpServerResponse> script) {
        switch (String.valueOf(request.path())) {
            case "/v1/models" -> request.response().putHeader("server", "nest").end("{\"data\":[{\"id\":\"goose\"}]}");
            case "/version" -> request.response().end("{\"version\":\"1.2\"}");
            case "/v1/completions", "/v1/chat/completions" ->
                request.body().onSuccess(body -> {
                    bodies.add(body.toJsonObject().put("key", request.getHeader("authorization")));
                    most.accumulateAndGet(open.incrementAndGet(), Math::max);
                    request.response().endHandler(_ -> open.decrementAndGet());
                    request.response().setChunked(true);
                    script.accept(asked.getAndIncrement(), request.response());
                });
            default -> request.response().setStatusCode(404).end("{\"error\":{\"message\":\"no such path\"}}");
        }
    }

    /// Two pieces at once, and after some milliseconds a third; the server counts five tokens.
    void three(HttpServerResponse response) {
        response.write(piece("a") + piece("b"));
        vertx.setTimer(20, _ -> response.end(piece("c") + END));
    }

    static String piece(String text) {
        return "data: "
                + new JsonObject()
                        .put("choices", List.of(new JsonObject().put("text", text)))
                        .encode() + "\n\n";
    }

    static Buffer bytes(int count) {
        return Buffer.buffer("data: ").appendBytes(new byte[count]);
    }

    String url() {
        return "http://127.0.0.1:" + http.actualPort();
    }

    @Override
    public void close() throws Exception {
        vertx.close().toCompletionStage().toCompletableFuture().get(30, TimeUnit.SECONDS);
    }
}
