package dev.skein.worker.service;

import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.protocol.v1.SamplingParameters;
import dev.skein.protocol.v1.WorkerGrpcClient;
import io.vertx.core.Vertx;
import io.vertx.core.http.Http2Settings;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.net.SocketAddress;
import io.vertx.grpc.client.GrpcClient;
import io.vertx.grpc.client.GrpcClientOptions;
import io.vertx.grpc.client.GrpcClientRequest;
import io.vertx.grpc.client.GrpcClientResponse;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.common.ServiceMethod;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/** One connection to a worker, with a token, for tests. */
final class WorkerClientFixture implements AutoCloseable {
    private static final long LARGEST_MESSAGE = 64 << 20;

    private final Vertx vertx = Vertx.vertx();
    private final GrpcClient client;
    private final SocketAddress address;
    private final String token;

    WorkerClientFixture(int port, String token) {
        this(port, token, Http2Settings.DEFAULT_INITIAL_WINDOW_SIZE);
    }

    /** With a window of so many bytes that the worker may send unasked. */
    WorkerClientFixture(int port, String token, int window) {
        this.token = token;
        address = SocketAddress.inetSocketAddress(port, "127.0.0.1");
        client = GrpcClient.client(
                vertx,
                new GrpcClientOptions().setMaxMessageSize(LARGEST_MESSAGE),
                new HttpClientOptions().setInitialSettings(new Http2Settings().setInitialWindowSize(window)));
    }

    <A, Q> GrpcClientRequest<Q, A> request(ServiceMethod<A, Q> method) throws Exception {
        GrpcClientRequest<Q, A> request = get(client.request(address, method));
        request.headers().set("authorization", "Bearer " + token);
        return request;
    }

    /** What a call of one answer answers. */
    <A, Q> A call(ServiceMethod<A, Q> method, Q message) throws Exception {
        GrpcClientRequest<Q, A> request = request(method);
        return get(request.send(message).compose(GrpcClientResponse::last));
    }

    static <T> T get(io.vertx.core.Future<T> future) throws Exception {
        return future.toCompletionStage().toCompletableFuture().get(1, TimeUnit.MINUTES);
    }

    /** A stream being read. */
    static final class Stream {
        final List<GenerateResponse> messages = new CopyOnWriteArrayList<>();
        final CompletableFuture<GrpcStatus> status = new CompletableFuture<>();
        final CompletableFuture<GrpcClientResponse<GenerateRequest, GenerateResponse>> response =
                new CompletableFuture<>();
        final CompletableFuture<Void> first = new CompletableFuture<>();
        final GrpcClientRequest<GenerateRequest, GenerateResponse> request;

        private Stream(GrpcClientRequest<GenerateRequest, GenerateResponse> request) {
            this.request = request;
        }

        List<Integer> ids() {
            return messages.stream()
                    .flatMap(message -> message.getTokensList().stream())
                    .map(token -> token.getId())
                    .toList();
        }

        GrpcStatus end() throws Exception {
            return status.get(1, TimeUnit.MINUTES);
        }

        String message() throws Exception {
            return response.get(1, TimeUnit.MINUTES).statusMessage();
        }
    }

    /** Starts a stream; a paused one takes nothing until it is resumed. */
    Stream generate(GenerateRequest message, long timeoutMillis, boolean paused) throws Exception {
        GrpcClientRequest<GenerateRequest, GenerateResponse> request = request(WorkerGrpcClient.Generate);
        Stream stream = new Stream(request);
        if (timeoutMillis > 0) {
            request.timeout(timeoutMillis, TimeUnit.MILLISECONDS);
        }
        request.response().onComplete(started -> {
            if (started.failed()) {
                stream.status.completeExceptionally(started.cause());
                stream.response.completeExceptionally(started.cause());
                return;
            }
            GrpcClientResponse<GenerateRequest, GenerateResponse> response = started.result();
            if (paused) {
                response.pause();
            }
            response.handler(each -> {
                stream.messages.add(each);
                stream.first.complete(null);
            });
            response.exceptionHandler(stream.status::completeExceptionally);
            response.endHandler(_ -> stream.status.complete(response.status()));
            stream.response.complete(response);
        });
        request.end(message);
        return stream;
    }

    Stream generate(GenerateRequest message) throws Exception {
        return generate(message, 0, false);
    }

    static GenerateRequest greedy(int maxTokens, int... prompt) {
        return GenerateRequest.newBuilder()
                .setRequestId("test")
                .addAllPrompt(java.util.Arrays.stream(prompt).boxed().toList())
                .setMaxTokens(maxTokens)
                .setSampling(SamplingParameters.newBuilder()
                        .setTopP(1)
                        .setRepetitionPenalty(1)
                        .setIgnoreEos(true))
                .build();
    }

    @Override
    public void close() throws Exception {
        get(vertx.close());
    }
}
