package dev.skein.loadtest;

import dev.skein.loadtest.measure.Exchange;
import dev.skein.loadtest.measure.Outcome;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpClosedException;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.PoolOptions;
import io.vertx.core.http.RequestOptions;
import java.net.ConnectException;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// The one event loop and all connections. It may be used from any thread.
final class Wire implements AutoCloseable {
    private static final int CONNECT_MILLIS = 10_000;

    /// Below the five seconds after which common servers close a connection: none is used that is about to close.
    private static final int KEEP_SECONDS = 3;

    private static final long SWEEP_MILLIS = 250;

    /// More than there are ports to connect from; the pool has an array of this size.
    private static final int MOST_CONNECTIONS = 1 << 16;

    private static final int LINE_BYTES = 8 << 20;
    private static final long ANSWER_BYTES = 256L << 20;
    private static final long CLOSE_SECONDS = 10;

    private final Vertx vertx;
    private final Context loop;
    private final HttpClient client;

    // The rest belongs to the event loop.
    private final Set<Stream> open = new HashSet<>();
    private final Set<HttpConnection> kept = Collections.newSetFromMap(new WeakHashMap<>());
    private boolean aborted;

    Wire() {
        vertx = Vertx.vertx(new VertxOptions()
                .setEventLoopPoolSize(1)
                .setWorkerPoolSize(2)
                .setWarningExceptionTime(Long.MAX_VALUE));
        loop = vertx.getOrCreateContext();
        client = vertx.createHttpClient(
                new HttpClientOptions().setConnectTimeout(CONNECT_MILLIS).setKeepAliveTimeout(KEEP_SECONDS),
                new PoolOptions().setHttp1MaxSize(MOST_CONNECTIONS));
        vertx.setPeriodic(SWEEP_MILLIS, _ -> loop.runOnContext(_ -> dropSilent()));
    }

    /// @param origin the moment that all times count from, of [System#nanoTime()]
    /// @param silence after which the server counts as gone
    /// @return completes normally, whatever the server does; on the event loop
    CompletableFuture<Exchange> get(Address server, String path, long origin, Duration silence) {
        return send(options(server, HttpMethod.GET, path), Buffer.buffer(), origin, silence);
    }

    /// As [#get], with a body of JSON.
    CompletableFuture<Exchange> post(Address server, String path, Buffer body, long origin, Duration silence) {
        RequestOptions options = options(server, HttpMethod.POST, path)
                .putHeader("content-type", "application/json")
                .putHeader("accept", "text/event-stream");
        return send(options, body, origin, silence);
    }

    private static RequestOptions options(Address server, HttpMethod method, String path) {
        RequestOptions options = new RequestOptions().setMethod(method).setAbsoluteURI(server.url() + path);
        return server.key() == null ? options : options.putHeader("authorization", "Bearer " + server.key());
    }

    private CompletableFuture<Exchange> send(RequestOptions options, Buffer body, long origin, Duration silence) {
        Stream stream = new Stream(origin, silence);
        loop.runOnContext(_ -> {
            if (aborted) {
                stream.broken(new Outcome.Failure("not sent", "the test was ended"));
                return;
            }
            open.add(stream);
            try {
                stream.send(options, body);
            } catch (RuntimeException | Error e) {
                stream.done.completeExceptionally(e);
            }
        });
        return stream.done;
    }

    /// Vert.x has such a bound of its own, but only until an answer begins.
    private void dropSilent() {
        long now = System.nanoTime();
        List.copyOf(open).forEach(stream -> stream.dropIfSilent(now));
    }

    /// Breaks every open stream, and every one that is asked for later.
    void abort() {
        loop.runOnContext(_ -> {
            aborted = true;
            List.copyOf(open).forEach(stream -> stream.drop("the test was ended", "the test was ended"));
        });
    }

