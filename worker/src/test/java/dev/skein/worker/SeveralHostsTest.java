package dev.skein.worker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.compute.ElementType;
import dev.skein.protocol.tls.Authority;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.tls.TlsFiles;
import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.protocol.v1.SamplingParameters;
import dev.skein.protocol.v1.Token;
import dev.skein.protocol.v1.WorkerGrpcClient;
import dev.skein.worker.model.RankCount;
import dev.skein.worker.model.TinyLlama;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.net.SocketAddress;
import io.vertx.grpc.client.GrpcClient;
import io.vertx.grpc.client.GrpcClientRequest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A leader, and ranks that are processes of hosts of their own, or take themselves to be. */
final class SeveralHostsTest {
    private static final String TOKEN = "the token of a group";
    private static final int IDS = 24;

    @TempDir
    private Path folder;

    private Worker leader(RankCount count) {
        return leader(count, null);
    }

    private Worker leader(RankCount count, @Nullable TlsFiles tls) {
        Path model = TinyLlama.untied(ElementType.Q8_0, 3).write(folder.resolve("tiny.gguf"));
        return Worker.start(
                new WorkerOptions(
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
                        new GroupOptions(count, Duration.ofSeconds(60), Duration.ZERO),
                        "127.0.0.1",
                        0,
                        TOKEN),
                encryption(tls),
                _ -> {});
    }

    @Test
    void ranksOfSeveralHostsComputeWhatOneRankDoes() throws Exception {
        List<Integer> alone;
        try (Worker one = leader(RankCount.ONE)) {
            one.ready().get(60, TimeUnit.SECONDS);
            alone = answer(one.port(), null);
        }
        assertThat(alone).hasSize(IDS);
        assertThat(answer(new RankCount(2, 1), "second")).isEqualTo(alone);
        assertThat(answer(new RankCount(1, 2), "second")).isEqualTo(alone);
        assertThat(answer(new RankCount(2, 2), Host.here().id(), "second", "second"))
                .isEqualTo(alone);
    }

    @Test
    void ranksWithCertificatesComputeTheSame() throws Exception {
        TlsFiles tls = Authority.make(folder.resolve("certificates")).sign(List.of("node1"), 1);
        RankCount count = new RankCount(2, 1);
        assertThat(answer(tls, count, "second")).isEqualTo(answer(count, "second"));
    }

    private static Encryption encryption(@Nullable TlsFiles tls) {
        return tls == null ? Encryption.NONE : Encryption.of(tls);
    }

    /** Of a group with these hosts beside the leader's. */
    private List<Integer> answer(RankCount count, String... hosts) throws Exception {
        return answer(null, count, hosts);
    }

    private List<Integer> answer(@Nullable TlsFiles tls, RankCount count, String... hosts) throws Exception {
        List<MemberProcess> members = new ArrayList<>();
        try {
            List<Integer> answer;
            try (Worker leader = leader(count, tls)) {
                for (String host : hosts) {
                    members.add(new MemberProcess(leader.port(), TOKEN, members.size() + 1, host, tls));
                }
                leader.ready().get(120, TimeUnit.SECONDS);
                answer = answer(leader.port(), tls);
            }
            for (MemberProcess member : members) {
                assertThat(member.end()).isZero();
            }
            return answer;
        } finally {
            members.forEach(MemberProcess::close);
        }
    }

    private static List<Integer> answer(int port, @Nullable TlsFiles tls) throws Exception {
        Vertx vertx = Vertx.vertx();
        try {
            GrpcClientRequest<GenerateRequest, GenerateResponse> call = GrpcClient.client(
                            vertx, encryption(tls).on(new HttpClientOptions()))
                    .request(SocketAddress.inetSocketAddress(port, "127.0.0.1"), WorkerGrpcClient.Generate)
                    .toCompletionStage()
                    .toCompletableFuture()
                    .get(30, TimeUnit.SECONDS);
            call.headers().set("authorization", "Bearer " + TOKEN);
            CompletableFuture<List<Integer>> ids = new CompletableFuture<>();
            call.response().onFailure(ids::completeExceptionally).onSuccess(response -> {
                List<Integer> heard = new ArrayList<>();
                response.handler(message ->
                        message.getTokensList().stream().map(Token::getId).forEach(heard::add));
                response.exceptionHandler(ids::completeExceptionally);
                response.endHandler(_ -> ids.complete(heard));
            });
            call.end(GenerateRequest.newBuilder()
                    .setRequestId("test")
                    .addAllPrompt(List.of(5, 17, 90, 33, 4, 61))
                    .setMaxTokens(IDS)
                    .setSampling(SamplingParameters.newBuilder()
                            .setTopP(1)
                            .setRepetitionPenalty(1)
                            .setIgnoreEos(true))
                    .build());
            return ids.get(60, TimeUnit.SECONDS);
        } finally {
            vertx.close().toCompletionStage().toCompletableFuture().join();
        }
    }

    /** While nothing is asked of the group. */
    @Test
    void aRankThatIsKilledOnAnotherHostIsMissed() throws Exception {
        try (Worker leader = leader(new RankCount(1, 2));
                MemberProcess member = new MemberProcess(leader.port(), TOKEN, 1, "second host", null)) {
            leader.ready().get(120, TimeUnit.SECONDS);
            member.kill();
            assertThat(leader.failure().get(60, TimeUnit.SECONDS))
                    .contains("rank 1 (process %d on second) is lost".formatted(member.pid()));
        }
    }
}
