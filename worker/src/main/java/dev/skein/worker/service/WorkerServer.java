package dev.skein.worker.service;

import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.DrainResponse;
import dev.skein.protocol.v1.EmbedRequest;
import dev.skein.protocol.v1.EmbedResponse;
import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.protocol.v1.HealthResponse;
import dev.skein.protocol.v1.HealthState;
import dev.skein.protocol.v1.JoinRequest;
import dev.skein.protocol.v1.JoinResponse;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.StatisticsResponse;
import dev.skein.protocol.v1.TokenizerModel;
import dev.skein.protocol.v1.WorkerGrpcService;
import dev.skein.worker.engine.EmbeddingEngine;
import dev.skein.worker.engine.Engine;
import dev.skein.worker.engine.StepLoop;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.http.Http2Settings;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.common.ServiceMethod;
import io.vertx.grpc.server.GrpcServer;
import io.vertx.grpc.server.GrpcServerOptions;
import io.vertx.grpc.server.GrpcServerRequest;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves the Worker calls. It listens before there is a model: Health answers at once, Model and Tokenizer as soon as
 * {@link #served} has been called, Generate or Embed after {@link #ready}.
 */
public final class WorkerServer {
    private static final Logger log = LoggerFactory.getLogger(WorkerServer.class);

    /** A gateway that cancels many streams at once is no attack; the default of 200 in 30 s would cut it off. */
    private static final int MAX_RESETS_PER_SECOND = 20_000;

    /** Bytes of a request beside its ids: names, and thousands of biases. */
    private static final long REQUEST_BYTES = 1 << 20;
    /** A varint of 32 bits. */
    private static final long ID_BYTES = 5;
    /** As long as a model with the longest context may need. */
    private static final long MAX_REQUEST_BYTES = REQUEST_BYTES + ID_BYTES * (1 << 23);

    private final Vertx vertx;
    private final @Nullable JoinDesk desk;
    private final byte[] authorization;
    private final HttpServer server;
    private final Promise<Served> served = Promise.promise();
    // Written by the thread that starts the worker, read by the event loop.
    private volatile HealthResponse health = health(HealthState.HEALTH_STATE_STARTING, "starting");
    // Written by the step loop's thread, read by the event loop: why no steps are made for now.
    private volatile @Nullable String recovering;
    private volatile @Nullable StepLoop engine;

    /**
     * @param token that every call must carry
     * @param encryption of all calls
     * @param maxStreams calls at a time over one connection
     * @param desk where other ranks come to; null for a worker that is alone
     */
    public WorkerServer(Vertx vertx, String token, Encryption encryption, int maxStreams, @Nullable JoinDesk desk) {
        this.vertx = vertx;
        this.desk = desk;
        this.authorization = ("Bearer " + token).getBytes(StandardCharsets.UTF_8);
        this.server =
                vertx.createHttpServer(encryption.on(httpOptions(maxStreams))).requestHandler(calls());
    }

    private static HttpServerOptions httpOptions(int maxStreams) {
        return new HttpServerOptions()
                .setInitialSettings(new Http2Settings().setMaxConcurrentStreams(maxStreams))
                .setHttp2RstFloodMaxRstFramePerWindow(MAX_RESETS_PER_SECOND)
                .setHttp2RstFloodWindowDuration(1)
                .setHttp2RstFloodWindowDurationTimeUnit(TimeUnit.SECONDS);
    }

    /** Listens; the future fails if the port is taken. */
    public Future<Integer> listen(String host, int port) {
        return server.listen(port, host).map(HttpServer::actualPort);
    }

    /** Answers Model and Tokenizer from now on. */
    public void served(Served what) {
        served.tryComplete(what);
    }

    /** Says what is being done. */
    public void starting(String detail) {
        health = health(HealthState.HEALTH_STATE_STARTING, detail);
    }

    /** Admits requests from now on. */
    public void ready(StepLoop started) {
        engine = started;
        health = health(HealthState.HEALTH_STATE_READY, "");
    }

    /** Says that another rank is awaited, and why; what is admitted meanwhile goes on when it is back. */
    public void recovering(String reason) {
        recovering = reason;
    }

    /** All ranks are there again. */
    public void recovered() {
        recovering = null;
    }

    /** Admits nothing more; calls that wait for the model fail. */
    public void failed(String reason) {
        health = health(HealthState.HEALTH_STATE_FAILED, reason);
        served.tryFail(reason);
    }

    /** Admits nothing more; done when all that was admitted has ended in the engine. */
    public Future<Void> drain() {
        StepLoop running = engine;
        if (running == null) {
            return Future.failedFuture("the worker is not ready");
        }
        health = health(HealthState.HEALTH_STATE_DRAINING, "finishing what runs");
        return Future.fromCompletionStage(running.drain());
    }

    /** Stops listening, lets streams end for so long, if at all, then closes connections. */
    public Future<Void> shutdown(Duration grace) {
        return grace.toMillis() > 0 ? server.shutdown(grace.toMillis(), TimeUnit.MILLISECONDS) : server.close();
    }

    private HealthResponse health() {
        String reason = recovering;
        return reason != null && health.getState() == HealthState.HEALTH_STATE_READY
                ? health(HealthState.HEALTH_STATE_RECOVERING, reason)
                : health;
    }

    private static HealthResponse health(HealthState state, String detail) {
        return HealthResponse.newBuilder().setState(state).setDetail(detail).build();
    }

    private GrpcServer calls() {
        GrpcServer calls = GrpcServer.server(vertx, new GrpcServerOptions().setMaxMessageSize(MAX_REQUEST_BYTES));
        calls.callHandler(WorkerGrpcService.Generate, this::generate);
        calls.callHandler(WorkerGrpcService.Embed, this::embed);
        calls.callHandler(WorkerGrpcService.Join, this::join);
        answer(calls, WorkerGrpcService.Health, () -> Future.succeededFuture(health()));
        answer(calls, WorkerGrpcService.Model, this::model);
        answer(calls, WorkerGrpcService.Tokenizer, this::tokenizer);
        answer(calls, WorkerGrpcService.Statistics, this::statistics);
        answer(calls, WorkerGrpcService.Drain, () -> drain().map(DrainResponse.getDefaultInstance()));
        return calls;
    }

    private Future<ModelCard> model() {
        return served.future().map(Served::card);
    }

    private Future<TokenizerModel> tokenizer() {
        return served.future().compose(Served::tokenizer);
    }

    private Future<StatisticsResponse> statistics() {
        StepLoop running = engine;
        if (running == null) {
            return Future.succeededFuture(StatisticsResponse.getDefaultInstance());
        }
        return served.future()
                .compose(model -> vertx.executeBlocking(
                        () -> Messages.statistics(running, model.device().get())));
    }

    /** Where other ranks come to, if this one leads any. */
    public Optional<JoinDesk> desk() {
        return Optional.ofNullable(desk);
    }

    private void join(GrpcServerRequest<JoinRequest, JoinResponse> request) {
        if (!authorized(request)) {
            return;
        }
        if (desk == null) {
            refuse(request, GrpcStatus.FAILED_PRECONDITION, "this worker leads no group: it is the only rank");
        } else {
            desk.accept(request);
        }
    }

    private void generate(GrpcServerRequest<GenerateRequest, GenerateResponse> request) {
        switch (admitted(request)) {
            case null -> {}
            case Engine running -> GenerateCall.accept(vertx, running, request);
            case EmbeddingEngine _ ->
                refuse(request, GrpcStatus.UNIMPLEMENTED, "the model makes vectors and does not generate");
        }
    }

    private void embed(GrpcServerRequest<EmbedRequest, EmbedResponse> request) {
        switch (admitted(request)) {
            case null -> {}
            case EmbeddingEngine running -> EmbedCall.accept(vertx, running, request);
            case Engine _ -> refuse(request, GrpcStatus.UNIMPLEMENTED, "the model generates and makes no vectors");
        }
    }

    /** Who serves a call; null where it has been refused. */
    private @Nullable StepLoop admitted(GrpcServerRequest<?, ?> request) {
        if (!authorized(request)) {
            return null;
        }
        StepLoop running = engine;
        if (running == null) {
            refuse(request, GrpcStatus.UNAVAILABLE, "the worker is not ready: " + health.getDetail());
        }
        return running;
    }

    /** A call of one answer whose request says nothing. */
    private <Q, A> void answer(GrpcServer calls, ServiceMethod<Q, A> method, Supplier<Future<A>> answer) {
        calls.callHandler(method, request -> {
            if (!authorized(request)) {
                return;
            }
            request.exceptionHandler(gone -> log.debug("call={} gone={}", method.methodName(), gone.toString()));
            request.last().compose(_ -> answer.get()).onComplete(done -> {
                if (done.succeeded()) {
                    request.response().end(done.result());
                } else {
                    refuse(
                            request,
                            GrpcStatus.UNAVAILABLE,
                            String.valueOf(done.cause().getMessage()));
                }
            });
        });
    }

    /** Whether a call carries the group's token; it has been refused if not. */
    private boolean authorized(GrpcServerRequest<?, ?> request) {
        String given = request.headers().get("authorization");
        boolean right = given != null && MessageDigest.isEqual(given.getBytes(StandardCharsets.UTF_8), authorization);
        if (!right) {
            refuse(request, GrpcStatus.UNAUTHENTICATED, "the group's token is missing or wrong");
        }
        return right;
    }

    private static void refuse(GrpcServerRequest<?, ?> request, GrpcStatus status, String message) {
        request.response().status(status).statusMessage(message).end();
    }
}
