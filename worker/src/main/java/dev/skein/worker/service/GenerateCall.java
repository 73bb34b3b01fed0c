package dev.skein.worker.service;

import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.worker.engine.Completion;
import dev.skein.worker.engine.Engine;
import dev.skein.worker.engine.EngineException;
import dev.skein.worker.engine.Generation;
import dev.skein.worker.engine.TokenLogprobs;
import dev.skein.worker.engine.TokenSink;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.server.GrpcServerRequest;
import io.vertx.grpc.server.GrpcServerResponse;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One Generate call. The engine's thread puts what it has into {@link #pending}; the event loop takes it all as one
 * message whenever the stream can take one. Everything but the fields under the lock belongs to the event loop.
 */
final class GenerateCall implements TokenSink {
    private static final Logger log = LoggerFactory.getLogger(GenerateCall.class);

    private static final long NO_TIMER = -1;

    private final Vertx vertx;
    private final Context context;
    private final GrpcServerResponse<GenerateRequest, GenerateResponse> response;
    private String id = "";
    private @Nullable Generation generation;
    private long deadline = NO_TIMER;
    private boolean paused;
    private boolean ended;

    private final ReentrantLock lock = new ReentrantLock();
    // Under the lock:
    private GenerateResponse.Builder pending = GenerateResponse.newBuilder();
    /** Whether something is pending and the event loop has been told, or waits for the reader. */
    private boolean scheduled;

    private boolean finished;
    private @Nullable EngineException failure;

    private GenerateCall(Vertx vertx, GrpcServerRequest<GenerateRequest, GenerateResponse> request) {
        this.vertx = vertx;
        this.context = vertx.getOrCreateContext();
        this.response = request.response();
        request.errorHandler(_ -> gone());
        request.exceptionHandler(_ -> gone());
        response.exceptionHandler(_ -> gone());
        response.drainHandler(_ -> drained());
        if (request.timeout() > 0) {
            deadline = vertx.setTimer(request.timeout(), _ -> expired());
        }
    }

    /** Takes over a call whose message has not been read. */
    static void accept(Vertx vertx, Engine engine, GrpcServerRequest<GenerateRequest, GenerateResponse> request) {
        GenerateCall call = new GenerateCall(vertx, request);
        request.handler(message -> call.start(engine, message));
        request.endHandler(_ -> call.requireMessage());
    }

    private void start(Engine engine, GenerateRequest message) {
        if (ended || generation != null) {
            return;
        }
        id = message.getRequestId();
        try {
            generation = engine.submit(Messages.request(message), this);
        } catch (EngineException refused) {
            end(Messages.status(refused.code()), refused.getMessage());
        }
    }

    private void requireMessage() {
        if (generation == null) {
            end(GrpcStatus.INVALID_ARGUMENT, "the call holds no request");
        }
    }

    // The engine's thread

    @Override
    public void promptLogprobs(List<TokenLogprobs> logprobs) {
        lock.lock();
        try {
            logprobs.forEach(each -> pending.addPromptLogprobs(Messages.logprobs(each)));
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void token(int id, @Nullable TokenLogprobs logprobs, @Nullable Completion completion) {
        lock.lock();
        try {
            pending.addTokens(Messages.token(id, logprobs));
            if (completion != null) {
                finish(completion);
            }
            schedule();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void finished(Completion completion) {
        lock.lock();
        try {
            finish(completion);
            schedule();
        } finally {
            lock.unlock();
        }
    }

    private void finish(Completion completion) {
        pending.setFinish(Messages.finish(completion));
        finished = true;
    }

    @Override
    public void failed(EngineException reason) {
        lock.lock();
        try {
            failure = reason;
            schedule();
        } finally {
            lock.unlock();
        }
    }

    private void schedule() {
        if (!scheduled) {
            scheduled = true;
            context.runOnContext(_ -> flush());
        }
    }

    // The event loop

    private void flush() {
        if (ended) {
            return;
        }
        if (response.writeQueueFull()) {
            pause();
            return;
        }
        GenerateResponse message;
        EngineException reason;
        boolean last;
        lock.lock();
        try {
            if (!scheduled) {
                return;
            }
            scheduled = false;
            message = pending.build();
            pending = GenerateResponse.newBuilder();
            reason = failure;
            last = finished;
        } finally {
            lock.unlock();
        }
        write(message, last, reason);
    }

    private void write(GenerateResponse message, boolean last, @Nullable EngineException reason) {
        if (last) {
            log.debug("request={} finish={}", id, message.getFinish().getReason());
            settle();
            response.end(message);
        } else if (reason != null) {
            end(Messages.status(reason.code()), reason.getMessage());
        } else {
            response.write(message);
            if (response.writeQueueFull()) {
                pause();
            }
        }
    }

    /** What the engine already has on its way stays pending until the reader is back. */
    private void pause() {
        if (!paused && generation != null) {
            paused = true;
            generation.pause();
        }
    }

    private void drained() {
        if (paused && generation != null) {
            paused = false;
            generation.resume();
        }
        flush();
    }

    private void expired() {
        deadline = NO_TIMER;
        boolean begun = generation != null && generation.begun();
        cancel();
        if (begun) {
            end(GrpcStatus.DEADLINE_EXCEEDED, "the deadline has passed");
        } else {
            end(GrpcStatus.RESOURCE_EXHAUSTED, "the deadline has passed while the request waited");
        }
    }

    private void gone() {
        log.debug("request={} gone", id);
        cancel();
        settle();
    }

    private void cancel() {
        if (generation != null && !ended) {
            generation.cancel();
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
