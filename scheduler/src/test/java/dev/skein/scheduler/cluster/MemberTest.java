package dev.skein.scheduler.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.protocol.tls.Authority;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.SchedulerGrpcClient;
import dev.skein.protocol.v1.WhyRequest;
import dev.skein.scheduler.LocalSubstrate;
import dev.skein.scheduler.agent.Devices;
import dev.skein.scheduler.agent.Machine;
import dev.skein.scheduler.agent.Times;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.net.SocketAddress;
import io.vertx.grpc.client.GrpcClient;
import io.vertx.grpc.common.GrpcStatus;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A cluster of one machine that has certificates.
class MemberTest {
    private static final String TOKEN = "of-this-test-alone";

    private final Vertx vertx = Vertx.vertx();

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        vertx.close().toCompletionStage().toCompletableFuture().join();
    }

    @Test
    void whoHasACertificateNeedsTheTokenToo() throws Exception {
        Encryption encryption =
                Encryption.of(Authority.make(folder.resolve("certs")).sign(List.of("node1"), 1));
        int port = port();
        try (Member member = member(port, encryption)) {
            assertThat(status(port, encryption, "another-token-than-that")).isEqualTo(GrpcStatus.UNAUTHENTICATED);
            assertThat(status(port, encryption, TOKEN)).isNotEqualTo(GrpcStatus.UNAUTHENTICATED);
            assertThatThrownBy(() -> status(port, Encryption.NONE, TOKEN)).isInstanceOf(ExecutionException.class);
        }
    }

    private Member member(int port, Encryption encryption) {
        Machine machine = new Machine("127.0.0.1:" + port, Map.of(), new Devices(List.of(0), 1));
        return Member.start(
                vertx,
                new Member.Options(
                        machine,
                        List.of(machine.name()),
                        List.of(),
                        TOKEN,
                        encryption,
                        folder.resolve("promised.json"),
                        Times.DEFAULT),
                new LocalSubstrate(List.of("false"), 0, () -> 1, line -> {}));
    }

    /// What a question about a group that is not there comes to.
    private GrpcStatus status(int port, Encryption encryption, String token) throws Exception {
        GrpcClient client = GrpcClient.client(vertx, encryption.on(new HttpClientOptions()));
        return client.request(SocketAddress.inetSocketAddress(port, "127.0.0.1"), SchedulerGrpcClient.Why)
                .compose(request -> {
                    request.headers().set("authorization", "Bearer " + token);
                    return request.send(
                            WhyRequest.newBuilder().setGroup("none-0").build());
                })
                .compose(response -> response.end().transform(end -> Future.succeededFuture(response.status())))
                .toCompletionStage()
                .toCompletableFuture()
                .get(30, TimeUnit.SECONDS);
    }

    /// The one after it is used as well.
    private static int port() throws IOException {
        try (ServerSocket probe = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return probe.getLocalPort();
        }
    }
}
