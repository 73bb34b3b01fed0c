package dev.skein.scheduler;

import dev.skein.protocol.v1.Groups;
import dev.skein.protocol.v1.SchedulerGrpcService;
import dev.skein.protocol.v1.WatchGroupsRequest;
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
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Serves `skein.v1.Scheduler` on the loopback address. A call must carry `authorization: Bearer TOKEN`; without it the
/// answer is UNAUTHENTICATED.
public final class GroupsServer {
    private final Vertx vertx;
    private final Scheduler scheduler;
    private final byte[] expected;

    public GroupsServer(Vertx vertx, Scheduler scheduler, String token) {
        this.vertx = vertx;
        this.scheduler = scheduler;
        this.expected = ("Bearer " + token).getBytes(StandardCharsets.UTF_8);
    }

    /// Listens on a port that the system chooses; the server tells which, and closes it.
    public Future<HttpServer> listen() {
        GrpcServer grpc = GrpcServer.server(vertx);
        grpc.callHandler(SchedulerGrpcService.WatchGroups, this::watch);
        HttpServerOptions options = new HttpServerOptions().setHost("127.0.0.1").setPort(0);
        return vertx.createHttpServer(options)
                .requestHandler(request -> admit(request, grpc))
                .listen();
    }

    private void admit(HttpServerRequest request, GrpcServer grpc) {
        String given = request.getHeader("authorization");
        if (given != null && MessageDigest.isEqual(given.getBytes(StandardCharsets.UTF_8), expected)) {
            grpc.handle(request);
        } else {
            request.response()
                    .putHeader("content-type", "application/grpc")
                    .putHeader("grpc-status", Integer.toString(GrpcStatus.UNAUTHENTICATED.code))
                    .putHeader("grpc-message", "the call does not carry the scheduler's token")
                    .end();
        }
    }

    private void watch(GrpcServerRequest<WatchGroupsRequest, Groups> request) {
        Watch watch = new Watch(vertx.getOrCreateContext(), request.response());
        watch.end = scheduler.watch(watch::offer);
        request.exceptionHandler(broken -> watch.stop());
        request.errorHandler(cancelled -> watch.stop());
        request.handler(message -> watch.ask());
    }

    /// One watcher. What it cannot take yet is replaced by what is newer: it may miss pictures, never the last one.
    /// Lives
    /// on its event loop; only [#offer] comes from elsewhere.
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

        void offer(List<GroupStatus> picture) {
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
