package dev.skein.worker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.compute.ElementType;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.JoinRequest;
import dev.skein.protocol.v1.JoinResponse;
import dev.skein.protocol.v1.RankHello;
import dev.skein.protocol.v1.WorkerGrpcClient;
import dev.skein.worker.model.RankCount;
import dev.skein.worker.model.TinyLlama;
import io.vertx.core.Vertx;
import io.vertx.core.net.SocketAddress;
import io.vertx.grpc.client.GrpcClient;
import io.vertx.grpc.client.GrpcClientRequest;
import io.vertx.grpc.client.GrpcClientResponse;
import io.vertx.grpc.common.GrpcStatus;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A leader and those that follow it, over gRPC, all in this process. */
final class GroupMemberTest {
    private static final String TOKEN = "the token of a group";

    @TempDir
    private Path folder;

    private final List<WorkerListener.Event> events = new CopyOnWriteArrayList<>();

    private Worker leader(RankCount count) {
        Path model = TinyLlama.of(ElementType.Q8_0, 1).write(folder.resolve("tiny.gguf"));
        WorkerOptions options = new WorkerOptions(
                model,
                LoadFormat.AUTO,
                1,
                "java",
                DeviceOptions.AUTO,
                0,
                4,
                64,
                0,
                10,
                true,
                false,
                null,
                20,
                1,
                new GroupOptions(count, Duration.ofSeconds(30), Duration.ZERO),
                "127.0.0.1",
                0,
                TOKEN);
        return Worker.start(options, events::add);
    }

    private static GroupMember member(Worker leader, String token, OptionalInt rank) {
        return GroupMember.start("127.0.0.1", leader.port(), token, rank, Encryption.NONE, _ -> {});
    }

    /** Half of them say which rank they are, the others take what is free. */
    @Test
    void aGroupComesTogetherAndEnds() throws Exception {
        List<GroupMember> members = new ArrayList<>();
        try (Worker leader = leader(new RankCount(2, 2))) {
            members.add(member(leader, TOKEN, OptionalInt.of(2)));
            members.add(member(leader, TOKEN, OptionalInt.empty()));
            members.add(member(leader, TOKEN, OptionalInt.empty()));
            leader.ready().get(60, TimeUnit.SECONDS);
            assertThat(leader.failure()).isNotDone();
        }
        for (GroupMember member : members) {
            member.ended().get(30, TimeUnit.SECONDS);
            assertThat(member.failure()).isNotDone();
            member.close();
        }
        assertThat(events)
                .anySatisfy(event -> assertThat(event)
                        .isInstanceOfSatisfying(
                                WorkerListener.Gathering.class,
                                gathering -> assertThat(gathering.ranks()).contains("rank 3: loaded")));
        assertThat(events.getLast()).isInstanceOf(WorkerListener.Ready.class);
    }

    @Test
    void withoutTimeToRecoverAllEndWithWhatWasLost() throws Exception {
        List<GroupMember> members = new ArrayList<>();
        try (Worker leader = leader(new RankCount(2, 2))) {
            for (int rank = 1; rank < 4; rank++) {
                members.add(member(leader, TOKEN, OptionalInt.of(rank)));
            }
            leader.ready().get(60, TimeUnit.SECONDS);
            members.removeLast().close(Duration.ZERO);
            leader.failure().get(30, TimeUnit.SECONDS);
        }
        for (GroupMember left : members) {
            assertThat(left.failure().get(30, TimeUnit.SECONDS))
                    .startsWith("rank ")
                    .contains("rank 3 (process ")
                    .doesNotContain("the leader at");
            left.close();
        }
    }

    /** Without a step in which it could be missed. */
    @Test
    void aLostRankBreaksItsGroup() throws Exception {
        try (Worker leader = leader(new RankCount(2, 1));
                Impostor impostor = new Impostor(leader.port())) {
            impostor.hello(Version.TEXT, 1, Host.here().id());
            impostor.hangUp();
            assertThat(leader.failure().get(30, TimeUnit.SECONDS)).contains("rank 1 (process 7 on ", "is lost");
        }
        assertThat(events)
                .anySatisfy(event -> assertThat(event)
                        .isInstanceOfSatisfying(
                                WorkerListener.Failed.class,
                                failed -> assertThat(failed.hopeless()).isFalse()));
    }

    @Test
    void refusesWhoCannotBeOfTheGroup() throws Exception {
        try (Worker leader = leader(new RankCount(2, 1));
                Impostor impostor = new Impostor(leader.port())) {
            assertThat(impostor.hello("0.0", 1, Host.here().id()).get(30, TimeUnit.SECONDS))
                    .isEqualTo("it is of version 0.0, its leader of %s; all ranks must be of the same"
                            .formatted(Version.TEXT));
            assertThat(impostor.hello(Version.TEXT, 2, Host.here().id()).get(30, TimeUnit.SECONDS))
                    .isEqualTo("it was started as rank 2; the group has 2 ranks, and the leader is rank 0");
            impostor.hello(Version.TEXT, 1, Host.here().id());
            assertThat(impostor.hello(Version.TEXT, 1, Host.here().id()).get(30, TimeUnit.SECONDS))
                    .endsWith("has come already");
        }
    }

    @Test
    void aWrongTokenIsRefused() throws Exception {
        try (Worker leader = leader(new RankCount(2, 1));
                GroupMember member = member(leader, "another token than it", OptionalInt.of(1))) {
            assertThat(member.failure().get(30, TimeUnit.SECONDS))
                    .contains("refuses this rank: the group's token is missing or wrong");
        }
    }

    @Test
    void saysWhyAModelCannotBeSplit() throws Exception {
        try (Worker leader = leader(new RankCount(1, 3))) {
            assertThat(leader.failure().get(30, TimeUnit.SECONDS))
                    .isEqualTo("--pipeline-parallel-size 3: the model has 2 layers, and each stage needs one");
        }
    }

    /** Says what a rank would say, and is none. */
    private static final class Impostor implements AutoCloseable {
        private final Vertx vertx = Vertx.vertx();
        private final GrpcClient client = GrpcClient.client(vertx);
        private final SocketAddress leader;

        Impostor(int port) {
            leader = SocketAddress.inetSocketAddress(port, "127.0.0.1");
        }

        /** What it is refused with. */
        CompletableFuture<String> hello(String version, int rank, String host) throws Exception {
            GrpcClientRequest<JoinRequest, JoinResponse> call = client.request(leader, WorkerGrpcClient.Join)
                    .toCompletionStage()
                    .toCompletableFuture()
                    .get(30, TimeUnit.SECONDS);
            call.headers().set("authorization", "Bearer " + TOKEN);
            CompletableFuture<String> refused = new CompletableFuture<>();
            call.response().onSuccess(response -> refused(response, refused));
            call.write(JoinRequest.newBuilder()
                            .setHello(RankHello.newBuilder()
                                    .setVersion(version)
                                    .setRank(rank)
                                    .setHost(host)
                                    .setProcessId(7))
                            .build())
                    .toCompletionStage()
                    .toCompletableFuture()
                    .get(30, TimeUnit.SECONDS);
            return refused;
        }

        private static void refused(GrpcClientResponse<?, ?> response, CompletableFuture<String> refused) {
            response.endHandler(_ -> {
                assertThat(response.status()).isEqualTo(GrpcStatus.FAILED_PRECONDITION);
                refused.complete(response.statusMessage());
            });
        }

        void hangUp() {
            client.close().toCompletionStage().toCompletableFuture().join();
        }

        @Override
        public void close() {
            vertx.close().toCompletionStage().toCompletableFuture().join();
        }
    }
}
