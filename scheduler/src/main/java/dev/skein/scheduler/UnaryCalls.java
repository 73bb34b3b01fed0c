package dev.skein.scheduler;

import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.common.ServiceMethod;
import io.vertx.grpc.server.GrpcServer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;

/// Calls of one question and one answer, which may come later and from any thread. Each is ended on its event loop.
public final class UnaryCalls {
    private final Vertx vertx;
    private final GrpcServer grpc;
    private final Function<Throwable, Refusal> refusals;

    /// How a call without an answer ends.
    public record Refusal(GrpcStatus status, String message) {}

    /// What is asked for cannot be.
    public static final class WrongException extends RuntimeException {
        private static final long serialVersionUID = 1;

        WrongException(IllegalArgumentException wrong) {
            super(String.valueOf(wrong.getMessage()), wrong, false, false);
        }
    }

    /// @param refusals what to say of a failure; an [IllegalArgumentException] of who begins the work comes as a
    ///     [WrongException]
    public UnaryCalls(Vertx vertx, GrpcServer grpc, Function<Throwable, Refusal> refusals) {
        this.vertx = vertx;
        this.grpc = grpc;
        this.refusals = refusals;
    }

    public <Q, A> void answer(ServiceMethod<Q, A> method, Function<Q, CompletableFuture<A>> work) {
        grpc.callHandler(method, request -> {
            Context context = vertx.getOrCreateContext();
            request.handler(wish -> begun(work, wish)
                    .whenComplete((answer, error) -> context.runOnContext(ignored -> {
                        if (error == null) {
                            request.response().end(answer);
                        } else {
                            Refusal refusal = refusals.apply(cause(error));
                            request.response()
                                    .status(refusal.status())
                                    .statusMessage(refusal.message())
                                    .end();
                        }
                    })));
        });
    }

    private static <Q, A> CompletableFuture<A> begun(Function<Q, CompletableFuture<A>> work, Q wish) {
        try {
            return work.apply(wish);
        } catch (IllegalArgumentException wrong) {
            return CompletableFuture.failedFuture(new WrongException(wrong));
        }
    }

    private static Throwable cause(Throwable error) {
        return error instanceof CompletionException wrapped && wrapped.getCause() != null ? wrapped.getCause() : error;
    }
}
