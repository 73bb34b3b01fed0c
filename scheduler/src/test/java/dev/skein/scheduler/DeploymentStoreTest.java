package dev.skein.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.protocol.tls.Authority;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.KeptDeployments;
import dev.skein.scheduler.lifecycle.Policy;
import dev.skein.scheduler.rollout.Deployment;
import dev.skein.scheduler.rollout.Needs;
import dev.skein.scheduler.rollout.Strategy;
import dev.skein.scheduler.rollout.Template;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DeploymentStoreTest {
    private static final Template OLD = template("old");
    private static final Template NEW = template("new");
    private static final int JOIN_SECONDS = 120;

    @TempDir
    Path folder;

    @Test
    void readsBackWhatWasWantedWithWhatItCanGoBackTo() {
        Wish wish = new Wish(wanted("chat", 2).withPaused(true), 7, List.of(OLD), 0);
        try (DeploymentStore store = alone()) {
            store.put(wish, 3);
            store.put(wish, 3);
        }
        try (DeploymentStore store = alone()) {
            assertThat(store.follow(news -> {})).containsExactly(wish.at(3 << 20));
        }
    }

    @Test
    void ofTwoWishesThatOfTheLaterDriverCounts() {
        try (DeploymentStore store = alone()) {
            store.put(new Wish(wanted("chat", 1), 1, List.of(), 0), 3);
            KeptDeployments first = store.all("chat");
            assertThat(DeploymentStore.keeps(store.exchange(first), first.getDeployments(0)))
                    .isTrue();
            store.put(new Wish(wanted("chat", 2), 1, List.of(), 0), 3);
            KeptDeployments second = store.all("chat");
            assertThat(DeploymentStore.keeps(second, first.getDeployments(0)))
                    .as("put after it by the same driver")
                    .isTrue();
            assertThat(DeploymentStore.keeps(first, second.getDeployments(0))).isFalse();
            Wish later = new Wish(wanted("chat", 5), 1, List.of(), 4L << 20);
            KeptDeployments third =
                    KeptDeployments.newBuilder().addDeployments(later.message()).build();
            assertThat(DeploymentStore.keeps(store.exchange(third), second.getDeployments(0)))
                    .as("another driver's took its place")
                    .isFalse();
            assertThat(store.exchange(second)).isEqualTo(third);
            store.put(new Wish(wanted("chat", 6), 1, List.of(), 0), 4);
            assertThat(store.follow(news -> {})).extracting(Wish::version).containsExactly((4L << 20) + 1);
        }
    }

    @Test
    void hearsOfNewerWishesAndKeepsItsOwnAgainstOlderOnes() {
        List<Wish> news = new ArrayList<>();
        try (DeploymentStore store = alone()) {
            store.put(new Wish(wanted("chat", 1), 1, List.of(), 0), 0);
            store.follow(news::add);
            Wish newer = new Wish(wanted("chat", 3), 1, List.of(), 5);
            store.learn(newer.message().toByteArray());
            store.learn(new Wish(wanted("chat", 9), 1, List.of(), 4).message().toByteArray());
            assertThat(news).containsExactly(newer);
            assertThat(store.follow(news::add)).containsExactly(newer);
        }
    }

    @Test
    void refusesAFileThatHoldsSomethingElse() throws IOException {
        Files.writeString(file(), "hello");
        assertThatThrownBy(this::alone)
                .isInstanceOf(IllegalStateException.class)
                .hasMessage(file() + " does not say what is wanted; if other machines know it, delete the file");
    }

    @Test
    void membersOfOneAuthorityFindEachOtherAndNoOthers() throws Exception {
        Encryption ours = certified("ours");
        List<Integer> ports = List.of(port(), port(), port());
        try (DeploymentStore first = member(ports, 0, ours);
                DeploymentStore second = member(ports, 1, ours);
                DeploymentStore stranger = member(ports, 2, certified("theirs"))) {
            BlockingQueue<Wish> news = new LinkedBlockingQueue<>();
            second.follow(news::add);
            first.put(new Wish(wanted("chat", 1), 1, List.of(), 0), 1);
            assertThat(news.poll(JOIN_SECONDS, TimeUnit.SECONDS)).isNotNull();
            for (DeploymentStore member : List.of(first, second, stranger)) {
                member.joined().get(JOIN_SECONDS, TimeUnit.SECONDS);
            }
            assertThat(first.whole()).isTrue();
            assertThat(second.whole()).isTrue();
            assertThat(stranger.whole()).isFalse();
            assertThat(stranger.follow(wish -> {})).isEmpty();
        }
    }

    private Encryption certified(String authority) {
        return Encryption.of(Authority.make(folder.resolve(authority)).sign(List.of("node1"), 1));
    }

    private DeploymentStore member(List<Integer> ports, int index, Encryption encryption) {
        List<String> all = ports.stream().map(port -> "127.0.0.1:" + port).toList();
        Path file = folder.resolve("wanted-" + index);
        return new DeploymentStore("127.0.0.1", ports.get(index), all, "of-this-test-alone", encryption, file);
    }

    private Path file() {
        return folder.resolve("wanted");
    }

    private DeploymentStore alone() {
        int port = port();
        return new DeploymentStore(
                "127.0.0.1", port, List.of("127.0.0.1:" + port), "of-this-test-alone", Encryption.NONE, file());
    }

    private static int port() {
        try (ServerSocket probe = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return probe.getLocalPort();
        } catch (IOException e) {
            throw new IllegalStateException("no port is free", e);
        }
    }

    private static Deployment wanted(String name, int replicas) {
        return new Deployment(name, List.of(name), NEW, replicas, Strategy.DEFAULT, false);
    }

    private static Template template(String parameters) {
        return new Template("model", 1, parameters, new Needs(1, 100), Policy.DEFAULT);
    }
}