    @Override
    public void close() {
        try {
            vertx.close().toCompletionStage().toCompletableFuture().get(CLOSE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            // The process goes on without it: its threads are daemons of nobody and hold nothing but sockets.
        }
    }

    /// One request and its answer, on the event loop.
    private final class Stream {
        private final CompletableFuture<Exchange> done = new CompletableFuture<>();
        private final List<Exchange.Chunk> chunks = new ArrayList<>();
        private final long origin;
        private final long sent;
        private final Duration silence;
        private long active = System.nanoTime();
        private @Nullable HttpClientRequest request;
        private @Nullable HttpClientResponse response;
        private long bytes;
        private long lineBytes;

        private Stream(long origin, Duration silence) {
            this.origin = origin;
            this.silence = silence;
            this.sent = System.nanoTime() - origin;
        }

        private void send(RequestOptions options, Buffer body) {
            Future<HttpClientRequest> made = client.request(options);
            made.onFailure(this::failed).onSuccess(connected -> {
                request = connected;
                if (done.isDone()) {
                    connected.reset();
                    return;
                }
                boolean wasKept = !kept.add(connected.connection());
                connected
                        .send(body)
                        .onFailure(reason -> unanswered(reason, wasKept, options, body))
                        .onSuccess(this::receive);
            });
        }

        /// A server may close a kept connection just when it is used again, without having seen the request.
        /// Clients then ask again on another one (RFC 9112, section 9.3.1).
        private void unanswered(Throwable reason, boolean wasKept, RequestOptions options, Buffer body) {
            boolean closed = reason instanceof HttpClosedException || reason instanceof SocketException;
            if (closed && wasKept && !done.isDone()) {
                send(options, body);
            } else {
                failed(reason);
            }
        }

        private void receive(HttpClientResponse begun) {
            response = begun;
            begun.exceptionHandler(this::failed);
            begun.endHandler(_ -> end(null));
            begun.handler(this::arrived);
        }

        private void arrived(Buffer buffer) {
            active = System.nanoTime();
            byte[] piece = buffer.getBytes();
            chunks.add(new Exchange.Chunk(active - origin, piece));
            bytes += piece.length;
            lineBytes = lineBytes(piece);
            if (lineBytes > LINE_BYTES || bytes > ANSWER_BYTES) {
                chunks.clear();
                drop(
                        "an answer too large to keep",
                        "more than " + (LINE_BYTES >> 20) + " MiB in one line or " + (ANSWER_BYTES >> 20) + " in all");
            }
        }

        private void dropIfSilent(long now) {
            if (now - active > silence.toNanos()) {
                drop("no answer in time", "nothing came for " + silence.toMillis() / 1000.0 + " s");
            }
        }

        /// Bytes since the last end of a line.
        private long lineBytes(byte[] piece) {
            for (int i = piece.length - 1; i >= 0; i--) {
                if (piece[i] == '\n') {
                    return piece.length - 1 - i;
                }
            }
            return lineBytes + piece.length;
        }

        private void drop(String cause, String example) {
            broken(new Outcome.Failure(cause, example));
            if (request != null) {
                request.reset();
            }
        }

        private void failed(Throwable reason) {
            broken(reason(reason));
        }

        private void broken(Outcome.Failure reason) {
            end(reason);
        }

        private void end(Outcome.@Nullable Failure broken) {
            open.remove(this);
            if (!done.isDone()) {
                String server = response == null ? null : response.getHeader("server");
                done.complete(new Exchange(
                        sent,
                        response == null ? 0 : response.statusCode(),
                        server == null ? "" : server,
                        chunks,
                        broken));
            }
        }
    }

    /// Kinds that a user can tell apart, and what exactly was said.
    static Outcome.Failure reason(Throwable thrown) {
        String what = thrown.getMessage() == null ? thrown.getClass().getSimpleName() : thrown.getMessage();
        String cause = switch (thrown) {
            case UnknownHostException _, UnresolvedAddressException _ -> "a host that nobody knows";
            case TimeoutException _ -> "no answer in time";
            // Netty's for a connection that takes too long is one of these, so it is told apart by its words.
            case ConnectException _ -> what.contains("timed out") ? "no answer in time" : "a connection refused";
            default -> "a connection that broke";
        };
        return new Outcome.Failure(cause, what);
    }
}
