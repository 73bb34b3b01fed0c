package dev.skein.scheduler.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.KeptDeployments;
import dev.skein.scheduler.DeploymentStore;
import dev.skein.scheduler.SchedulerException;
import dev.skein.scheduler.Wish;
import dev.skein.scheduler.lifecycle.Policy;
import dev.skein.scheduler.rollout.Deployment;
import dev.skein.scheduler.rollout.Needs;
import dev.skein.scheduler.rollout.Strategy;
import dev.skein.scheduler.rollout.Template;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.grpc.server.GrpcServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Three that vote, of which each knows only what it is told by [Keeping]: their stores have not joined each other.
class KeepingTest {
    private static final String TOKEN = "of-this-test-alone";
    private static final long PATIENCE_MILLIS = 3_000;
    private static final long LONG_MILLIS = 120_000;
    private static final long SHORT_MILLIS = 1_000;

    private final Vertx vertx = Vertx.vertx();
    private final List<Integer> ports = List.of(port(), port(), port());

    @TempDir
    private Path folder;

    private DeploymentStore first;
    private DeploymentStore second;

    @BeforeEach
    void open() {
        first = store("first");
        second = store("second");
    }

    @AfterEach
    void close() {
        first.joined().join();
        second.joined().join();
        first.close();
        second.close();
        vertx.close().toCompletionStage().toCompletableFuture().join();
    }

    @Test
    void aWishHoldsWhenMostHaveIt() {
        listen(1, second);
        first.put(wish("chat", 2), 1);
        keeping(0, first, LONG_MILLIS).keep("chat").join();
        assertThat(second.all("chat")).isEqualTo(first.all("chat"));
        assertThat(second.all("chat").getDeploymentsCount()).isEqualTo(1);
    }

    @Test
    void aWishThatFewHaveMayHoldOrNot() {
        first.put(wish("chat", 2), 1);
        assertThatThrownBy(() -> keeping(0, first, SHORT_MILLIS).keep("chat").join())
                .isInstanceOf(CompletionException.class)
                .cause()
                .isInstanceOf(SchedulerException.class)
                .hasMessage("only 1 of 3 machines that vote have it on their disks after 1 s, and more than half must:"
                        + " what was said of chat may hold or not; look with skein status, and say it again")
                .extracting(refused -> ((SchedulerException) refused).kind())
                .isEqualTo(SchedulerException.Kind.UNSURE);
    }

    @Test
    void aWishThatALaterDriverReplacedDoesNotHold() {
        listen(1, second);
        second.put(wish("chat", 5), 2);
        first.put(wish("chat", 2), 1);
        KeptDeployments later = second.all("chat");
        assertThatThrownBy(() -> keeping(0, first, SHORT_MILLIS).keep("chat").join())
                .hasMessageContaining("may hold or not");
        assertThat(second.all("chat")).isEqualTo(later);
    }

    @Test
    void whoBeginsToDriveHearsWhatMostHave() {
        listen(1, second);
        second.put(wish("chat", 2), 1);
        first.put(wish("other", 1), 1);
        keeping(0, first, LONG_MILLIS)
                .recall()
                .toCompletionStage()
                .toCompletableFuture()
                .join();
        assertThat(first.all("chat")).isEqualTo(second.all("chat"));
        assertThat(first.all("other").getDeploymentsCount()).isEqualTo(1);
    }

    private void listen(int voter, DeploymentStore store) {
        GrpcServer grpc = GrpcServer.server(vertx);
        keeping(voter, store, LONG_MILLIS).bind(grpc);
        vertx.createHttpServer(new HttpServerOptions().setHost("127.0.0.1").setPort(ports.get(voter)))
                .requestHandler(grpc)
                .listen()
                .toCompletionStage()
                .toCompletableFuture()
                .join();
    }

    private Keeping keeping(int voter, DeploymentStore store, long boundMillis) {
        List<AgentCalls> others = ports.stream()
                .filter(port -> !port.equals(ports.get(voter)))
                .map(port -> new AgentCalls(vertx, "127.0.0.1:" + port, TOKEN, Encryption.NONE, PATIENCE_MILLIS))
                .toList();
        return new Keeping(vertx, store, others, boundMillis);
    }

    private DeploymentStore store(String name) {
        int port = port();
        return new DeploymentStore(
                "127.0.0.1", port, List.of("127.0.0.1:" + port), TOKEN, Encryption.NONE, folder.resolve(name));
    }

    private static Wish wish(String name, int replicas) {
        Template template = new Template("model", 1, "", new Needs(1, 100), Policy.DEFAULT);
        return new Wish(
                new Deployment(name, List.of(name), template, replicas, Strategy.DEFAULT, false), 1, List.of(), 0);
    }

    private static int port() {
        try (ServerSocket probe = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return probe.getLocalPort();
        } catch (IOException e) {
            throw new IllegalStateException("no port is free", e);
        }
    }
}
