package dev.skein.gateway;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.skein.gateway.json.JsonException;
import dev.skein.gateway.json.JsonWriter;
import dev.skein.gateway.openai.ApiException;
import dev.skein.gateway.traffic.Dialect;
import dev.skein.gateway.traffic.EmbedCall;
import dev.skein.gateway.traffic.SequenceCall;
import dev.skein.gateway.traffic.WorkerCalls;
import dev.skein.protocol.v1.EmbedRequest;
import dev.skein.protocol.v1.GenerateRequest;
import io.vertx.core.Future;
import io.vertx.core.VerticleBase;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * The HTTP server of one event loop, and what its requests use: calls to workers, a buffer to write answers in.
 */
final class Front extends VerticleBase {
    private static final Logger log = LoggerFactory.getLogger(Front.class);

    /** Bytes that wait for a socket before its sequences are paused. */
    static final int WRITE_QUEUE = 16 << 10;

    // Tokenizing takes about a microsecond a byte; what is longer than this would hold up other streams.
    private static final int INLINE_BYTES = 1024;
    // What the kernel may hold for a reader that does not read: left alone it grows to megabytes, minutes of an answer.
    private static final int SEND_BUFFER = 256 << 10;
    private static final int SWEEP_MILLIS = 1000;
    private static final int STATISTICS_MILLIS = 10_000;
    private static final int LONGEST_LINE = 8192;

    private final Shared shared;
    private final String host;
    private final int port;
    private final JsonWriter writer = new JsonWriter();
    private final Connections connections = new Connections();
    private @Nullable HttpServer server;
    private @Nullable WorkerCalls calls;
    private @Nullable Desk desk;

    Front(Shared shared, String host, int port) {
        this.shared = shared;
        this.host = host;
        this.port = port;
    }

    @Override
    public Future<?> start() {
        WorkerCalls own = new WorkerCalls(vertx, shared.options().scheduler().encryption());
        calls = own;
        Desk made = new Desk(shared, own);
        desk = made;
        vertx.setPeriodic(SWEEP_MILLIS, _ -> connections.sweep());
        if (shared.options().logs().statistics()) {
            made.tell(log::info);
            vertx.setPeriodic(STATISTICS_MILLIS, _ -> made.tell(log::info));
        }
        HttpServerOptions http = new HttpServerOptions()
                .setHost(host)
                .setPort(port)
                .setTcpNoDelay(true)
                .setReuseAddress(true)
                .setAcceptBacklog(1024)
                .setSendBufferSize(SEND_BUFFER)
                .setMaxInitialLineLength(LONGEST_LINE)
                .setMaxHeaderSize(shared.options().limits().headerBytes())
                .setHttp2ClearTextEnabled(false);
        server = vertx.createHttpServer(http)
                .connectionHandler(this::connected)
                .requestHandler(this::handle)
                .invalidRequestHandler(this::invalid)
                .exceptionHandler(error -> log.debug("connection failed: {}", error.toString()));
        return server.listen();
    }

    /** Finishes what runs, for as long as the options allow, then closes. */
    @Override
    public Future<?> stop() {
        long drain = shared.options().limits().drain().toMillis();
        Future<Void> closed = server == null ? Future.succeededFuture() : server.shutdown(drain, TimeUnit.MILLISECONDS);
        return closed.eventually(() -> {
            if (calls != null) {
                calls.close();
            }
            return Future.succeededFuture();
        });
    }

    int port() {
        return server == null ? -1 : server.actualPort();
    }

    Connections connections() {
        return connections;
    }

    /** The loop's one writer, empty. It must be used up before the loop does anything else. */
    JsonWriter writer() {
        return writer.reset();
    }

    boolean showsCached() {
        return shared.options().api().enablePromptTokensDetails();
    }

    /**
     * @param dialect which groups can take it
     * @param limit {@code System.nanoTime()} by which it must have ended; null for no limit
     */
    SequenceCall sequence(Dialect dialect, GenerateRequest request, @Nullable Long limit, SequenceCall.Sink sink) {
        if (calls == null) {
            throw new IllegalStateException("not started");
        }
        return new SequenceCall(
                calls,
                shared.fleet(),
                dialect,
                shared.seeds().seeded(request),
                shared.options().limits().groupWait(),
                limit,
                sink);
    }

    /**
     * @param dialect which groups can take it
     * @param limit {@code System.nanoTime()} by which it must be answered; null for no limit
     */
    EmbedCall embedding(Dialect dialect, EmbedRequest request, @Nullable Long limit, EmbedCall.Sink sink) {
        if (calls == null) {
            throw new IllegalStateException("not started");
        }
        return new EmbedCall(
                calls,
                shared.fleet(),
                dialect,
                request,
                shared.options().limits().groupWait(),
                limit,
                sink);
    }

    /** Time that a request may take; zero for no limit. */
    Duration requestTime() {
        return shared.options().limits().request();
    }

    /** Runs {@code task} after a time; the answer undoes that. */
    Runnable after(Duration time, Runnable task) {
        long timer = vertx.setTimer(Math.max(1, time.toMillis()), _ -> task.run());
        return () -> vertx.cancelTimer(timer);
    }

