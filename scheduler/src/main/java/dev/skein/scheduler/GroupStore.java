package dev.skein.scheduler;

import com.hazelcast.config.Config;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.instance.impl.HazelcastInstanceFactory;
import com.hazelcast.map.IMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps the groups in an embedded Hazelcast member without a network.
///
/// The member takes most of a second of work to start, so it starts on its own thread after [#open] and what is put
/// meanwhile waits; of each group only the newest picture is kept. The scheduler decides on its own state and never
/// reads
/// from here.
public final class GroupStore implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(GroupStore.class);
    private static final String MAP = "groups";

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    // Null for a group that is gone.
    private final Map<String, @Nullable StoredGroup> waiting = new LinkedHashMap<>();
    private final CompletableFuture<HazelcastInstance> member = new CompletableFuture<>();
    private @Nullable Thread writer;
    private boolean closed;

    /// Starts the member. May be called late or never: until then what is put waits.
    public void open() {
        lock.lock();
        try {
            if (writer == null && !closed) {
                writer = Thread.ofPlatform().daemon().name("group-store").start(this::write);
            }
        } finally {
            lock.unlock();
        }
    }

    /// Keeps this picture of the group in place of the one before. Returns at once.
    public void put(GroupStatus status) {
        StoredGroup row = StoredGroup.of(status);
        lock.lock();
        try {
            waiting.put(row.name(), row);
            changed.signal();
        } finally {
            lock.unlock();
        }
    }

    /// Forgets a group that is gone. Returns at once.
    public void remove(String name) {
        lock.lock();
        try {
            waiting.put(name, null);
            changed.signal();
        } finally {
            lock.unlock();
        }
    }

    /// All groups as they are stored, once the member is up and what was put before is written.
    public CompletableFuture<List<StoredGroup>> all() {
        return member.thenApply(instance -> {
            flush(groups(instance));
            return List.copyOf(groups(instance).values());
        });
    }

    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            changed.signal();
        } finally {
            lock.unlock();
        }
    }

    private void write() {
        HazelcastInstance instance;
        try {
            instance = HazelcastInstanceFactory.newHazelcastInstance(config(), "skein", new OfflineNode());
        } catch (RuntimeException e) {
            member.completeExceptionally(e);
            log.error("the store of groups does not start; groups are served, but not kept: {}", e.toString());
            return;
        }
        member.complete(instance);
        try {
            while (awaitChange()) {
                flush(groups(instance));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            instance.getLifecycleService().terminate();
        }
    }

    private static IMap<String, StoredGroup> groups(HazelcastInstance instance) {
        return instance.getMap(MAP);
    }

    /// False once the store is closed and nothing waits.
    private boolean awaitChange() throws InterruptedException {
        lock.lock();
        try {
            while (waiting.isEmpty() && !closed) {
                changed.await();
            }
            return !waiting.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    private void flush(IMap<String, StoredGroup> groups) {
        lock.lock();
        try {
            waiting.forEach((name, row) -> {
                if (row == null) {
                    groups.delete(name);
                } else {
                    groups.set(name, row);
                }
            });
            waiting.clear();
        } finally {
            lock.unlock();
        }
    }

    /// One member alone needs few partitions and few threads.
    private static Config config() {
        Config config = new Config().setClusterName("skein");
        config.getJetConfig().setEnabled(false);
        Map.of(
                        "hazelcast.logging.type", "none",
                        "hazelcast.phone.home.enabled", "false",
                        "hazelcast.shutdownhook.enabled", "false",
                        "hazelcast.health.monitoring.level", "OFF",
                        "hazelcast.slow.operation.detector.enabled", "false",
                        "hazelcast.partition.count", "3",
                        "hazelcast.operation.thread.count", "1",
                        "hazelcast.operation.generic.thread.count", "1",
                        "hazelcast.event.thread.count", "1",
                        "hazelcast.operation.response.thread.count", "0")
                .forEach(config::setProperty);
        config.getMetricsConfig().setEnabled(false);
        config.getNetworkConfig().getJoin().getAutoDetectionConfig().setEnabled(false);
        config.getNetworkConfig().getJoin().getMulticastConfig().setEnabled(false);
        return config;
    }
}
