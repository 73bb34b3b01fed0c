package dev.skein.worker.service;

import dev.skein.protocol.v1.EmbedRequest;
import dev.skein.protocol.v1.EmbedResponse;
import dev.skein.worker.engine.EmbeddingEngine;
import dev.skein.worker.engine.EmbeddingSink;
import dev.skein.worker.engine.EngineException;
import io.vertx.core.Vertx;
import io.vertx.grpc.server.GrpcServerRequest;

/** One Embed call. The engine's thread makes the answer and hands it to the event loop. */
final class EmbedCall extends EngineCall<EmbedRequest, EmbedResponse> implements EmbeddingSink {
    private final EmbeddingEngine engine;

    private EmbedCall(Vertx vertx, EmbeddingEngine engine, GrpcServerRequest<EmbedRequest, EmbedResponse> request) {
        super(vertx, request);
        this.engine = engine;
    }

    /** Takes over a call whose message has not been read. */
    static void accept(Vertx vertx, EmbeddingEngine engine, GrpcServerRequest<EmbedRequest, EmbedResponse> request) {
        new EmbedCall(vertx, engine, request).read(request);
    }

    @Override
    String id(EmbedRequest message) {
        return message.getRequestId();
    }

    @Override
    Runnable submit(EmbedRequest message) {
        return engine.submit(Messages.request(message), this)::cancel;
    }

    // The engine's thread

    @Override
    public void done(float[][] vectors, long queueNanos, long computeNanos) {
        EmbedResponse message = Messages.vectors(vectors, queueNanos, computeNanos);
        context.runOnContext(_ -> answer(message));
    }

    @Override
    public void failed(EngineException reason) {
        context.runOnContext(_ -> end(reason));
    }

    // The event loop

    private void answer(EmbedResponse message) {
        if (!ended()) {
            end(message, "embedded");
        }
    }
}
