package dev.skein.worker.service;

import dev.skein.protocol.v1.EmbedRequest;
import dev.skein.protocol.v1.EmbedResponse;
import dev.skein.worker.engine.Embedding;
import dev.skein.worker.engine.EmbeddingEngine;
import dev.skein.worker.engine.EmbeddingSink;
import dev.skein.worker.engine.EngineException;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.server.GrpcServerRequest;
import io.vertx.grpc.server.GrpcServerResponse;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One Embed call. The engine's thread makes the answer and hands it to the event loop, to which all fields belong.
 */
final class EmbedCall implements EmbeddingSink {
    private static final Logger log = LoggerFactory.getLogger(EmbedCall.class);

    private static final long NO_TIMER = -1;

    private final Vertx vertx;
    private final Context context;
    private final GrpcServerResponse<EmbedRequest, EmbedResponse> response;
    private String id = "";
    private @Nullable Embedding embedding;
    private long deadline = NO_TIMER;
    private boolean ended;

    private EmbedCall(Vertx vertx, GrpcServerRequest<EmbedRequest, EmbedResponse> request) {
        this.vertx = vertx;
        this.context = vertx.getOrCreateContext();
        this.response = request.response();
        request.errorHandler(_ -> gone());
        request.exceptionHandler(_ -> gone());
        response.exceptionHandler(_ -> gone());
        if (request.timeout() > 0) {
            deadline = vertx.setTimer(request.timeout(), _ -> expired());
        }
    }

    /** Takes over a call whose message has not been read. */
    static void accept(Vertx vertx, EmbeddingEngine engine, GrpcServerRequest<EmbedRequest, EmbedResponse> request) {
        EmbedCall call = new EmbedCall(vertx, request);
        request.handler(message -> call.start(engine, message));
        request.endHandler(_ -> call.requireMessage());
    }

    private void start(EmbeddingEngine engine, EmbedRequest message) {
        if (ended || embedding != null) {
            return;
        }
        id = message.getRequestId();
        try {
            embedding = engine.submit(Messages.request(message), this);
        } catch (EngineException refused) {
            end(Messages.status(refused.code()), refused.getMessage());
        }
    }

    private void requireMessage() {
        if (embedding == null) {
            end(GrpcStatus.INVALID_ARGUMENT, "the call holds no request");
        }
    }

    // The engine's thread

    @Override
    public void done(float[][] vectors, long queueNanos, long computeNanos) {
        EmbedResponse message = Messages.vectors(vectors, queueNanos, computeNanos);
        context.runOnContext(_ -> answer(message));
    }

    @Override
    public void failed(EngineException reason) {
        context.runOnContext(_ -> end(Messages.status(reason.code()), reason.getMessage()));
    }

    // The event loop

    private void answer(EmbedResponse message) {
        if (!ended) {
            settle();
            response.end(message);
        }
    }

    private void expired() {
        deadline = NO_TIMER;
        cancel();
        end(GrpcStatus.DEADLINE_EXCEEDED, "the deadline has passed");
    }

    private void gone() {
        log.debug("request={} gone", id);
        cancel();
        settle();
    }

    private void cancel() {
        if (embedding != null && !ended) {
            embedding.cancel();
        }
    }

    private void end(GrpcStatus status, @Nullable String message) {
        if (!ended) {
            log.debug("request={} status={} reason=\"{}\"", id, status, message);
            settle();
            response.status(status)
                    .statusMessage(message == null ? "" : message)
                    .end();
        }
    }

    private void settle() {
        ended = true;
        if (deadline != NO_TIMER) {
            vertx.cancelTimer(deadline);
            deadline = NO_TIMER;
        }
    }
}