    void later(Runnable task) {
        context.runOnContext(_ -> task.run());
    }

    private void connected(HttpConnection connection) {
        connections.opened(connection, shared.options().limits().header().toNanos());
    }

    // Netty's own reading of the request failed: no route, no body.
    private void invalid(HttpServerRequest request) {
        Throwable why = request.decoderResult().cause();
        String name = why == null ? "" : why.getClass().getSimpleName();
        ApiException error = switch (name) {
            case "TooLongHttpLineException" ->
                ApiException.http(414, "URI Too Long", "The request's first line is longer than 8192 bytes");
            case "TooLongHttpHeaderException" ->
                ApiException.http(
                        431,
                        "Request Header Fields Too Large",
                        "The headers are larger than "
                                + shared.options().limits().headerBytes() + " bytes");
            default -> ApiException.http(400, "Bad Request", "The request is no HTTP that can be read");
        };
        JsonWriter out = writer();
        error.write(out);
        HttpServerResponse response = request.response();
        response.setStatusCode(error.status());
        response.putHeader(HttpHeaders.CONTENT_TYPE, "application/json");
        response.putHeader(HttpHeaders.CONNECTION, HttpHeaders.CLOSE);
        HttpConnection connection = request.connection();
        response.end(Buffer.buffer(out.toBytes())).onComplete(_ -> connection.close());
    }

    private void handle(HttpServerRequest request) {
        connections.begun(request.connection());
        Exchange exchange = new Exchange(this, request, withoutRoot(request.path()));
        try {
            admit(exchange, exchange.route());
        } catch (RuntimeException e) {
            exchange.noBody();
            exchange.fail(e);
        }
    }

    // A proxy may pass on the path as its client gave it, or cut what led to this server.
    private String withoutRoot(@Nullable String path) {
        String root = shared.options().api().rootPath();
        String whole = path == null ? "" : path;
        return !root.isEmpty() && whole.startsWith(root + "/") ? whole.substring(root.length()) : whole;
    }

    private void admit(Exchange exchange, @Nullable Route route) {
        HttpServerRequest request = exchange.request();
        String method = request.method().name();
        if (method.equals("OPTIONS") && preflight(exchange)) {
            return;
        }
        if ((route == null || !route.open()) && !shared.keys().allow(request.getHeader(HttpHeaders.AUTHORIZATION))) {
            exchange.noBody();
            JsonWriter out = writer();
            out.beginObject().field("error", "Unauthorized").endObject();
            exchange.json(401, out);
            return;
        }
        if (route == null) {
            throw ApiException.http(404, "Not Found", "Nothing is at " + request.path());
        }
        if (!route.takes(method)) {
            exchange.response().putHeader(HttpHeaders.ALLOW, route.methods());
            throw ApiException.http(
                    405, "Method Not Allowed", route.path() + " takes " + route.methods() + ", not " + method);
        }
        answer(exchange, route);
    }

    private void answer(Exchange exchange, Route route) {
        if (desk == null) {
            throw new IllegalStateException("not started");
        }
        if (!route.takes("POST") || route == Route.PING) {
            exchange.noBody();
            desk.get(this, exchange, route);
            return;
        }
        String type = exchange.request().getHeader(HttpHeaders.CONTENT_TYPE);
        if (type == null || !isJson(type)) {
            throw ApiException.http(
                    400,
                    "Bad Request",
                    "The content type is " + (type == null ? "missing" : type) + "; send application/json");
        }
        if (shared.catalog().first() == null) {
            throw ApiException.unavailable("The model is still loading; try again later");
        }
        exchange.body(shared, body -> post(exchange, route, body));
    }

    private static boolean isJson(String type) {
        int end = type.indexOf(';');
        String media = (end < 0 ? type : type.substring(0, end)).strip();
        return media.equalsIgnoreCase("application/json")
                || media.regionMatches(true, 0, "application/", 0, 12)
                        && media.toLowerCase(Locale.ROOT).endsWith("+json");
    }

    private void post(Exchange exchange, Route route, byte[] body) {
        switch (route) {
            case CHAT -> generate(exchange, route, body, Preparation::chat);
            case COMPLETIONS -> generate(exchange, route, body, Preparation::completion);
            case EMBEDDINGS -> embed(exchange, body);
            case TOKENIZE -> compute(exchange, body, Tokens::tokenize, out -> exchange.json(200, out));
            case DETOKENIZE -> compute(exchange, body, Tokens::detokenize, out -> exchange.json(200, out));
            default -> throw new IllegalStateException("no body is read for " + route);
        }
    }

    private record Chosen<T>(Shared.Serving serving, T prepared) {}

    private void generate(
            Exchange exchange, Route route, byte[] body, BiFunction<Preparation, @Nullable Object, Prepared> prepare) {
        begin(exchange, route, body, prepare, (chosen, began) -> {
            name(exchange, chosen.prepared().decoding().requestId());
            new Generation(this, exchange, chosen.serving(), chosen.prepared(), began).start();
        });
    }

