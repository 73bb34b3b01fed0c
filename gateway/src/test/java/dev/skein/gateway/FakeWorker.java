package dev.skein.gateway;

import dev.skein.protocol.v1.EmbedRequest;
import dev.skein.protocol.v1.EmbedResponse;
import dev.skein.protocol.v1.Finish;
import dev.skein.protocol.v1.FinishReason;
import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.StatisticsResponse;
import dev.skein.protocol.v1.Token;
import dev.skein.protocol.v1.TokenIds;
import dev.skein.protocol.v1.TokenizerModel;
import dev.skein.protocol.v1.Vector;
import dev.skein.protocol.v1.WorkerGrpcService;
import io.vertx.core.Vertx;
import io.vertx.core.http.Http2Settings;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.server.GrpcServer;
import io.vertx.grpc.server.GrpcServerRequest;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/** A leader without an engine: what it generates is what a test tells it to, call by call. */
final class FakeWorker implements AutoCloseable {
    static final String TOKEN = "the-group's-token";

    final BlockingQueue<Call> calls = new LinkedBlockingQueue<>();
    final AtomicInteger started = new AtomicInteger();
    volatile StatisticsResponse statistics = StatisticsResponse.getDefaultInstance();
    volatile Consumer<Call> script = calls::add;
    volatile Consumer<EmbedCall> embedScript = call -> call.answer(4);
    final BlockingQueue<EmbedCall> embedCalls = new LinkedBlockingQueue<>();
    final int port;

    private final HttpServer server;

    FakeWorker(Vertx vertx) {
        this(vertx, TinyModel.card(), TinyModel.tokenizer());
    }

    FakeWorker(Vertx vertx, ModelCard card, TokenizerModel tokenizer) {
        GrpcServer grpc = GrpcServer.server(vertx);
        grpc.callHandler(WorkerGrpcService.Model, request -> once(request, card));
        grpc.callHandler(WorkerGrpcService.Tokenizer, request -> once(request, tokenizer));
        grpc.callHandler(WorkerGrpcService.Statistics, request -> once(request, statistics));
        grpc.callHandler(WorkerGrpcService.Generate, this::generate);
        grpc.callHandler(WorkerGrpcService.Embed, this::embed);
        server = vertx.createHttpServer(
                        new HttpServerOptions().setInitialSettings(new Http2Settings().setMaxConcurrentStreams(10_000)))
                .requestHandler(grpc);
        port = Wait.on(server.listen(0, "127.0.0.1")).actualPort();
    }

    private static <Q, A> void once(GrpcServerRequest<Q, A> request, A answer) {
        boolean right = ("Bearer " + TOKEN).equals(request.headers().get("authorization"));
        request.last().onSuccess(_ -> {
            if (right) {
                request.response().end(answer);
            } else {
                request.response().status(GrpcStatus.UNAUTHENTICATED).end();
            }
        });
    }

    private void generate(GrpcServerRequest<GenerateRequest, GenerateResponse> request) {
        Call call = new Call(request);
        request.handler(message -> {
            started.incrementAndGet();
            call.request = message;
            script.accept(call);
        });
    }

    private void embed(GrpcServerRequest<EmbedRequest, EmbedResponse> request) {
        request.handler(message -> {
            started.incrementAndGet();
            EmbedCall call = new EmbedCall(request, message, new CompletableFuture<>());
            request.errorHandler(_ -> call.cancelled.complete(null));
            request.exceptionHandler(_ -> call.cancelled.complete(null));
            embedCalls.add(call);
            embedScript.accept(call);
        });
    }

    /** A call for vectors. */
    record EmbedCall(
            GrpcServerRequest<EmbedRequest, EmbedResponse> call,
            EmbedRequest request,
            CompletableFuture<Void> cancelled) {
        /** For each text its first id, its length and then 0.5, -0.25 and so on. */
        void answer(int dimensions) {
            EmbedResponse.Builder response =
                    EmbedResponse.newBuilder().setQueueNanos(1_000_000).setComputeNanos(2_000_000);
            for (TokenIds text : request.getTextsList()) {
                Vector.Builder vector =
                        Vector.newBuilder().addElements(text.getIds(0)).addElements(text.getIdsCount());
                for (int i = 2; i < dimensions; i++) {
                    vector.addElements((float) Math.pow(-0.5, i - 1) * -1);
                }
                response.addVectors(vector);
            }
            call.response().end(response.build());
        }

        void fail(GrpcStatus status, String message) {
            call.response().status(status).statusMessage(message).end();
        }
    }

    /** The next call that came. */
    Call next() throws InterruptedException {
        Call call = calls.poll(10, TimeUnit.SECONDS);
        if (call == null) {
            throw new AssertionError("no call came to the worker in 10 s");
        }
        return call;
    }

    /** As if it were killed: its connections end at once. */
    @Override
    public void close() {
        Wait.on(server.close());
    }

    static GenerateResponse.Builder tokens(int... ids) {
        GenerateResponse.Builder response = GenerateResponse.newBuilder();
        for (int id : ids) {
            response.addTokens(Token.newBuilder().setId(id));
        }
        return response;
    }

    static Finish finish(FinishReason reason) {
        return Finish.newBuilder()
                .setReason(reason)
                .setQueueNanos(1_000_000)
                .setPrefillNanos(2_000_000)
                .setDecodeNanos(3_000_000)
                .build();
    }

    /** Answers every call with {@code text}, an id a message, and an end of sequence. */
    void says(String text) {
        script = call -> {
            for (int id : TinyModel.ids(text)) {
                call.send(tokens(id));
            }
            call.end();
        };
    }

    static final class Call {
        final CompletableFuture<Void> cancelled = new CompletableFuture<>();
        final AtomicLong sent = new AtomicLong();
        private final GrpcServerRequest<GenerateRequest, GenerateResponse> call;
        volatile GenerateRequest request = GenerateRequest.getDefaultInstance();

        private Call(GrpcServerRequest<GenerateRequest, GenerateResponse> call) {
            this.call = call;
            call.errorHandler(_ -> cancelled.complete(null));
            call.exceptionHandler(_ -> cancelled.complete(null));
            call.response().exceptionHandler(_ -> cancelled.complete(null));
        }

        void send(GenerateResponse.Builder response) {
            sent.incrementAndGet();
            call.response().write(response.build());
        }

        /** Milliseconds that the worker was given; 0 for no end. */
        long timeout() {
            return call.timeout();
        }

        void say(String text) {
            send(tokens(TinyModel.ids(text)));
        }

        /** An end-of-sequence id and the end. */
        void end() {
            call.response()
                    .end(tokens(TinyModel.END)
                            .setFinish(finish(FinishReason.FINISH_REASON_STOP))
                            .build());
        }

        void end(GenerateResponse.Builder last) {
            call.response().end(last.build());
        }

        void fail(GrpcStatus status, String message) {
            call.response().status(status).statusMessage(message).end();
        }

        /** Writes {@code response} again and again while the stream takes it. */
        void flood(GenerateResponse response) {
            while (!call.response().writeQueueFull() && !cancelled.isDone()) {
                sent.incrementAndGet();
                call.response().write(response);
            }
            call.response().drainHandler(_ -> flood(response));
        }
    }
}
