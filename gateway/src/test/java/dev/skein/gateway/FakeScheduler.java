package dev.skein.gateway;

import dev.skein.protocol.v1.Deployment;
import dev.skein.protocol.v1.Group;
import dev.skein.protocol.v1.GroupState;
import dev.skein.protocol.v1.Groups;
import dev.skein.protocol.v1.Rank;
import dev.skein.protocol.v1.RankState;
import dev.skein.protocol.v1.SchedulerGrpcService;
import dev.skein.protocol.v1.WatchGroupsRequest;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServer;
import io.vertx.grpc.server.GrpcServer;
import io.vertx.grpc.server.GrpcServerRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** Tells whoever watches what a test says of groups. */
final class FakeScheduler implements AutoCloseable {
    static final String TOKEN = "the-scheduler's-token";

    final int port;
    final BlockingQueue<String> woken = new LinkedBlockingQueue<>();
    private final Context context;
    private final HttpServer server;
    private final List<GrpcServerRequest<WatchGroupsRequest, Groups>> watchers = new ArrayList<>();
    private Groups now = Groups.getDefaultInstance();

    FakeScheduler(Vertx vertx) {
        context = vertx.getOrCreateContext();
        GrpcServer grpc = GrpcServer.server(vertx);
        grpc.callHandler(
                SchedulerGrpcService.WatchGroups,
                request -> context.runOnContext(_ -> {
                    if (("Bearer " + TOKEN).equals(request.headers().get("authorization"))) {
                        watchers.add(request);
                        request.response().write(now);
                    }
                }));
        grpc.callHandler(
                SchedulerGrpcService.Wake,
                request -> request.handler(wish -> {
                    woken.add(wish.getName());
                    request.response().end(Deployment.getDefaultInstance());
                }));
        server = vertx.createHttpServer().requestHandler(grpc);
        port = Wait.on(server.listen(0, "127.0.0.1")).actualPort();
    }

    void tell(Group... groups) {
        context.runOnContext(_ -> {
            now = Groups.newBuilder().addAllGroups(List.of(groups)).build();
            watchers.forEach(watcher -> watcher.response().write(now));
        });
    }

    /** Deployments of these names, each served under its own; their groups are told as {@link #of} makes them. */
    void tell(List<String> deployments, Group... groups) {
        context.runOnContext(_ -> {
            Groups.Builder told = Groups.newBuilder().addAllGroups(List.of(groups));
            deployments.forEach(name -> told.addDeployments(Deployment.newBuilder()
                    .setName(name)
                    .setReplicas((int) List.of(groups).stream()
                            .filter(group -> group.getDeployment().equals(name))
                            .count())
                    .addServedNames(name)));
            now = told.build();
            watchers.forEach(watcher -> watcher.response().write(now));
        });
    }

    /** The deployment of this name sleeps, or has just been woken and has no group yet. */
    void tellSleep(String deployment, boolean asleep) {
        context.runOnContext(_ -> {
            now = Groups.newBuilder()
                    .addDeployments(Deployment.newBuilder()
                            .setName(deployment)
                            .addServedNames(deployment)
                            .setReplicas(1)
                            .setAsleep(asleep))
                    .build();
            watchers.forEach(watcher -> watcher.response().write(now));
        });
    }

    static Group of(String deployment, int revision, Group group) {
        return group.toBuilder()
                .setDeployment(deployment)
                .setRevision(revision)
                .setRevisionKey("r" + revision)
                .build();
    }

    static Group ready(String name, FakeWorker worker) {
        return group(name, worker.port, GroupState.GROUP_STATE_READY, RankState.RANK_STATE_READY);
    }

    static Group warming(String name, FakeWorker worker) {
        return group(name, worker.port, GroupState.GROUP_STATE_WARMING, RankState.RANK_STATE_LISTENING);
    }

    static Group gone(String name) {
        return group(name, 0, GroupState.GROUP_STATE_STARTING, RankState.RANK_STATE_EXITED);
    }

    private static Group group(String name, int port, GroupState state, RankState rankState) {
        return Group.newBuilder()
                .setName(name)
                .setState(state)
                .setReason("as told")
                .setModel("tiny")
                .addRanks(Rank.newBuilder()
                        .setState(rankState)
                        .setHost("127.0.0.1")
                        .setPort(port)
                        .setProcessId(4711)
                        .setToken(FakeWorker.TOKEN))
                .build();
    }

    @Override
    public void close() {
        Wait.on(server.close());
    }
}