    private void embed(Exchange exchange, byte[] body) {
        begin(exchange, Route.EMBEDDINGS, body, Preparation::embeddings, (chosen, began) -> {
            name(exchange, chosen.prepared().asked().requestId());
            new Embeddings(this, exchange, chosen.serving(), chosen.prepared(), began).start();
        });
    }

    private static void name(Exchange exchange, @Nullable String name) {
        if (name != null && exchange.nameless()) {
            exchange.rename(name);
        }
    }

    /** Counts a request that uses a model, and prepares it; {@code start} also hears when that began. */
    private <T> void begin(
            Exchange exchange,
            Route route,
            byte[] body,
            BiFunction<Preparation, @Nullable Object, T> prepare,
            BiConsumer<Chosen<T>, Long> start) {
        int most = shared.options().limits().requests();
        if (shared.requests().incrementAndGet() > most) {
            shared.requests().decrementAndGet();
            exchange.fail(ApiException.unavailable(
                    "The server has " + most + " requests in hand, its limit; try again later"));
            return;
        }
        exchange.counted();
        long began = System.nanoTime();
        BiFunction<Shared.Serving, @Nullable Object, Chosen<T>> choose = (serving, json) -> {
            serving.model().checkTask(route);
            return new Chosen<>(serving, prepare.apply(serving.preparation(), json));
        };
        compute(exchange, body, choose, chosen -> start.accept(chosen, began));
    }

    /** Reads {@code body} and does {@code work} with it and the model that it names, here where that is quick, else on the pool. */
    private <T> void compute(
            Exchange exchange, byte[] body, BiFunction<Shared.Serving, @Nullable Object, T> work, Consumer<T> then) {
        if (body.length <= INLINE_BYTES) {
            exchange.guard(() -> then.accept(withModel(work, body)));
            return;
        }
        shared.pool()
                .executeBlocking(() -> withModel(work, body), false)
                .onFailure(exchange::fail)
                .onSuccess(result -> exchange.guard(() -> then.accept(result)));
    }

    private <T> T withModel(BiFunction<Shared.Serving, @Nullable Object, T> work, byte[] body) {
        Object json = read(body);
        return work.apply(shared.catalog().of(json), json);
    }

    private @Nullable Object read(byte[] body) {
        try {
            return shared.json().read(body);
        } catch (JsonException e) {
            throw ApiException.shape(List.of("the body is not JSON that can be read: " + e.getMessage()), null);
        }
    }

    /** Headers that every response has, for those whom they concern. */
    void headers(Exchange exchange) {
        GatewayOptions.Access access = shared.options().access();
        HttpServerResponse response = exchange.response();
        if (access.enableRequestIdHeaders()) {
            response.putHeader("x-request-id", exchange.id());
        }
        String origin = exchange.request().getHeader(HttpHeaders.ORIGIN);
        if (origin != null && allows(origin)) {
            response.putHeader(HttpHeaders.ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.putHeader(HttpHeaders.VARY, HttpHeaders.ORIGIN);
        }
    }

    private boolean allows(String origin) {
        List<String> allowed = shared.options().access().allowedOrigins();
        return allowed.contains("*") || allowed.contains(origin);
    }

    // A browser asks before it sends: without a key, as it sends none here.
    private boolean preflight(Exchange exchange) {
        HttpServerRequest request = exchange.request();
        String origin = request.getHeader(HttpHeaders.ORIGIN);
        if (origin == null
                || !allows(origin)
                || !request.headers().contains(HttpHeaders.ACCESS_CONTROL_REQUEST_METHOD)) {
            return false;
        }
        exchange.noBody();
        HttpServerResponse response = exchange.response();
        response.putHeader(HttpHeaders.ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS");
        String headers = request.getHeader(HttpHeaders.ACCESS_CONTROL_REQUEST_HEADERS);
        response.putHeader(HttpHeaders.ACCESS_CONTROL_ALLOW_HEADERS, headers == null ? "*" : headers);
        response.putHeader(HttpHeaders.ACCESS_CONTROL_MAX_AGE, "600");
        exchange.text(200, null, "OK".getBytes(UTF_8));
        return true;
    }

    /** The response is written, or its client has left. */
    void ended(Exchange exchange, boolean counted) {
        shared.bodyBytes().addAndGet(-exchange.held());
        if (counted) {
            shared.requests().decrementAndGet();
        }
        HttpServerRequest request = exchange.request();
        connections.ended(
                request.connection(), shared.options().limits().keepAlive().toNanos());
        Route route = exchange.route();
        if (route == null || !route.probe()) {
            int status = exchange.response().ended() ? exchange.response().getStatusCode() : 499;
            shared.httpMetrics()
                    .request(
                            request.method().name(),
                            status,
                            route == null ? "none" : route.path(),
                            System.nanoTime() - exchange.arrived(),
                            exchange.received(),
                            exchange.sent());
            log.atLevel(shared.options().logs().requests() ? Level.INFO : Level.DEBUG)
                    .log(
                            "request={} method={} path={} status={} ms={}",
                            exchange.id(),
                            request.method(),
                            request.path(),
                            status,
                            (System.nanoTime() - exchange.arrived()) / 1_000_000);
        }
    }
}
