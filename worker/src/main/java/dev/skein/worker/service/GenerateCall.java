package dev.skein.worker.service;

import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.worker.engine.Completion;
import dev.skein.worker.engine.Engine;
import dev.skein.worker.engine.EngineException;
import dev.skein.worker.engine.Generation;
import dev.skein.worker.engine.TokenLogprobs;
import dev.skein.worker.engine.TokenSink;
import io.vertx.core.Vertx;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.server.GrpcServerRequest;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * One Generate call. The engine's thread puts what it has into {@link #pending}; the event loop takes it all as one
 * message whenever the stream can take one. Everything but the fields under the lock belongs to the event loop.
 */
final class GenerateCall extends EngineCall<GenerateRequest, GenerateResponse> implements TokenSink {
    private final Engine engine;
    private @Nullable Generation generation;
    private boolean paused;

    private final ReentrantLock lock = new ReentrantLock();
    // Under the lock:
    private GenerateResponse.Builder pending = GenerateResponse.newBuilder();
    /** Whether something is pending and the event loop has been told, or waits for the reader. */
    private boolean scheduled;

    private boolean finished;
    private @Nullable EngineException failure;

    private GenerateCall(Vertx vertx, Engine engine, GrpcServerRequest<GenerateRequest, GenerateResponse> request) {
        super(vertx, request);
        this.engine = engine;
        response.drainHandler(_ -> drained());
    }

    /** Takes over a call whose message has not been read. */
    static void accept(Vertx vertx, Engine engine, GrpcServerRequest<GenerateRequest, GenerateResponse> request) {
        new GenerateCall(vertx, engine, request).read(request);
    }

    @Override
    String id(GenerateRequest message) {
        return message.getRequestId();
    }

    @Override
    Runnable submit(GenerateRequest message) {
        Generation submitted = engine.submit(Messages.request(message), this);
        generation = submitted;
        return submitted::cancel;
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
        if (ended()) {
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
            end(message, message.getFinish().getReason());
        } else if (reason != null) {
            end(reason);
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

    /** Who has not been begun with is told so: it may come again later. */
    @Override
    void expired() {
        if (generation != null && generation.begun()) {
            super.expired();
        } else {
            cancel();
            end(GrpcStatus.RESOURCE_EXHAUSTED, "the deadline has passed while the request waited");
        }
    }
}
