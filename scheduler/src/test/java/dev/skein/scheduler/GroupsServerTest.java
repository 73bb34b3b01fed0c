package dev.skein.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.protocol.v1.ApplyRequest;
import dev.skein.protocol.v1.DeploymentSpec;
import dev.skein.protocol.v1.GroupState;
import dev.skein.protocol.v1.Groups;
import dev.skein.protocol.v1.ScaleRequest;
import dev.skein.protocol.v1.SchedulerGrpcClient;
import dev.skein.protocol.v1.WakeRequest;
import dev.skein.protocol.v1.WatchGroupsRequest;
import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.Policy;
import dev.skein.scheduler.rollout.Deployment;
import dev.skein.scheduler.rollout.Needs;
import dev.skein.scheduler.rollout.Strategy;
import dev.skein.scheduler.rollout.Template;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServer;
import io.vertx.core.net.SocketAddress;
import io.vertx.core.streams.ReadStream;
import io.vertx.grpc.client.GrpcClient;
import io.vertx.grpc.client.GrpcClientRequest;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.common.ServiceMethod;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class GroupsServerTest {
    private static final int CHANGES = 20_000;

    private static final Deployment ONE = new Deployment(
            "g",
            List.of("name"),
            new Template("model", 1, "{}", Needs.NOTHING, Policy.DEFAULT),
            1,
            Strategy.DEFAULT,
            false);

    private final Vertx vertx = Vertx.vertx();
    private final FakeSubstrate substrate = new FakeSubstrate();
    private final Scheduler scheduler = new Scheduler(substrate, new GroupStore(), new Random(1));
    private HttpServer server;
    private GrpcClient client;

    @BeforeEach
    void listen() throws Exception {
        server = await(new GroupsServer(vertx, scheduler, "secret").listen());
        client = GrpcClient.client(vertx);
    }

    @AfterEach
    void close() throws Exception {
        scheduler.close();
        await(vertx.close());
    }

    @Test
    void tellsThePictureAtOnceAndAtEachChange() throws Exception {
        BlockingQueue<Groups> seen = new LinkedBlockingQueue<>();
        await(watch("secret")).handler(seen::add).resume();
        assertThat(seen.poll(30, TimeUnit.SECONDS).getGroupsCount()).isZero();
        scheduler.apply(ONE);
        substrate.next();
        substrate.happens(new Event.Spawned(0, 1, 77, "token"));
        substrate.happens(new Event.Listening(0, 1, 4711));
        substrate.happens(new Event.Ready(0, 1, "warm"));
        Groups last = seen.take();
        while (last.getGroupsCount() == 0 || last.getGroups(0).getState() != GroupState.GROUP_STATE_READY) {
            last = seen.poll(30, TimeUnit.SECONDS);
        }
        assertThat(last.getGroups(0).getModel()).isEqualTo("model");
        assertThat(last.getGroups(0).getDeployment()).isEqualTo("g");
        assertThat(last.getDeployments(0).getServedNamesList()).containsExactly("name");
        assertThat(last.getDeployments(0).getReady()).isEqualTo(1);
        assertThat(last.getGroups(0).getRanks(0).getPort()).isEqualTo(4711);
        assertThat(last.getGroups(0).getRanks(0).getToken()).isEqualTo("token");
        assertThat(last.getGroups(0).getRanks(0).getProcessId()).isEqualTo(77);
    }

    @Test
    void aSlowWatcherMissesPicturesButNotTheLast() throws Exception {
        scheduler.apply(ONE);
        substrate.next();
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        ReadStream<Groups> stream = await(watch("secret"));
        stream.handler(groups -> seen.add(groups.getGroups(0).getReason()));
        String padding = "x".repeat(1000);
        for (int i = 0; i <= CHANGES; i++) {
            substrate.happens(new Event.Progress(0, 1, i + padding));
        }
        stream.resume();
        String last = "";
        int count = 0;
        while (!last.equals(CHANGES + padding)) {
            last = seen.poll(30, TimeUnit.SECONDS);
            count++;
        }
        assertThat(count).isLessThan(CHANGES);
    }

    @Test
    void aWatcherThatGoesIsForgotten() throws Exception {
        BlockingQueue<Throwable> broken = new LinkedBlockingQueue<>();
        vertx.exceptionHandler(broken::add);
        scheduler.apply(ONE);
        substrate.next();
        GrpcClient leaving = GrpcClient.client(vertx);
        await(leaving.request(address(), SchedulerGrpcClient.WatchGroups)
                .compose(request -> answer(request, "secret")));
        await(leaving.close());
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        await(watch("secret"))
                .handler(groups -> seen.add(groups.getGroups(0).getReason()))
                .resume();
        for (String reason : List.of("one", "two", "three")) {
            substrate.happens(new Event.Progress(0, 1, reason));
            while (!reason.equals(seen.poll(30, TimeUnit.SECONDS))) {
                assertThat(broken).isEmpty();
            }
        }
        assertThat(broken).isEmpty();
    }

    @Test
    void refusesAnotherToken() {
        assertThatThrownBy(() -> await(watch("other")))
                .isInstanceOf(ExecutionException.class)
                .hasMessageContaining("status " + GrpcStatus.UNAUTHENTICATED.code);
        assertThatThrownBy(() -> await(scale("other", "g")))
                .hasMessageContaining(Integer.toString(GrpcStatus.UNAUTHENTICATED.code));
    }

    @Test
    void takesWishesAndRefusesThemWithAReason() throws Exception {
        DeploymentSpec spec = DeploymentSpec.newBuilder()
                .setName("g")
                .setModel("model")
                .setSize(1)
                .setReplicas(1)
                .setMaxUnavailable("25%")
                .build();
        var request = await(client.request(address(), SchedulerGrpcClient.Apply));
        request.headers().set("authorization", "Bearer secret");
        assertThat(await(request.send(ApplyRequest.newBuilder()
                                        .setDeployment(spec)
                                        .build())
                                .compose(answer -> answer.last()))
                        .getRevision())
                .isEqualTo(1);
        substrate.next();
        assertThat(await(scale("secret", "g")).getReplicas()).isEqualTo(2);
        assertThatThrownBy(() -> await(scale("secret", "h")))
                .hasMessageContaining(GrpcStatus.NOT_FOUND.code + " there is no deployment h; there is g");
        WakeRequest wake = WakeRequest.newBuilder().setName("g").build();
        assertThat(await(call("secret", SchedulerGrpcClient.Wake, wake)).getAsleep())
                .isFalse();
        assertThatThrownBy(() -> await(call("secret", SchedulerGrpcClient.Wake, WakeRequest.getDefaultInstance())))
                .hasMessageContaining(Integer.toString(GrpcStatus.NOT_FOUND.code));
    }

    private Future<dev.skein.protocol.v1.Deployment> scale(String token, String name) {
        ScaleRequest wish =
                ScaleRequest.newBuilder().setName(name).setReplicas(2).build();
        return call(token, SchedulerGrpcClient.Scale, wish);
    }

    private <Q, A> Future<A> call(String token, ServiceMethod<A, Q> method, Q wish) {
        return client.request(address(), method).compose(request -> {
            request.headers().set("authorization", "Bearer " + token);
            return request.send(wish)
                    .compose(response -> response.status() == null || response.status() == GrpcStatus.OK
                            ? response.last()
                            : Future.failedFuture(response.status().code + " " + response.statusMessage()));
        });
    }

    /// The stream comes paused, so that nothing is lost before a handler is set.
    private Future<ReadStream<Groups>> watch(String token) {
        SocketAddress address = SocketAddress.inetSocketAddress(server.actualPort(), "127.0.0.1");
        return client.request(address, SchedulerGrpcClient.WatchGroups).compose(request -> answer(request, token));
    }

    private SocketAddress address() {
        return SocketAddress.inetSocketAddress(server.actualPort(), "127.0.0.1");
    }

    private static Future<ReadStream<Groups>> answer(
            GrpcClientRequest<WatchGroupsRequest, Groups> request, String token) {
        request.headers().set("authorization", "Bearer " + token);
        return request.end(WatchGroupsRequest.getDefaultInstance())
                .compose(sent -> request.response())
                .compose(response -> response.status() == null
                        ? Future.succeededFuture(response.pause())
                        : Future.failedFuture("status " + response.status().code));
    }

    private static <T> T await(Future<T> future) throws Exception {
        return future.toCompletionStage().toCompletableFuture().get(30, TimeUnit.SECONDS);
    }
}
