package dev.skein.scheduler;

import com.hazelcast.config.Config;
import com.hazelcast.config.JoinConfig;
import com.hazelcast.config.MergePolicyConfig;
import com.hazelcast.config.NetworkConfig;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.instance.impl.HazelcastInstanceFactory;
import com.hazelcast.map.IMap;
import com.hazelcast.spi.merge.LatestUpdateMergePolicy;
import dev.skein.scheduler.rollout.Deployment;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps what is wanted on every member of a cluster, in a Hazelcast map of which each member has a copy.
///
/// Hazelcast is available before it is consistent: where the cluster was parted, the latest write of each
/// deployment wins. That is harmless here, since only a driver with a majority of agents takes wishes, and where
/// groups really are is the agents' to say.
public final class DeploymentStore implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(DeploymentStore.class);
    private static final String MAP = "deployments";
    private static final int MOST_BACKUPS = 6;

    private final HazelcastInstance member;
    private final int members;
    private final ExecutorService writer = Executors.newSingleThreadExecutor(
            Thread.ofPlatform().daemon().name("deployment-store").factory());

    /// Joins the members; waits for those that answer, not for all.
    ///
    /// @param host and port where this member listens for others
    /// @param members HOST:PORT of all, this one included
    /// @param token known to all members, and only to them
    public DeploymentStore(String host, int port, List<String> members, String token) {
        this.members = members.size();
        member = HazelcastInstanceFactory.newHazelcastInstance(config(host, port, members, token));
    }

    /// Whether more than half of the cluster's members are on this side of it.
    public boolean whole() {
        return 2 * member.getCluster().getMembers().size() > members;
    }

    /// All that is wanted, as far as this side of the cluster knows.
    public List<Deployment> all() {
        return map().values().stream()
                .sorted(Comparator.comparing(StoredDeployment::name))
                .map(StoredDeployment::deployment)
                .toList();
    }

    /// Returns at once; written in order.
    public void put(Deployment wanted) {
        writer.execute(() -> {
            try {
                map().set(wanted.name(), StoredDeployment.of(wanted));
            } catch (RuntimeException e) {
                log.error("deployment {} is not stored: {}", wanted.name(), e.toString());
            }
        });
    }

    @Override
    public void close() {
        writer.shutdownNow();
        member.getLifecycleService().terminate();
    }

    private IMap<String, StoredDeployment> map() {
        return member.getMap(MAP);
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
