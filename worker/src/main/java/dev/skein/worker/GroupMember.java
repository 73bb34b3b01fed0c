package dev.skein.worker;

import dev.skein.compute.Backend;
import dev.skein.compute.OwnMemory;
import dev.skein.compute.StepInputs;
import dev.skein.compute.collective.CollectiveException;
import dev.skein.compute.cpu.CpuBackends;
import dev.skein.compute.cpu.CpuOptions;
import dev.skein.compute.cuda.CudaBackends;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.GpuUse;
import dev.skein.protocol.v1.JoinRequest;
import dev.skein.protocol.v1.JoinResponse;
import dev.skein.protocol.v1.RankFailed;
import dev.skein.protocol.v1.RankHello;
import dev.skein.protocol.v1.RankLoaded;
import dev.skein.protocol.v1.RankProgress;
import dev.skein.protocol.v1.RankStart;
import dev.skein.protocol.v1.RankWelcome;
import dev.skein.protocol.v1.StepLimits;
import dev.skein.protocol.v1.WorkerGrpcClient;
import dev.skein.worker.engine.Follower;
import dev.skein.worker.engine.Links;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Checkpoint;
import dev.skein.worker.model.Fingerprint;
import dev.skein.worker.model.RankCount;
import dev.skein.worker.model.Shard;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.net.SocketAddress;
import io.vertx.grpc.client.GrpcClient;
import io.vertx.grpc.client.GrpcClientRequest;
import io.vertx.grpc.client.GrpcClientResponse;
import io.vertx.grpc.common.GrpcStatus;
import java.nio.file.Path;
import java.time.Duration;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A running rank that follows a leader. It knows the leader's address and the group's token and nothing else; all that
 * it must load and compute the leader says. When another rank is lost it keeps what it has loaded and waits, for a while,
 * until the leader calls all together anew. Ends when the leader says so; fails when the leader is lost.
 */
