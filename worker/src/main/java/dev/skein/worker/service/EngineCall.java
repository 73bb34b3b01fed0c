package dev.skein.worker.service;

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
 * A call that brings one request to an engine: it is cancelled there when its caller goes or its deadline passes, and ended
 * once. Everything here belongs to the event loop.
 *
 * @param <Q> what is asked
 * @param <A> what is answered
 */
abstract sealed class EngineCall<Q, A> permits EmbedCall, GenerateCall {
    private static final Logger log = LoggerFactory.getLogger(EngineCall.class);

    private static final long NO_TIMER = -1;

    private final Vertx vertx;
    final Context context;
    final GrpcServerResponse<Q, A> response;
    private String id = "";
    private @Nullable Runnable cancellation;
    private long deadline = NO_TIMER;
    private boolean ended;

    EngineCall(Vertx vertx, GrpcServerRequest<Q, A> request) {
        this.vertx = vertx;
        this.context = vertx.getOrCreateContext();
        this.response = request.response();
        request.errorHandler(_ -> gone());
        request.exceptionHandler(_ -> gone());
        response.exceptionHandler(_ -> gone());
        if (request.timeout() > 0) {
            deadline = vertx.setTimer(request.timeout(), _ -> {
                deadline = NO_TIMER;
                expired();
            });
        }
    }

    /** Begins with the call's message, once the whole of this is made. */
    final void read(GrpcServerRequest<Q, A> request) {
        request.handler(this::start);
        request.endHandler(_ -> requireMessage());
    }

    /** Names the request in logs. */
    abstract String id(Q message);

    /**
     * Hands a request to the engine.
     *
     * @return takes it back
     * @throws EngineException if it is refused
     */
    abstract Runnable submit(Q message);

    private void start(Q message) {
        if (ended || cancellation != null) {
            return;
        }
        id = id(message);
        try {
            cancellation = submit(message);
        } catch (EngineException refused) {
            end(refused);
        }
    }

    private void requireMessage() {
        if (cancellation == null) {
            end(GrpcStatus.INVALID_ARGUMENT, "the call holds no request");
        }
    }

    /** The deadline has passed. */
    void expired() {
        cancel();
        end(GrpcStatus.DEADLINE_EXCEEDED, "the deadline has passed");
    }

    private void gone() {
        log.debug("request={} gone", id);
        cancel();
        settle();
    }

    final void cancel() {
        if (cancellation != null && !ended) {
            cancellation.run();
        }
    }

    final boolean ended() {
        return ended;
    }

    /** Ends the call with its last message. */
    final void end(A message, Object how) {
        log.debug("request={} finish={}", id, how);
        settle();
        response.end(message);
    }

    final void end(EngineException reason) {
        end(Messages.status(reason.code()), reason.getMessage());
    }

    /** Nothing if it has ended. */
    final void end(GrpcStatus status, @Nullable String message) {
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
