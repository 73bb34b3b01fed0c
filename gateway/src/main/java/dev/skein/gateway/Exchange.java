package dev.skein.gateway;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.gateway.openai.ApiException;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One request and its response. Lives on its connection's event loop. */
final class Exchange {
    private static final Logger log = LoggerFactory.getLogger(Exchange.class);
    private static final CharSequence JSON = HttpHeaders.createOptimized("application/json");
    private static final CharSequence TEXT = HttpHeaders.createOptimized("text/plain; charset=utf-8");
    private static final CharSequence EVENTS = HttpHeaders.createOptimized("text/event-stream; charset=utf-8");
    private static final CharSequence NO_CACHE = HttpHeaders.createOptimized("no-cache");
    private static final CharSequence REQUEST_ID = HttpHeaders.createOptimized("x-request-id");
    private static final CharSequence SHOULD_RETRY = HttpHeaders.createOptimized("x-should-retry");
    private static final int LONGEST_ID = 200;
    // What a closing connection may still send before it is cut off.
    private static final long LINGER_NANOS = 10_000_000_000L;

    private final Front front;
    private final HttpServerRequest request;
    private final HttpServerResponse response;
    private final long arrived = System.nanoTime();
    private final @Nullable Route route;
    private final String path;
    private String id;
    private long received;
    private long held;
    private long sent;
    private boolean answered;
    private boolean counted;
    private boolean over;
    private Runnable gone = () -> {};

    /** @param path without the server's root path */
    Exchange(Front front, HttpServerRequest request, String path) {
        this.front = front;
        this.request = request;
        this.response = request.response();
        this.path = path;
        this.route = Route.of(path);
        String given = request.getHeader(REQUEST_ID);
        this.id = given == null || given.isBlank() || given.length() > LONGEST_ID ? random() : given;
        request.exceptionHandler(_ -> closed());
        response.exceptionHandler(_ -> closed());
        response.closeHandler(_ -> closed());
        response.endHandler(_ -> over());
    }

    private static String random() {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        return HexFormat.of().toHexDigits(random.nextLong()) + HexFormat.of().toHexDigits(random.nextLong());
    }

    HttpServerRequest request() {
        return request;
    }

    HttpServerResponse response() {
        return response;
    }

    @Nullable
    Route route() {
        return route;
    }

    /** Without the server's root path. */
    String path() {
        return path;
    }

    /** {@code System.nanoTime()} when the headers had come. */
    long arrived() {
        return arrived;
    }

    long received() {
        return received;
    }

    /** Bytes of its body that count as held. */
    long held() {
        return held;
    }

    long sent() {
        return sent;
    }

    /** The client's own name for the request, or a random one. */
    String id() {
        return id;
    }

    boolean nameless() {
        return request.getHeader(REQUEST_ID) == null;
    }

    void rename(String name) {
        id = name;
    }

    /** Runs once if the client leaves before the answer is complete. */
    void onGone(Runnable then) {
        gone = then;
    }

    private void closed() {
        if (!response.ended()) {
            Runnable then = gone;
            gone = () -> {};
            then.run();
        }
        over();
    }

    private void over() {
        if (!over) {
            over = true;
            front.ended(this, counted);
        }
    }

    /** It counts as a request in flight until it is over. */
    void counted() {
        counted = true;
    }

    /** Reads the body, bounded in bytes and time, and hands it on. */
    void body(Shared shared, Consumer<byte[]> then) {
        GatewayOptions.Limits limits = shared.options().limits();
        long announced = announced();
        if (announced > limits.bodyBytes()) {
            tooLarge(limits);
            return;
        }
        if ("100-continue".equalsIgnoreCase(request.getHeader(HttpHeaders.EXPECT))) {
            response.writeContinue();
        }
        front.connections().await(request.connection(), limits.body().toNanos(), this::tooSlow);
        front.connections().reading(request.connection(), this::unreadable);
        Body body = new Body(announced, limits.bodyBytes());
        request.handler(chunk -> {
            received += chunk.length();
            if (received > limits.bodyBytes()) {
                tooLarge(limits);
                return;
            }
            held += chunk.length();
            if (shared.bodyBytes().addAndGet(chunk.length()) > limits.heldBytes()) {
                tooMuch(limits);
            } else {
                body.add(chunk.getBytes());
            }
        });
        request.endHandler(_ -> {
            front.connections().arrived(request.connection());
            then.accept(body.take());
        });
    }

