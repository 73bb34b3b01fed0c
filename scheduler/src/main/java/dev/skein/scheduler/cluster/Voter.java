package dev.skein.scheduler.cluster;

import dev.skein.scheduler.DeploymentStatus;
import dev.skein.scheduler.DeploymentStore;
import dev.skein.scheduler.GroupStore;
import dev.skein.scheduler.GroupsServer;
import dev.skein.scheduler.Scheduler;
import dev.skein.scheduler.Wish;
import dev.skein.scheduler.rollout.Deployment;
import io.vertx.core.Vertx;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What a machine has that votes: a copy of what is wanted, and a driver that steers all agents when it is its turn.
/// While this machine drives it has a [Scheduler], which its [Door] shows.
final class Voter implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Voter.class);
    private static final long SETTLE_SECONDS = 10;
    private static final long KEEPING_MILLIS = 4_000;

    private final Vertx vertx;
    private final Door door;
    private final String token;
    private final AgentSubstrate substrate;
    private final DeploymentStore store;
    private final Keeping keeping;
    private final ExecutorService turns = Executors.newSingleThreadExecutor(
            Thread.ofPlatform().daemon().name("member").factory());
    // Of the thread that takes turns.
    private @Nullable Drive drive;
    private @Nullable Scheduler scheduler;
    private boolean settled;
    private long wholeSince = System.nanoTime();

    /// From when this machine begins to drive until it rests.
    ///
    /// @param running groups that it found
    /// @param told by deployment, what the scheduler last said of it
    private record Drive(long term, List<AgentSubstrate.Found> running, Map<String, DeploymentStatus> told) {}

    Voter(Vertx vertx, Member.Options options, Door door) {
        this.vertx = vertx;
        this.door = door;
        this.token = options.token();
        this.store = new DeploymentStore(
                options.host(),
                options.port() + 1,
                options.stores(),
                options.token(),
                options.encryption(),
                options.wishes());
        Map<String, AgentCalls> calls = new LinkedHashMap<>();
        Stream.concat(options.voters().stream(), options.followers().stream())
                .forEach(machine -> calls.put(
                        machine,
                        new AgentCalls(
                                vertx,
                                machine,
                                options.token(),
                                options.encryption(),
                                options.times().promiseMillis())));
        this.keeping = new Keeping(
                vertx,
                store,
                options.voters().stream()
                        .filter(voter -> !voter.equals(options.machine().name()))
                        .map(calls::get)
                        .toList(),
                KEEPING_MILLIS);
        this.keeping.bind(door.own());
        this.substrate = new AgentSubstrate(
                options.machine().name() + "#" + UUID.randomUUID(),
                calls,
                options.voters(),
                options.times(),
                new AgentSubstrate.Steered() {
                    @Override
                    public void drives(long term, List<AgentSubstrate.Found> running) {
                        turns.execute(() -> begin(new Drive(term, running, new ConcurrentHashMap<>())));
                    }

                    @Override
                    public void rests() {
                        turns.execute(Voter.this::rest);
                    }
                });
    }

    /// Returns when this machine is one of those that keep what is wanted.
    void open() {
        substrate.open();
        store.joined().join();
    }

    /// To be called often.
    ///
    /// @param other whether another machine drives
    void look(boolean other) {
        if (other) {
            substrate.defer();
        }
        turns.execute(this::settle);
    }

    /// What a majority was told may be on other disks than this one's.
    private void begin(Drive next) {
        rest();
        drive = next;
        recall(next);
    }

    private void recall(Drive next) {
        keeping.recall()
                .onComplete(recalled -> turns.execute(() -> {
                    if (drive != next) {
                        return;
                    }
                    if (recalled.succeeded()) {
                        serve(next);
                    } else {
                        log.warn(
                                "this member should drive: {}", recalled.cause().getMessage());
                        recall(next);
                    }
                }));
    }

    private void serve(Drive now) {
        Scheduler next = new Scheduler(substrate, new GroupStore(), new Random());
        scheduler = next;
        store.follow(wish -> turns.execute(() -> want(next, wish, now))).forEach(wish -> want(next, wish, now));
        next.watch(picture -> picture.deployments().forEach(status -> {
            DeploymentStatus before = now.told().put(status.deployment().name(), status);
            if (before == null || !Wish.of(before).equals(Wish.of(status))) {
                store.put(Wish.of(status), now.term());
            }
        }));
        substrate.serve(next);
        door.serve(new GroupsServer(vertx, next, token, keeping::keep).service());
        log.info("this member drives: {} groups run", now.running().size());
    }

    /// What was wanted when this member began to drive, or later on a side of the cluster that it did not see.
    private void want(Scheduler next, Wish wish, Drive now) {
        Deployment wanted = wish.deployment();
        if (scheduler == next && now.told().containsKey(wanted.name())) {
            next.apply(wanted);
            next.pause(wanted.name(), wanted.paused());
        } else if (scheduler == next) {
            now.told()
                    .put(
                            wanted.name(),
                            next.adopt(wish, of(wanted, now.running())).join());
        }
    }

    private static List<Scheduler.Running> of(Deployment wanted, List<AgentSubstrate.Found> running) {
        String start = wanted.name() + "-";
        return running.stream()
                .filter(found -> found.group().matches(Pattern.quote(start) + "[0-9]+"))
                .map(found -> new Scheduler.Running(
                        Integer.parseInt(found.group().substring(start.length())),
                        found.key(),
                        found.hosts(),
                        found.incarnations()))
                .toList();
    }

    /// What runs and nobody seems to want may be wanted on a side of the cluster that is not seen yet.
    private void settle() {
        if (!store.whole()) {
            wholeSince = System.nanoTime();
        } else if (scheduler != null
                && !settled
                && System.nanoTime() - wholeSince > TimeUnit.SECONDS.toNanos(SETTLE_SECONDS)) {
            settled = substrate.settle();
        }
    }

    private void rest() {
        drive = null;
        door.rest();
        settled = false;
        wholeSince = System.nanoTime();
        Scheduler before = scheduler;
        scheduler = null;
        if (before != null) {
            before.close();
            log.info("this member drives no more");
        }
    }

    /// Leaves the cluster. Ranks go on for as long as their agents keep them.
    @Override
    public void close() {
        turns.shutdownNow();
        substrate.close();
        store.close();
    }
}
