package dev.skein.gateway.traffic;

import dev.skein.gateway.GatewayOptions.SchedulerAddress;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.Deployment;
import dev.skein.protocol.v1.Group;
import dev.skein.protocol.v1.GroupState;
import dev.skein.protocol.v1.Groups;
import dev.skein.protocol.v1.Machines;
import dev.skein.protocol.v1.MachinesRequest;
import dev.skein.protocol.v1.Rank;
import dev.skein.protocol.v1.RankState;
import dev.skein.protocol.v1.SchedulerGrpcClient;
import dev.skein.protocol.v1.WakeRequest;
import dev.skein.protocol.v1.WatchGroupsRequest;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.net.SocketAddress;
import io.vertx.grpc.client.GrpcClient;
import io.vertx.grpc.client.GrpcClientRequest;
import io.vertx.grpc.client.GrpcClientResponse;
import io.vertx.grpc.common.ServiceMethod;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The groups as the scheduler last told of them. It watches from {@link #watch} on until {@link #close}, and goes on
 * with the last picture while the scheduler cannot be reached: groups live on without it.
 *
 * <p>One context writes the picture; any thread may read it.
 */
public final class Fleet implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Fleet.class);
    private static final long SHORTEST_PAUSE = 50;
    private static final long LONGEST_PAUSE = 2000;
    private static final long PROBE_MILLIS = 1000;
    private static final long SILENT_MILLIS = 4000;
    // A process that ends closes its connections, with its last words before; a new driver takes a moment to find it.
    private static final long ABSENT_MILLIS = 3000;
    // HTTP/2 takes eight bytes.
    private static final Buffer PING = Buffer.buffer("watching");

    /**
     * @param deployments as told
     * @param groups as told
     * @param ready leaders that take requests
     * @param listening leaders that answer calls, ready or not
     */
    public record Picture(
            List<Deployment> deployments, List<Group> groups, List<Leader> ready, List<Leader> listening) {
        static final Picture EMPTY = new Picture(List.of(), List.of(), List.of(), List.of());
    }

    /**
     * What a request needs.
     *
     * @param dialect as {@link #spoken} has it: only groups of the same model and vocabulary can go on with its ids
     */
    record Wanted(Dialect dialect, Prefix prefix) {}

    private record Waiter(Context context, Wanted wanted, Set<Leader> failed, Promise<Leader> found) {}

    private final Vertx vertx;
    private final Context context;
    private final SchedulerAddress scheduler;
    private final GrpcClient client;
    // Written on the fleet's context, read by every event loop.
    private final Map<String, Dialect> dialects = new ConcurrentHashMap<>();
    private final Queue<Waiter> waiters = new ConcurrentLinkedQueue<>();
    // On the fleet's context: deployments that the scheduler is being asked to wake.
    private final Set<String> waking = new HashSet<>();
    // Written on the fleet's context, read by every event loop.
    private volatile Picture picture = Picture.EMPTY;
    // The same: deployments that had no groups because none were wanted, and have had none ready since.
    private volatile Set<String> rested = Set.of();
    // Set once by close, read on the fleet's context.
    private volatile boolean closed;
    private long pause = SHORTEST_PAUSE;
    private boolean waiting;
    private int next;
    private Consumer<Picture> listener = _ -> {};
    private @Nullable GrpcClientRequest<?, ?> call;

    public Fleet(Vertx vertx, SchedulerAddress scheduler) {
        this.vertx = vertx;
        this.context = vertx.getOrCreateContext();
        this.scheduler = scheduler;
        this.client = WorkerCalls.client(vertx, scheduler.encryption());
    }

    /** Begins to watch; {@code listener} is called on one event loop with every new picture. */
    public void watch(Consumer<Picture> listener) {
        context.runOnContext(_ -> {
            this.listener = listener;
            connect();
        });
    }

    public Picture picture() {
        return picture;
    }

    /**
     * The machines that groups may run on, as who decides knows them; none where there is one alone, or nobody answers
     * in time. May be called from any event loop, and is done there.
     */
    public Future<Machines> machines(long millis) {
        Context asker = vertx.getOrCreateContext();
        Promise<Machines> known = Promise.promise();
        context.runOnContext(_ -> request(SchedulerGrpcClient.ListMachines)
                .compose(request -> request.send(MachinesRequest.getDefaultInstance()))
                .compose(response -> response.last())
                .timeout(millis, TimeUnit.MILLISECONDS)
                .otherwise(Machines.getDefaultInstance())
                .onSuccess(machines -> asker.runOnContext(_ -> known.complete(machines))));
        return known.future();
    }

    /** Whether there is no group ready because none was wanted: requests wait until there is one. */
    public boolean asleep() {
        return !picture.deployments().isEmpty()
                && picture.deployments().stream().allMatch(deployment -> rested.contains(deployment.getName()));
    }

    /** Groups of this line take requests of this dialect from now on. Called on the event loop of {@link #watch}. */
    public void spoken(String line, Dialect dialect) {
        dialects.put(line, dialect);
        serve();
    }

    /** Whether a ready leader could take a request that these have failed. */
    boolean another(Wanted wanted, Set<Leader> failed) {
        return picture.ready().stream().anyMatch(leader -> speaks(leader, wanted) && !failed.contains(leader));
    }

    private boolean speaks(Leader leader, Wanted wanted) {
        return wanted.dialect().equals(dialects.get(leader.line()));
    }

    /**
     * The leader that should take a request, now or as soon as there is one.
     *
     * @param wanted what it must speak, and what it had better have seen
     * @param failed leaders that are not wanted
     * @return completes on the caller's context; fails once {@code patience} is over
     */
    Future<Leader> leader(Wanted wanted, Set<Leader> failed, Duration patience) {
        Leader now = choose(picture, wanted, failed);
        if (now != null) {
            return Future.succeededFuture(now);
        }
        Waiter waiter = new Waiter(vertx.getOrCreateContext(), wanted, failed, Promise.promise());
        waiters.add(waiter);
        context.runOnContext(_ -> wake());
        long timer = vertx.setTimer(
                Math.max(1, patience.toMillis()), _ -> waiter.found().tryFail(new NoGroupException()));
        serve();
        return waiter.found().future().onComplete(_ -> {
            vertx.cancelTimer(timer);
            waiters.remove(waiter);
        });
    }

    /** Nobody took the request in time. */
    static final class NoGroupException extends RuntimeException {
        NoGroupException() {
            super("no group is ready", null, false, false);
        }
    }

    private @Nullable Leader choose(Picture picture, Wanted wanted, Set<Leader> failed) {
        List<Leader> ready = picture.ready();
        if (ready.size() == 1) {
            Leader only = ready.getFirst();
            return failed.contains(only) || !speaks(only, wanted) ? null : only;
        }
        OptionalInt pick = Routing.choose(
                ready.stream()
                        .map(leader ->
                                leader.candidate(wanted.prefix(), failed.contains(leader) || !speaks(leader, wanted)))
                        .toList(),
                wanted.prefix().tokens());
        return pick.isPresent() ? ready.get(pick.getAsInt()) : null;
    }

    private void serve() {
        for (Waiter waiter : waiters) {
            Leader leader = choose(picture, waiter.wanted(), waiter.failed());
            if (leader != null) {
                waiter.context().runOnContext(_ -> waiter.found().tryComplete(leader));
            }
        }
    }

    // Asks for groups of what sleeps and is waited for. On the fleet's context.
    private void wake() {
        picture.deployments().stream()
                .filter(deployment -> deployment.getAsleep() && waitedFor(deployment.getName()))
                .forEach(deployment -> wake(deployment.getName()));
    }

    /** Asks the scheduler for groups of a deployment that sleeps. Called on the event loop of {@link #watch}. */
    public void wake(String deployment) {
        if (waking.add(deployment)) {
            WakeRequest wish = WakeRequest.newBuilder().setName(deployment).build();
            request(SchedulerGrpcClient.Wake)
                    .compose(request ->
                            request.end(wish).compose(_ -> request.response()).compose(response -> response.last()))
                    .onFailure(error -> log.warn("deployment={} is not woken: {}", deployment, error.getMessage()))
                    .onComplete(_ -> context.runOnContext(_ -> waking.remove(deployment)));
        }
    }

    private boolean waitedFor(String deployment) {
        return waiters.stream()
                .anyMatch(waiter -> waiter.wanted().dialect().deployment().equals(deployment));
    }

    /** To the member of the scheduler that is watched. On the fleet's context. */
    private <Q, A> Future<GrpcClientRequest<Q, A>> request(ServiceMethod<A, Q> method) {
        SchedulerAddress.Member member =
                scheduler.members().get(next % scheduler.members().size());
        SocketAddress address = SocketAddress.inetSocketAddress(member.port(), member.host());
        return client.request(address, method).onSuccess(request -> {
            if (scheduler.token() != null) {
                request.headers().set("authorization", "Bearer " + scheduler.token());
            }
        });
    }

    private void connect() {
        waiting = false;
        if (closed) {
            return;
        }
        request(SchedulerGrpcClient.WatchGroups)
                .compose(request -> {
                    call = request;
                    probe(request);
                    return request.end(WatchGroupsRequest.getDefaultInstance()).compose(_ -> request.response());
                })
                .onSuccess(this::read)
                .onFailure(error -> {
                    if (error instanceof SSLException) {
                        log.warn(
                                "the scheduler is not heard: scheduler={} why={}", scheduler, Encryption.reason(error));
                    }
                    lost(String.valueOf(error.getMessage()));
                });
    }

    /** A member whose machine is cut off says nothing, and its connection does not end by itself. */
    private void probe(GrpcClientRequest<?, ?> request) {
        long[] answered = {System.nanoTime()};
        vertx.setPeriodic(PROBE_MILLIS, timer -> {
            if (call != request) {
                vertx.cancelTimer(timer);
            } else if (System.nanoTime() - answered[0] > TimeUnit.MILLISECONDS.toNanos(SILENT_MILLIS)) {
                vertx.cancelTimer(timer);
                request.connection().close();
                lost("no answer for " + SILENT_MILLIS + " ms");
            } else {
                request.connection().ping(PING).onSuccess(_ -> answered[0] = System.nanoTime());
            }
        });
    }

    private void read(GrpcClientResponse<WatchGroupsRequest, Groups> response) {
        response.handler(groups -> {
            pause = SHORTEST_PAUSE;
            update(groups);
        });
        response.errorHandler(error -> lost("reset: " + error));
        response.exceptionHandler(error -> lost(String.valueOf(error.getMessage())));
        response.endHandler(_ -> lost("ended with status " + response.status()));
    }

    private void lost(String why) {
        if (closed || waiting) {
            return;
        }
        waiting = true;
        call = null;
        next++;
        log.debug("watch of the scheduler lost, again in {} ms: scheduler={} why={}", pause, scheduler, why);
        vertx.setTimer(pause, _ -> context.runOnContext(_ -> connect()));
        pause = Math.min(pause * 2, LONGEST_PAUSE);
    }

    private void update(Groups groups) {
        Map<String, Leader> known = new HashMap<>();
        picture.listening().forEach(leader -> known.put(leader.group(), leader));
        List<Leader> ready = new ArrayList<>();
        List<Leader> listening = new ArrayList<>();
        for (Group group : groups.getGroupsList()) {
            group.getRanksList().stream().filter(Fleet::answers).findFirst().ifPresent(rank -> {
                Leader before = known.get(group.getName());
                Leader leader =
                        before != null && before.is(rank) && before.line().equals(Leader.line(group))
                                ? before
                                : new Leader(group, rank);
                listening.add(leader);
                if (group.getState() == GroupState.GROUP_STATE_READY) {
                    ready.add(leader);
                }
            });
        }
        known.values().stream()
                .filter(leader -> leader.hasInHand() && !listening.contains(leader))
                .forEach(this::miss);
        rested = groups.getDeploymentsList().stream()
                .filter(deployment -> rests(deployment, groups))
                .map(Deployment::getName)
                .collect(Collectors.toUnmodifiableSet());
        picture = new Picture(
                groups.getDeploymentsList(), groups.getGroupsList(), List.copyOf(ready), List.copyOf(listening));
        listener.accept(picture);
        serve();
        wake();
    }

    /** Calls of a leader that stays away are told: its machine may be cut off, and then nothing ends them. */
    private void miss(Leader absent) {
        vertx.setTimer(ABSENT_MILLIS, _ -> {
            if (picture.listening().stream().noneMatch(absent::isTheProcessOf)) {
                absent.forsake();
            } else if (absent.hasInHand()) {
                miss(absent);
            }
        });
    }

    /** It has no groups as none are wanted, or did when it was told of last and now makes them. */
    private boolean rests(Deployment deployment, Groups groups) {
        String name = deployment.getName();
        return deployment.getReplicas() == 0
                || deployment.getAsleep()
                || rested.contains(name)
                        && groups.getGroupsList().stream()
                                .noneMatch(group -> group.getDeployment().equals(name) && settled(group.getState()));
    }

    private static boolean settled(GroupState state) {
        return state == GroupState.GROUP_STATE_READY || state == GroupState.GROUP_STATE_FAILED;
    }

    private static boolean answers(Rank rank) {
        return rank.getRank() == 0
                && rank.getPort() != 0
                && (rank.getState() == RankState.RANK_STATE_LISTENING || rank.getState() == RankState.RANK_STATE_READY);
    }

    /** Ends the watch. */
    @Override
    public void close() {
        closed = true;
        context.runOnContext(_ -> {
            if (call != null) {
                call.cancel();
            }
            client.close();
        });
    }
}
