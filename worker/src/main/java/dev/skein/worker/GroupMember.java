package dev.skein.worker;

import dev.skein.compute.Backend;
import dev.skein.compute.StepInputs;
import dev.skein.compute.cpu.CpuBackends;
import dev.skein.compute.cpu.CpuOptions;
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
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
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
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A running rank that follows a leader. It knows the leader's address and the group's token and nothing else; all that
 * it must load and compute the leader says. Ends when the leader says so; fails when the leader or another rank is lost.
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

    private final SocketAddress leader;
    private final String token;
    private final OptionalInt rank;
    private final Host host;
    private final WorkerListener listener;
    private final long began = System.nanoTime();
    private final Vertx vertx =
            Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1).setWarningExceptionTime(Long.MAX_VALUE));
    private final GrpcClient client = GrpcClient.client(vertx);
    private final CompletableFuture<RankWelcome> welcome = new CompletableFuture<>();
    private final CompletableFuture<RankStart> start = new CompletableFuture<>();
    private final CompletableFuture<String> gone = new CompletableFuture<>();
    private final CompletableFuture<String> failure = new CompletableFuture<>();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final Thread thread =
            Thread.ofPlatform().name("skein-follower").daemon(true).unstarted(this::live);

    private GroupMember(SocketAddress leader, String token, OptionalInt rank, Host host, WorkerListener listener) {
        this.leader = leader;
        this.token = token;
        this.rank = rank;
        this.host = host;
        this.listener = listener;
    }

    /**
     * Joins a leader, and tries again for some minutes if it does not listen yet.
     *
     * @param rank to ask for; empty for any
     * @param listener hears that it has joined as that it listens, on no port
     */
    public static GroupMember start(String host, int port, String token, OptionalInt rank, WorkerListener listener) {
        return start(SocketAddress.inetSocketAddress(port, host), token, rank, Host.here(), listener);
    }

    /** As the other, on a machine of which something else may be said. */
    static GroupMember start(SocketAddress leader, String token, OptionalInt rank, Host host, WorkerListener listener) {
        GroupMember member = new GroupMember(leader, token, rank, host, listener);
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
            follow(call, welcome.join());
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
                            .formatted(leader, FIND_LEADER.toSeconds(), refused.getCause()));
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
                case WELCOME -> welcome.complete(message.getWelcome());
                case START -> start.complete(message.getStart());
                case SAID_NOT_SET -> log.debug("join=empty");
            }
        });
        response.exceptionHandler(why -> lose(why.toString()));
        response.endHandler(_ -> ended(response.status(), response.statusMessage()));
    }

    private void ended(@Nullable GrpcStatus status, @Nullable String message) {
        if (status == GrpcStatus.FAILED_PRECONDITION || status == GrpcStatus.UNAUTHENTICATED) {
            welcome.completeExceptionally(
                    new IllegalArgumentException("the leader at %s refuses this rank: %s".formatted(leader, message)));
        }
        lose(status == null ? "the connection ended" : status + " " + message);
    }

    private void lose(String why) {
        String reason = "the leader at %s is gone: %s".formatted(leader, why);
        gone.complete(reason);
        LostRankException lost = new LostRankException(reason);
        welcome.completeExceptionally(lost);
        start.completeExceptionally(lost);
    }

    // The rank's own thread

    private void follow(GrpcClientRequest<JoinRequest, JoinResponse> call, RankWelcome told) {
        log.info("rank={} joined leader={}", told.getRank(), leader);
        listener.on(new WorkerListener.Listening("", 0));
        Path model = Path.of(told.getModel());
        try (Checkpoint opened = LoadFormat.named(told.getLoadFormat()).open(model)) {
            requireSame(model, told.getFingerprint());
            RankCount count = new RankCount(told.getTensorParallelSize(), told.getPipelineParallelSize());
            Architecture part = Architecture.of(opened).split(count).get(told.getRank());
            String address = told.getHosts(0).equals(host.id()) ? told.getListenAddress() : address(call);
            try (MeetingPoint meeting = new MeetingPoint(part.shard(), told.getHostsList(), address)) {
                compute(call, told, part, meeting);
            }
        }
    }

    private void compute(
            GrpcClientRequest<JoinRequest, JoinResponse> call,
            RankWelcome told,
            Architecture part,
            MeetingPoint meeting) {
        Backend backend = CpuBackends.choose(
                CpuOptions.defaults().withIsa(CpuOptions.isa(told.getCpu())).withThreads(told.getThreads()));
        long understood = System.nanoTime();
        try (Follower follower =
                new Follower(part, backend, limits(told.getLimits()), told.getBlocks(), (parts, of) -> {
                    listener.on(new WorkerListener.Loading(parts, of));
                    say(call, "loading weights, %d of %d".formatted(parts, of));
                })) {
            long loaded = System.nanoTime();
            call.write(JoinRequest.newBuilder()
                    .setLoaded(RankLoaded.newBuilder()
                            .setBackend(backend.description())
                            .putAllPorts(meeting.ports()))
                    .build());
            Links links = meeting.join(
                    told.getSession(),
                    token,
                    Duration.ofMillis(told.getStepTimeoutMillis()),
                    start.join().getPlacesList(),
                    leader.host());
            gone.thenAcceptAsync(links::abort, LAST_WORDS);
            listener.on(new WorkerListener.Ready(
                    backend.description(),
                    Worker.seconds(understood - began),
                    Worker.seconds(loaded - understood),
                    Worker.seconds(System.nanoTime() - loaded)));
            follower.run(links);
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