    private long announced() {
        String length = request.getHeader(HttpHeaders.CONTENT_LENGTH);
        try {
            return length == null ? -1 : Long.parseLong(length);
        } catch (NumberFormatException e) {
            return -1;
        }
    }

    private void tooLarge(GatewayOptions.Limits limits) {
        hangUp(ApiException.http(
                413,
                "Request Entity Too Large",
                "The body is larger than " + limits.bodyBytes()
                        + " bytes, the most that this server takes; send less"));
    }

    private void tooMuch(GatewayOptions.Limits limits) {
        hangUp(ApiException.unavailable("The server has bodies of more than " + limits.heldBytes()
                + " bytes in hand, its limit; try again later"));
    }

    private void tooSlow() {
        hangUp(ApiException.http(408, "Request Timeout", "The body did not arrive in time; send it again"));
    }

    private void unreadable() {
        if (!answered) {
            response.putHeader(HttpHeaders.CONNECTION, HttpHeaders.CLOSE);
            fail(ApiException.http(400, "Bad Request", "The body cannot be read: its chunks are not as HTTP has them"));
        }
        request.connection().close();
    }

    /** Answers and closes the connection, once the client has had some time to read that instead of sending. */
    private void hangUp(ApiException error) {
        if (!answered) {
            request.handler(_ -> {});
            request.endHandler(_ -> request.connection().close());
            response.putHeader(HttpHeaders.CONNECTION, HttpHeaders.CLOSE);
            fail(error);
            front.connections().await(request.connection(), LINGER_NANOS, request.connection()::close);
        }
    }

    /** Discards whatever body there is. */
    void noBody() {
        request.handler(_ -> {});
    }

    /** Does {@code work} unless the client has left; what it throws becomes the answer. */
    void guard(Runnable work) {
        if (response.closed()) {
            return;
        }
        try {
            work.run();
        } catch (RuntimeException e) {
            fail(e);
        }
    }

    void fail(Throwable error) {
        ApiException known;
        if (error instanceof ApiException api) {
            known = api;
        } else {
            log.error("request={} path={} failed", id, request.path(), error);
            known = ApiException.internal("The server failed to answer; its log knows request " + id);
        }
        if (known.status() == 503) {
            response.putHeader(HttpHeaders.RETRY_AFTER, "1");
        } else if (known.status() == 504) {
            // Clients of OpenAI try again after any 5xx, and the same request would take as long again.
            response.putHeader(SHOULD_RETRY, "false");
        }
        JsonWriter out = front.writer();
        known.write(out);
        json(known.status(), out);
    }

    /** One JSON body. */
    void json(int status, JsonWriter out) {
        if (answer(status)) {
            response.putHeader(HttpHeaders.CONTENT_TYPE, JSON);
            end(Buffer.buffer(out.toBytes()));
        }
    }

    void text(int status, @Nullable String contentType, byte[] body) {
        if (answer(status)) {
            if (body.length > 0) {
                response.putHeader(HttpHeaders.CONTENT_TYPE, contentType == null ? TEXT : contentType);
            }
            end(Buffer.buffer(body));
        }
    }

    /** Begins a stream of events. */
    boolean events() {
        if (!answer(200)) {
            return false;
        }
        response.putHeader(HttpHeaders.CONTENT_TYPE, EVENTS);
        response.putHeader(HttpHeaders.CACHE_CONTROL, NO_CACHE);
        response.setChunked(true);
        return true;
    }

    /** Sends what {@code out} holds. */
    void send(JsonWriter out) {
        sent += out.length();
        response.write(Buffer.buffer(out.toBytes()));
    }

    void sendLast(JsonWriter out) {
        end(Buffer.buffer(out.toBytes()));
    }

    private boolean answer(int status) {
        if (answered || response.closed()) {
            return false;
        }
        answered = true;
        response.setStatusCode(status);
        front.headers(this);
        return true;
    }

    private void end(Buffer body) {
        if (request.method() == HttpMethod.HEAD) {
            response.putHeader(HttpHeaders.CONTENT_LENGTH, Integer.toString(body.length()));
            response.end();
            return;
        }
        sent += body.length();
        response.end(body);
    }
}