public final class GroupMember implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(GroupMember.class);

    private static final Duration FIND_LEADER = Duration.ofMinutes(5);
    private static final Duration RETRY = Duration.ofMillis(200);
    private static final Duration CLOSE = Duration.ofSeconds(5);
    /**
     * A leader that closes says so in the last step, which may be read after its connection has ended. One that died is
     * missed by the links themselves; this is for one that lives and let go.
     */
    private static final Executor LAST_WORDS = CompletableFuture.delayedExecutor(5, TimeUnit.SECONDS);

    private static final String ANEW = "the leader calls all ranks together anew";

    private final SocketAddress leader;
    private final String token;
    private final OptionalInt rank;
    private final Host host;
    private final Encryption encryption;
    private final WorkerListener listener;
    private final long began = System.nanoTime();
    private final Vertx vertx =
            Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1).setWarningExceptionTime(Long.MAX_VALUE));
    private final GrpcClient client;
    private final CompletableFuture<Summons> first = new CompletableFuture<>();
    private final CompletableFuture<String> gone = new CompletableFuture<>();
    private final CompletableFuture<String> failure = new CompletableFuture<>();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final Thread thread =
            Thread.ofPlatform().name("skein-follower").daemon(true).unstarted(this::live);

    /** The event loop's. */
    private @Nullable Summons latest;

    /** What the leader says of one meeting of the ranks. */
    private static final class Summons {
        private final RankWelcome told;
        private final CompletableFuture<RankStart> start = new CompletableFuture<>();
        private final CompletableFuture<Summons> next = new CompletableFuture<>();

        Summons(RankWelcome told) {
            this.told = told;
        }

        /** There will be no start any more if there has not been one. */
        void end(RuntimeException why) {
            start.completeExceptionally(why);
        }
    }

    private GroupMember(
            SocketAddress leader,
            String token,
            OptionalInt rank,
            Host host,
            Encryption encryption,
            WorkerListener listener) {
        this.leader = leader;
        this.token = token;
        this.rank = rank;
        this.host = host;
        this.encryption = encryption;
        // An upgrade would wait for the end of the first call, which is that of the group.
        this.client = GrpcClient.client(vertx, encryption.on(new HttpClientOptions().setHttp2ClearTextUpgrade(false)));
        this.listener = listener;
    }

    /**
     * Joins a leader, and tries again for some minutes if it does not listen yet.
     *
     * @param rank to ask for; empty for any
     * @param encryption of what is said to the leader, and to ranks of other hosts
     * @param listener hears that it has joined as that it listens, on no port
     */
    public static GroupMember start(
            String host, int port, String token, OptionalInt rank, Encryption encryption, WorkerListener listener) {
        return start(SocketAddress.inetSocketAddress(port, host), token, rank, Host.here(), encryption, listener);
    }

    /** As the other, on a machine of which something else may be said. */
    static GroupMember start(
            SocketAddress leader,
            String token,
            OptionalInt rank,
            Host host,
            Encryption encryption,
            WorkerListener listener) {
        GroupMember member = new GroupMember(leader, token, rank, host, encryption, listener);
        member.thread.start();
        return member;
    }

    /** Done with the reason if it cannot join or breaks later. */
    public CompletableFuture<String> failure() {
        return failure.copy();
    }

    /** Done when the leader said that there is nothing more to do. */
    public CompletableFuture<Void> ended() {
        return ended.copy();
    }

    private void live() {
        GrpcClientRequest<JoinRequest, JoinResponse> call = null;
        try {
            call = join();
            follow(call, first.join());
            ended.complete(null);
        } catch (Throwable broken) {
            fail(broken, call);
        }
    }

    // With the leader

    private GrpcClientRequest<JoinRequest, JoinResponse> join() {
        long until = System.nanoTime() + FIND_LEADER.toNanos();
        while (true) {
            try {
                GrpcClientRequest<JoinRequest, JoinResponse> call = client.request(leader, WorkerGrpcClient.Join)
                        .toCompletionStage()
                        .toCompletableFuture()
                        .join();
                call.headers().set("authorization", "Bearer " + token);
                call.response().onSuccess(this::hear).onFailure(why -> lose(why.toString()));
                call.exceptionHandler(why -> lose(why.toString()));
                call.write(hello(address(call)));
                return call;
            } catch (CompletionException refused) {
                if (System.nanoTime() > until) {
                    throw new LostRankException("no leader at %s within %d s: %s"
                            .formatted(leader, FIND_LEADER.toSeconds(), Encryption.reason(refused.getCause())));
                }
                LockSupport.parkNanos(RETRY.toNanos());
            }
        }
    }

    /** Where ranks of other hosts reach this one: unless told otherwise, where it comes from to the leader. */
    private String address(GrpcClientRequest<JoinRequest, JoinResponse> call) {
        return host.address().isEmpty() ? call.connection().localAddress().hostAddress() : host.address();
    }

    private JoinRequest hello(String address) {
        RankHello.Builder hello = RankHello.newBuilder()
                .setVersion(Version.TEXT)
                .setHost(host.id())
                .setProcessId(ProcessHandle.current().pid())
                .setFreeBytes(FreeMemory.bytes())
                .setAddress(address);
        rank.ifPresent(hello::setRank);
        return JoinRequest.newBuilder().setHello(hello).build();
    }

    private void hear(GrpcClientResponse<JoinRequest, JoinResponse> response) {
        response.handler(message -> {
            switch (message.getSaidCase()) {
                case WELCOME -> summon(new Summons(message.getWelcome()));
                case START -> start(message.getStart());
                case SAID_NOT_SET -> log.debug("join=empty");
            }
        });
        response.exceptionHandler(why -> lose(why.toString()));
        response.endHandler(_ -> ended(response.status(), response.statusMessage()));
    }

    private void summon(Summons summons) {
        Summons before = latest;
        latest = summons;
        if (before == null) {
            first.complete(summons);
        } else {
            before.end(new CollectiveException(summons.told.getRank(), ANEW));
            before.next.complete(summons);
        }
    }

    private void start(RankStart start) {
        if (latest != null) {
            latest.start.complete(start);
        }
    }

    private void ended(@Nullable GrpcStatus status, @Nullable String message) {
        if (status == GrpcStatus.FAILED_PRECONDITION || status == GrpcStatus.UNAUTHENTICATED) {
            first.completeExceptionally(
                    new IllegalArgumentException("the leader at %s refuses this rank: %s".formatted(leader, message)));
        }
        lose(status == null ? "the connection ended" : status + " " + message);
    }

    private void lose(String why) {
        String reason = "the leader at %s is gone: %s".formatted(leader, why);
        gone.complete(reason);
        LostRankException lost = new LostRankException(reason);
        first.completeExceptionally(lost);
        if (latest != null) {
            latest.end(lost);
            latest.next.completeExceptionally(lost);
        }
    }

    // The rank's own thread

    private void follow(GrpcClientRequest<JoinRequest, JoinResponse> call, Summons summons) {
        RankWelcome told = summons.told;
        log.info("rank={} joined leader={}", told.getRank(), leader);
        listener.on(new WorkerListener.Listening("", 0));
        Path model = Path.of(told.getModel());
        try (Checkpoint opened = LoadFormat.named(told.getLoadFormat()).open(model)) {
            requireSame(model, told.getFingerprint());
            RankCount count = new RankCount(told.getTensorParallelSize(), told.getPipelineParallelSize());
            compute(call, summons, Architecture.of(opened).split(count).get(told.getRank()));
        }
    }

    private void compute(GrpcClientRequest<JoinRequest, JoinResponse> call, Summons first, Architecture part) {
        RankWelcome told = first.told;
        Backend backend = backend(told, part);
        long understood = System.nanoTime();
        try (Follower follower =
                new Follower(part, backend, limits(told.getLimits()), told.getBlocks(), (parts, of) -> {
                    listener.on(new WorkerListener.Loading(parts, of));
                    say(call, "loading weights, %d of %d".formatted(parts, of));
                })) {
            long loaded = System.nanoTime();
            Runnable ready = () -> listener.on(new WorkerListener.Ready(
                    backend.description(),
                    Worker.seconds(understood - began),
                    Worker.seconds(loaded - understood),
                    Worker.seconds(System.nanoTime() - loaded)));
            Duration patience = Duration.ofMillis(told.getRecoverMillis() + told.getStepTimeoutMillis());
            new Meetings(
                            call,
                            part.shard(),
                            backend.description(),
                            follower,
                            patience,
                            told.getRecoverMillis() > 0,
                            ready)
                    .attendAll(first);
        }
    }

    /** The meetings of one rank, one after the other: each ends when a rank is lost, the last when the leader says so. */
    private final class Meetings {
        private final GrpcClientRequest<JoinRequest, JoinResponse> call;
        private final Shard shard;
        private final String backend;
        private final Follower follower;
        private final Runnable ready;
        /** The leader gives up after a part of this; only one that is cut off says nothing for so long. */
        private final Duration patience;

        private final boolean recovers;
        private boolean wasReady;
        /** Why there are no steps for now; empty if there are. */
        private String loss = "";

        private long lostAt;

        /** @param ready called when all have met for the first time */
        Meetings(
                GrpcClientRequest<JoinRequest, JoinResponse> call,
                Shard shard,
                String backend,
                Follower follower,
                Duration patience,
                boolean recovers,
                Runnable ready) {
            this.call = call;
            this.shard = shard;
            this.backend = backend;
            this.follower = follower;
            this.patience = patience;
            this.recovers = recovers;
            this.ready = ready;
        }

        void attendAll(Summons first) {
            Summons summons = first;
            while (!attend(summons)) {
                summons = awaited(summons.next);
            }
        }

        /** Whether there will be no other. */
        private boolean attend(Summons summons) {
            try (MeetingPoint meeting =
                    new MeetingPoint(shard, summons.told.getHostsList(), address(summons.told), encryption)) {
                summons.next.thenAccept(_ -> meeting.callOff(ANEW));
                gone.thenAcceptAsync(meeting::callOff, LAST_WORDS);
                Links links = meet(summons, meeting);
                met();
                follower.run(links);
                return true;
            } catch (CollectiveException broken) {
                lost(broken);
                return false;
            }
        }

        private String address(RankWelcome told) {
            return told.getHosts(0).equals(host.id()) ? told.getListenAddress() : GroupMember.this.address(call);
        }

        private Links meet(Summons summons, MeetingPoint meeting) {
            call.write(JoinRequest.newBuilder()
                    .setLoaded(RankLoaded.newBuilder()
                            .setBackend(backend)
                            .putAllPorts(meeting.ports())
                            .setSession(summons.told.getSession()))
                    .build());
            return meeting.join(
                    summons.told.getSession(),
                    token,
                    Duration.ofMillis(summons.told.getStepTimeoutMillis()),
                    awaited(summons.start).getPlacesList(),
                    leader.host());
        }

        private void lost(CollectiveException broken) {
            if (!recovers) {
                throw broken;
            }
            log.warn("rank={} recovering reason=\"{}\"", shard.rank(), broken.getMessage());
            if (loss.isEmpty()) {
                loss = String.valueOf(broken.getMessage());
                lostAt = System.nanoTime();
            }
            listener.on(new WorkerListener.Gathering("waiting for the leader to call all together: " + loss));
        }

        /** What the leader says next; fails with the reason itself. Bounded once a rank is lost. */
        private <T> T awaited(CompletableFuture<T> said) {
            long left = patience.toNanos() - (System.nanoTime() - lostAt);
            CompletableFuture<T> bounded = loss.isEmpty() ? said : said.copy().orTimeout(left, TimeUnit.NANOSECONDS);
            try {
                return bounded.join();
            } catch (CompletionException failed) {
                throw switch (failed.getCause()) {
                    case TimeoutException _ ->
                        new LostRankException("%s; and the leader at %s has been silent for %s s"
                                .formatted(loss, leader, patience.toMillis() / 1000.0));
                    case RuntimeException reason -> reason;
                    case null, default -> failed;
                };
            }
        }

        private void met() {
            if (wasReady) {
                listener.on(new WorkerListener.Recovered(loss, Worker.seconds(System.nanoTime() - lostAt)));
            } else {
                ready.run();
            }
            wasReady = true;
            loss = "";
        }
    }

    private static Backend backend(RankWelcome told, Architecture part) {
        if (!told.hasGpu()) {
            return CpuBackends.choose(
                    CpuOptions.defaults().withIsa(CpuOptions.isa(told.getCpu())).withThreads(told.getThreads()));
        }
        GpuUse gpu = told.getGpu();
        Backend backend = CudaBackends.ofRank(told.getRank(), new CudaBackends.How(!gpu.getEager(), gpu.getSameBits()));
        try {
            backend.memory().ifPresent(memory -> requireRoom(memory, told, part));
            return backend;
        } catch (RuntimeException tooLarge) {
            backend.close();
            throw tooLarge;
        }
    }

    /** The leader knows its own GPU only. */
    private static void requireRoom(OwnMemory memory, RankWelcome told, Architecture part) {
        long weights = part.bytes(memory, limits(told.getLimits())).all();
        long cache = part.cache(told.getBlocks()).bytes();
        if (weights + cache > memory.freeBytes()) {
            throw new IllegalArgumentException(
                    "rank %d's GPU has %d MiB free, its part of the model takes %d MiB and the cache that fits the leader's GPU %d MiB. Free some of that GPU, or lower --gpu-memory-utilization or --kv-cache-memory-bytes"
                            .formatted(told.getRank(), memory.freeBytes() >> 20, weights >> 20, cache >> 20));
        }
    }

    private static void requireSame(Path model, String expected) {
        String found = Fingerprint.of(model);
        if (!found.equals(expected)) {
            throw new IllegalArgumentException(
                    "%s has the fingerprint %s here and %s where the leader is: all ranks need the same model"
                            .formatted(model, found, expected));
        }
    }

    private static StepInputs.Limits limits(StepLimits told) {
        return new StepInputs.Limits(
                told.getTokens(), told.getSequences(), told.getOutputs(), told.getBlocks(), told.getHistory());
    }

    private static void say(GrpcClientRequest<JoinRequest, JoinResponse> call, String what) {
        call.write(JoinRequest.newBuilder()
                .setProgress(RankProgress.newBuilder().setDetail(what))
                .build());
    }

    // The end

    private void fail(Throwable broken, @Nullable GrpcClientRequest<JoinRequest, JoinResponse> call) {
        Throwable cause = broken instanceof CompletionException wrapped && wrapped.getCause() != null
                ? wrapped.getCause()
                : broken;
        String reason = Worker.reason(cause);
        log.error("rank=failed reason=\"{}\"", reason, Worker.avoidable(cause) ? null : cause);
        if (call != null && !gone.isDone()) {
            Worker.await(
                    call.write(JoinRequest.newBuilder()
                            .setFailed(RankFailed.newBuilder().setReason(reason))
                            .build()),
                    after(CLOSE));
        }
        listener.on(new WorkerListener.Failed(reason, Worker.hopeless(cause)));
        failure.complete(reason);
    }

    /** Waits until the leader has ended what runs. */
    @Override
    public void close() {
        close(CLOSE);
    }

    /** As {@link #close()}, for so long. */
    public void close(Duration grace) {
        Worker.await(CompletableFuture.anyOf(ended, failure), after(grace));
        Worker.await(vertx.close(), after(CLOSE));
    }

    private static long after(Duration time) {
        return System.nanoTime() + time.toNanos();
    }
}
