package dev.skein.scheduler;

import dev.skein.protocol.v1.Groups;
import dev.skein.protocol.v1.RolloutRequest;
import dev.skein.protocol.v1.SchedulerGrpcService;
import dev.skein.protocol.v1.WatchGroupsRequest;
import dev.skein.protocol.v1.WhyResponse;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.server.GrpcServer;
import io.vertx.grpc.server.GrpcServerRequest;
import io.vertx.grpc.server.GrpcServerResponse;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Serves `skein.v1.Scheduler` on the loopback address. A call must carry `authorization: Bearer TOKEN`; without it the
/// answer is UNAUTHENTICATED.
public final class GroupsServer {
    private final Vertx vertx;
    private final Scheduler scheduler;
    private final Function<String, CompletableFuture<Void>> keeper;
    private final byte[] expected;

    public GroupsServer(Vertx vertx, Scheduler scheduler, String token) {
        this(vertx, scheduler, token, name -> CompletableFuture.completedFuture(null));
    }

    /// @param keeper by a deployment's name; completes when what is wanted of it outlives this process: before that
    ///     nobody who changed it is answered
    public GroupsServer(
            Vertx vertx, Scheduler scheduler, String token, Function<String, CompletableFuture<Void>> keeper) {
        this.vertx = vertx;
        this.scheduler = scheduler;
        this.keeper = keeper;
        this.expected = ("Bearer " + token).getBytes(StandardCharsets.UTF_8);
    }

    /// Listens on a port that the system chooses; the server tells which, and closes it.
    public Future<HttpServer> listen() {
        GrpcServer grpc = service();
        HttpServerOptions options = new HttpServerOptions().setHost("127.0.0.1").setPort(0);
        return vertx.createHttpServer(options)
                .requestHandler(request -> admit(request, grpc))
                .listen();
    }

    /// Answers the calls, for a server that lets in whom it should.
    public GrpcServer service() {
        GrpcServer grpc = GrpcServer.server(vertx);
        grpc.callHandler(SchedulerGrpcService.WatchGroups, this::watch);
        UnaryCalls calls = new UnaryCalls(vertx, grpc, GroupsServer::refusal);
        calls.answer(
                SchedulerGrpcService.Apply,
                wish -> kept(scheduler.apply(Wire.deployment(wish.getDeployment())))
                        .thenApply(Wire::deployment));
        calls.answer(
                SchedulerGrpcService.Scale,
                wish -> kept(scheduler.scale(wish.getName(), wish.getReplicas()))
                        .thenApply(Wire::deployment));
        calls.answer(
                SchedulerGrpcService.Wake,
                wish -> scheduler.wake(wish.getName()).thenApply(Wire::deployment));
        calls.answer(SchedulerGrpcService.Rollout, wish -> rollout(wish).thenApply(Wire::deployment));
        calls.answer(
                SchedulerGrpcService.Why,
                wish -> scheduler
                        .why(wish.getGroup())
                        .thenApply(lines ->
                                WhyResponse.newBuilder().addAllLines(lines).build()));
        calls.answer(
                SchedulerGrpcService.ListMachines,
                nothing -> scheduler.machines().thenApply(Wire::machines));
        return grpc;
    }

    private void admit(HttpServerRequest request, GrpcServer grpc) {
        if (carries(request, expected)) {
            grpc.handle(request);
        } else {
            refuse(request, GrpcStatus.UNAUTHENTICATED, "the call does not carry the scheduler's token");
        }
    }

    /// Whether a call carries the secret.
    ///
    /// @param expected the whole value of the `authorization` header
    public static boolean carries(HttpServerRequest request, byte[] expected) {
        String given = request.getHeader("authorization");
        return given != null && MessageDigest.isEqual(given.getBytes(StandardCharsets.UTF_8), expected);
    }

    /// Answers as gRPC does where a call fails before it reaches its method.
    public static void refuse(HttpServerRequest request, GrpcStatus status, String message) {
        request.response()
                .putHeader("content-type", "application/grpc")
                .putHeader("grpc-status", Integer.toString(status.code))
                .putHeader("grpc-message", message)
                .end();
    }

    private CompletableFuture<DeploymentStatus> rollout(RolloutRequest wish) {
        return switch (wish.getAction()) {
            case ROLLOUT_ACTION_PAUSE -> kept(scheduler.pause(wish.getName(), true));
            case ROLLOUT_ACTION_RESUME -> kept(scheduler.pause(wish.getName(), false));
            case ROLLOUT_ACTION_UNDO -> kept(scheduler.undo(wish.getName()));
            case ROLLOUT_ACTION_RETRY -> scheduler.retry(wish.getName());
            case ROLLOUT_ACTION_STATUS, UNRECOGNIZED -> scheduler.status(wish.getName());
        };
    }

    private CompletableFuture<DeploymentStatus> kept(CompletableFuture<DeploymentStatus> changed) {
        return changed.thenCompose(
                status -> keeper.apply(status.deployment().name()).thenApply(done -> status));
    }

    private static UnaryCalls.Refusal refusal(Throwable cause) {
        return switch (cause) {
            case SchedulerException refused ->
                new UnaryCalls.Refusal(status(refused.kind()), String.valueOf(refused.getMessage()));
            case UnaryCalls.WrongException wrong ->
                new UnaryCalls.Refusal(GrpcStatus.INVALID_ARGUMENT, String.valueOf(wrong.getMessage()));
            default -> new UnaryCalls.Refusal(GrpcStatus.INTERNAL, "the scheduler failed");
        };
    }

    private static GrpcStatus status(SchedulerException.Kind kind) {
        return switch (kind) {
            case NOT_FOUND -> GrpcStatus.NOT_FOUND;
            case INVALID -> GrpcStatus.INVALID_ARGUMENT;
            case NOT_NOW -> GrpcStatus.FAILED_PRECONDITION;
            case UNSURE -> GrpcStatus.UNAVAILABLE;
        };
    }

    private void watch(GrpcServerRequest<WatchGroupsRequest, Groups> request) {
        Watch watch = new Watch(vertx.getOrCreateContext(), request.response());
        watch.end = scheduler.watch(watch::offer);
        request.exceptionHandler(broken -> watch.stop());
        request.errorHandler(cancelled -> watch.stop());
        request.handler(message -> watch.ask());
    }

    /// One watcher. What it cannot take yet is replaced by what is newer: it may miss pictures, never the last one.
    /// Lives on its event loop; only [#offer] comes from elsewhere.
    private static final class Watch {
        private final Context context;
        private final GrpcServerResponse<WatchGroupsRequest, Groups> response;
        private Runnable end = () -> {};
        private boolean asked;
        private boolean stopped;
        private @Nullable Groups waiting;

        Watch(Context context, GrpcServerResponse<WatchGroupsRequest, Groups> response) {
            this.context = context;
            this.response = response;
            response.drainHandler(drained -> write());
        }

        void offer(Picture picture) {
            Groups message = Wire.groups(picture);
            context.runOnContext(ignored -> {
                waiting = message;
                write();
            });
        }

        void ask() {
            asked = true;
            write();
        }

        void stop() {
            stopped = true;
            end.run();
        }

        private void write() {
            if (asked && !stopped && waiting != null && !response.writeQueueFull()) {
                Groups next = waiting;
                waiting = null;
                response.write(next).onFailure(gone -> stop());
            }
        }
    }
}
