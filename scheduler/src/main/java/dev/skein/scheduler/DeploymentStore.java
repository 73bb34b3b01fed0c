package dev.skein.scheduler;

import com.google.protobuf.InvalidProtocolBufferException;
import com.hazelcast.config.Config;
import com.hazelcast.config.JoinConfig;
import com.hazelcast.config.MergePolicyConfig;
import com.hazelcast.config.NetworkConfig;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.instance.impl.HazelcastInstanceFactory;
import com.hazelcast.map.IMap;
import com.hazelcast.map.listener.EntryAddedListener;
import com.hazelcast.map.listener.EntryUpdatedListener;
import com.hazelcast.spi.merge.LatestUpdateMergePolicy;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.KeptDeployment;
import dev.skein.protocol.v1.KeptDeployments;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps what is wanted on every member of a cluster: in a Hazelcast map of which each member has a copy, and in a file
/// of each, so that it is there again when all members start anew.
///
/// Hazelcast is available before it is consistent: a part of the cluster that is cut off, or a member that was down,
/// may bring an older wish. So each wish has a version, higher for a later driver's, each member keeps the highest that
/// it has heard, and puts it back where it finds a lower one. Where groups really are is the agents' to say, and who
/// decides as well: whether Hazelcast's members see each other decides only when a group that nobody seems to want may
/// end ([#whole]).
///
/// All methods may be called from any thread. None waits for the network.
public final class DeploymentStore implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(DeploymentStore.class);
    private static final String MAP = "deployments";
    private static final int MOST_BACKUPS = 6;
    private static final int TERM_SHIFT = 20;

    private final Path file;
    private final int members;
    private final ReentrantLock lock = new ReentrantLock();
    // Both belong to who has the lock.
    private final Map<String, Wish> known = new TreeMap<>();
    private Consumer<Wish> listener = wish -> {};
    private final CompletableFuture<HazelcastInstance> member;
    private final ExecutorService writer = Executors.newSingleThreadExecutor(
            Thread.ofPlatform().daemon().name("deployment-store").factory());

    /// Begins to join the members; [#joined] tells when it has. It does not wait for all.
    ///
    /// @param host and port where this member listens for others
    /// @param members HOST:PORT of all, this one included
    /// @param token known to all members, and only to them
    /// @param encryption of what members say to each other
    /// @param file what is wanted, for when all start anew
    /// @throws IllegalStateException if the file holds something else
    public DeploymentStore(
            String host, int port, List<String> members, String token, Encryption encryption, Path file) {
        this.file = file;
        this.members = members.size();
        read();
        this.member = CompletableFuture.supplyAsync(
                () -> join(instance(config(host, port, members, token), members, encryption.context())), writer);
    }

    private static HazelcastInstance instance(Config config, List<String> members, @Nullable SSLContext tls) {
        if (tls == null) {
            return HazelcastInstanceFactory.newHazelcastInstance(config);
        }
        EncryptedNode.prepare(config);
        return HazelcastInstanceFactory.newHazelcastInstance(
                config, config.getInstanceName(), new EncryptedNode(tls, members));
    }

    private HazelcastInstance join(HazelcastInstance instance) {
        IMap<String, byte[]> map = instance.getMap(MAP);
        map.addEntryListener((EntryAddedListener<String, byte[]>) event -> learn(event.getValue()), true);
        map.addEntryListener((EntryUpdatedListener<String, byte[]>) event -> learn(event.getValue()), true);
        map.values().forEach(this::learn);
        all().forEach(wish -> offer(map, wish));
        return instance;
    }

    /// Completes when this member is one of the cluster; fails if it cannot be.
    public CompletableFuture<Void> joined() {
        return member.thenAccept(instance -> {});
    }

    /// Whether more than half of the cluster's members are on this side of it.
    public boolean whole() {
        return member.isDone()
                && !member.isCompletedExceptionally()
                && 2 * member.join().getCluster().getMembers().size() > members;
    }

    /// All that is wanted, as far as this member knows; `next` hears of what others put from then on, in place of who
    /// heard of it before. It must not block.
    public List<Wish> follow(Consumer<Wish> next) {
        lock.lock();
        try {
            listener = next;
            return List.copyOf(known.values());
        } finally {
            lock.unlock();
        }
    }

    private List<Wish> all() {
        lock.lock();
        try {
            return List.copyOf(known.values());
        } finally {
            lock.unlock();
        }
    }

    /// What is wanted of one deployment.
    public KeptDeployments all(String name) {
        return message(all().stream().filter(wish -> wish.name().equals(name)).toList());
    }

    /// Keeps what is newer than what is known here, and tells the others. Returns all that is known, when this machine
    /// has it on its disk.
    ///
    /// @throws IllegalArgumentException if another version of this program wrote what this one cannot read
    public KeptDeployments exchange(KeptDeployments others) {
        for (KeptDeployment other : others.getDeploymentsList()) {
            Wish wish = Wish.of(other);
            if (learn(wish)) {
                spread(wish);
            }
        }
        return message(all());
    }

    /// Whether among these is this wish, or one that the same driver put after it.
    public static boolean keeps(KeptDeployments all, KeptDeployment wish) {
        return all.getDeploymentsList().stream()
                .anyMatch(kept -> kept.getSpec().getName().equals(wish.getSpec().getName())
                        && kept.getVersion() >= wish.getVersion()
                        && kept.getVersion() >> TERM_SHIFT == wish.getVersion() >> TERM_SHIFT);
    }

    /// Wants this from now on; the same again changes nothing. Returns when this machine has it on its disk.
    ///
    /// @param term of the driver that puts it: of two wishes, that of the later driver counts
    public void put(Wish wish, long term) {
        lock.lock();
        try {
            Wish before = known.get(wish.name());
            long version = before == null ? 0 : before.version();
            if (before == null || !before.equals(wish.at(version))) {
                Wish next = wish.at(Math.max(version + 1, term << TERM_SHIFT));
                keep(next);
                spread(next);
            }
        } finally {
            lock.unlock();
        }
    }

    /// Another member has put this, or has just shown it.
    void learn(byte[] message) {
        learn(Wish.of(message));
    }

    /// Whether it is news.
    private boolean learn(Wish wish) {
        lock.lock();
        try {
            Wish mine = known.get(wish.name());
            if (mine == null || mine.version() < wish.version()) {
                keep(wish);
                listener.accept(wish);
                return true;
            }
            if (mine.version() > wish.version()) {
                spread(mine);
            }
            return false;
        } finally {
            lock.unlock();
        }
    }

    /// Puts a wish on all members, unless there is a newer one.
    private static void offer(IMap<String, byte[]> map, Wish wish) {
        byte[] next = wish.message().toByteArray();
        byte[] there = map.putIfAbsent(wish.name(), next);
        while (there != null && Wish.of(there).version() < wish.version() && !map.replace(wish.name(), there, next)) {
            there = map.get(wish.name());
        }
    }

    private void keep(Wish wish) {
        known.put(wish.name(), wish);
        DurableFile.write(file, message(known.values()).toByteArray());
    }

    private static KeptDeployments message(Collection<Wish> wishes) {
        return KeptDeployments.newBuilder()
                .addAllDeployments(wishes.stream().map(Wish::message).toList())
                .build();
    }

    private void read() {
        if (!Files.exists(file)) {
            return;
        }
        try {
            KeptDeployments.parseFrom(Files.readAllBytes(file)).getDeploymentsList().stream()
                    .map(Wish::of)
                    .forEach(wish -> known.put(wish.name(), wish));
        } catch (InvalidProtocolBufferException | IllegalArgumentException e) {
            throw new IllegalStateException(
                    file + " does not say what is wanted; if other machines know it, delete the file", e);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file, e);
        }
    }

    private void spread(Wish wish) {
        member.thenAcceptAsync(instance -> offer(instance.getMap(MAP), wish), writer)
                .exceptionally(broken -> {
                    log.error("{} is not told to other machines: {}", wish.name(), broken.toString());
                    return null;
                });
    }

    @Override
    public void close() {
        writer.shutdownNow();
        member.thenAccept(instance -> instance.getLifecycleService().terminate());
    }

    /// A cluster of another token has another name, and members of another name are not let in.
    private static Config config(String host, int port, List<String> members, String token) {
        Config config = new Config().setClusterName("skein-" + digest(token));
        config.getJetConfig().setEnabled(false);
        config.getMetricsConfig().setEnabled(false);
        Map.ofEntries(
                        Map.entry("hazelcast.logging.type", "none"),
                        Map.entry("hazelcast.phone.home.enabled", "false"),
                        Map.entry("hazelcast.shutdownhook.enabled", "false"),
                        Map.entry("hazelcast.health.monitoring.level", "OFF"),
                        Map.entry("hazelcast.socket.bind.any", "false"),
                        Map.entry("hazelcast.partition.count", "7"),
                        Map.entry("hazelcast.operation.thread.count", "2"),
                        Map.entry("hazelcast.operation.generic.thread.count", "2"),
                        Map.entry("hazelcast.event.thread.count", "1"),
                        Map.entry("hazelcast.io.thread.count", "1"),
                        // A member that is cut off is missed, and found again, within seconds.
                        Map.entry("hazelcast.heartbeat.interval.seconds", "1"),
                        Map.entry("hazelcast.max.no.heartbeat.seconds", "5"),
                        Map.entry("hazelcast.merge.first.run.delay.seconds", "5"),
                        Map.entry("hazelcast.merge.next.run.delay.seconds", "5"),
                        Map.entry("hazelcast.max.join.seconds", "300"))
                .forEach(config::setProperty);
        NetworkConfig network = config.getNetworkConfig();
        network.setPort(port).setPortAutoIncrement(false).setPublicAddress(host + ":" + port);
        network.getInterfaces().setEnabled(true).addInterface(host);
        JoinConfig join = network.getJoin();
        join.getAutoDetectionConfig().setEnabled(false);
        join.getMulticastConfig().setEnabled(false);
        join.getTcpIpConfig().setEnabled(true).setConnectionTimeoutSeconds(2).setMembers(List.copyOf(members));
        config.getMapConfig(MAP)
                .setBackupCount(Math.min(MOST_BACKUPS, members.size() - 1))
                .setPerEntryStatsEnabled(true)
                .setMergePolicyConfig(new MergePolicyConfig().setPolicy(LatestUpdateMergePolicy.class.getName()));
        return config;
    }

    private static String digest(String token) {
        try {
            byte[] digest =
                    MessageDigest.getInstance("SHA-256").digest(("skein " + token).getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("this Java has no SHA-256", e);
        }
    }
}
