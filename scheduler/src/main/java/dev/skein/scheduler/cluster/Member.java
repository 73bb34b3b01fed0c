package dev.skein.scheduler.cluster;

import dev.skein.scheduler.DeploymentStatus;
import dev.skein.scheduler.DeploymentStore;
import dev.skein.scheduler.GroupStore;
import dev.skein.scheduler.GroupsServer;
import dev.skein.scheduler.LocalSubstrate;
import dev.skein.scheduler.Scheduler;
import dev.skein.scheduler.Wish;
import dev.skein.scheduler.agent.Machine;
import dev.skein.scheduler.agent.Times;
import dev.skein.scheduler.rollout.Deployment;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import io.vertx.core.http.RequestOptions;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.server.GrpcServer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One machine of a cluster: its agent, a copy of what is wanted, and a driver that steers all agents when it is
/// its turn.
///
/// While this member drives it has a [Scheduler]; else it hands what people and gateways ask on to the one that
/// does, so any member answers.
public final class Member implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Member.class);
    private static final long LOOK_MILLIS = 200;
    private static final int CONNECT_MILLIS = 1_000;
    private static final long SETTLE_SECONDS = 10;

    private final Vertx vertx;
    private final Options options;
    private final byte[] expected;
    private final LocalSubstrate local;
    private final Agent agent;
    private final AgentSubstrate substrate;
    private final DeploymentStore store;
    private final HttpClient proxy;
    private final ExecutorService turns = Executors.newSingleThreadExecutor(
            Thread.ofPlatform().daemon().name("member").factory());
    // Of the thread that takes turns.
    private @Nullable Scheduler scheduler;
    private boolean settled;
    private long wholeSince = System.nanoTime();

    // Connections that asked the scheduler, this one or the one that drives.
    private final Set<HttpConnection> callers = ConcurrentHashMap.newKeySet();

    // Written there, read by the server's event loop.
    private volatile @Nullable GrpcServer service;

    // Written by the agent's thread, read by the server's event loop: HOST:PORT of the driver; empty if there is none.
    private volatile String driver = "";

    /// @param machine named HOST:PORT, where it listens; the port after it is Hazelcast's
    /// @param machines all of the cluster
    /// @param token that every call carries
    /// @param file keeps what this machine has promised
    public record Options(Machine machine, List<String> machines, String token, Path file, Times times) {
        public Options {
            machines = List.copyOf(machines);
        }

        /// A word that the command lines of this machine's ranks hold, and no others.
        public String mark() {
            return "-Dskein.machine=" + machine.name();
        }

        String host() {
            return machine.name().substring(0, machine.name().lastIndexOf(':'));
        }

        int port() {
            return port(machine.name());
        }

        /// The secret stays out of logs.
        @Override
        public String toString() {
            return machine + " of " + machines;
        }

        private Path wishes() {
            return file.resolveSibling(file.getFileName() + ".wanted");
        }

        private static int port(String machine) {
            return Integer.parseInt(machine.substring(machine.lastIndexOf(':') + 1));
        }

        private List<String> stores() {
            return machines.stream()
                    .map(machine -> machine.substring(0, machine.lastIndexOf(':')) + ":" + (port(machine) + 1))
                    .toList();
        }
    }

    private Member(Vertx vertx, Options options, LocalSubstrate local) {
        this.vertx = vertx;
        this.options = options;
        this.local = local;
        this.expected = ("Bearer " + options.token()).getBytes(StandardCharsets.UTF_8);
        Leftovers.end(Path.of("/proc"), options.mark());
        this.agent = new Agent(options.machine(), options.times(), options.file(), local);
        this.store = new DeploymentStore(
                options.host(), options.port() + 1, options.stores(), options.token(), options.wishes());
        this.proxy = vertx.createHttpClient(new HttpClientOptions()
                .setProtocolVersion(HttpVersion.HTTP_2)
                .setHttp2ClearTextUpgrade(false)
                .setConnectTimeout(CONNECT_MILLIS));
        this.substrate = new AgentSubstrate(
                vertx,
                options.machine().name() + "#" + UUID.randomUUID(),
                options.machines(),
                options.times(),
                options.token(),
                new AgentSubstrate.Steered() {
                    @Override
                    public void drives(List<AgentSubstrate.Found> running) {
                        turns.execute(() -> drive(running));
                    }

                    @Override
                    public void rests() {
                        turns.execute(Member.this::rest);
                    }
                });
    }

    /// Joins the cluster and listens; returns when it does.
    ///
    /// @param local runs this machine's ranks; closed with the member
    /// @throws RuntimeException if it cannot
    public static Member start(Vertx vertx, Options options, LocalSubstrate local) {
        Member member = new Member(vertx, options, local);
        member.listen();
        member.substrate.open();
        vertx.setPeriodic(LOOK_MILLIS, timer -> member.look());
        member.store.joined().join();
        return member;
    }

    private void listen() {
        GrpcServer agents = GrpcServer.server(vertx);
        new AgentServer(vertx, agent, options.machine().name()).bind(agents);
        vertx.createHttpServer(new HttpServerOptions().setHost(options.host()).setPort(options.port()))
                .requestHandler(request -> admit(request, agents))
                .listen()
                .await();
    }

    private void admit(HttpServerRequest request, GrpcServer agents) {
        GrpcServer own = service;
        String path = request.path();
        if (!GroupsServer.carries(request, expected)) {
            GroupsServer.refuse(request, GrpcStatus.UNAUTHENTICATED, "the call does not carry the cluster's token");
        } else if (path != null && path.startsWith("/skein.v1.Agent/")) {
            agents.handle(request);
        } else if (callers.add(request.connection())) {
            request.connection().closeHandler(closed -> callers.remove(request.connection()));
            serve(request, own);
        } else {
            serve(request, own);
        }
    }

    private void serve(HttpServerRequest request, @Nullable GrpcServer own) {
        if (own != null) {
            own.handle(request);
        } else if (driver.isEmpty() || driver.equals(options.machine().name())) {
            GroupsServer.refuse(request, GrpcStatus.UNAVAILABLE, "no member has a majority of the machines; try again");
        } else {
            handOn(request, driver);
        }
    }

    /// The call as it is, to whoever drives.
    private void handOn(HttpServerRequest request, String to) {
        request.pause();
        RequestOptions target = new RequestOptions()
                .setHost(to.substring(0, to.lastIndexOf(':')))
                .setPort(Options.port(to))
                .setMethod(request.method())
                .setURI(request.uri());
        proxy.request(target)
                .onSuccess(out -> exchange(request, out))
                .onFailure(error ->
                        GroupsServer.refuse(request, GrpcStatus.UNAVAILABLE, to + " drives and does not answer"));
    }

    private static void exchange(HttpServerRequest request, HttpClientRequest out) {
        request.headers().forEach((name, value) -> {
            if (!name.startsWith(":") && !name.equals("host")) {
                out.putHeader(name, value);
            }
        });
        request.exceptionHandler(gone -> out.reset());
        request.response().exceptionHandler(gone -> out.reset());
        out.setChunked(true);
        out.response()
                .onSuccess(in -> answer(request, in))
                .onFailure(error -> GroupsServer.refuse(request, GrpcStatus.UNAVAILABLE, "the driver does not answer"));
        request.handler(out::write);
        request.endHandler(end -> out.end());
        request.resume();
    }

    private static void answer(HttpServerRequest request, HttpClientResponse in) {
        var response = request.response();
        response.setStatusCode(in.statusCode());
        in.headers().forEach((name, value) -> {
            if (!name.startsWith(":")) {
                response.putHeader(name, value);
            }
        });
        response.setChunked(true);
        in.handler(response::write);
        in.exceptionHandler(broken -> response.reset());
        in.endHandler(end -> {
            in.trailers().forEach((name, value) -> response.putTrailer(name, value));
            response.end();
        });
    }

    private void look() {
        turns.execute(this::settle);
        agent.driver().thenAccept(name -> {
            int end = name.indexOf('#');
            String next = end < 0 ? "" : name.substring(0, end);
            if (!next.equals(driver)) {
                driver = next;
                sendAway();
            }
        });
    }

    /// Who watches by way of a driver that is none any more would hear nothing: it has to ask again.
    private void sendAway() {
        List.copyOf(callers).forEach(HttpConnection::close);
    }

    private void drive(List<AgentSubstrate.Found> running) {
        rest();
        Scheduler next = new Scheduler(substrate, new GroupStore(), new Random());
        scheduler = next;
        Map<String, DeploymentStatus> told = new ConcurrentHashMap<>();
        store.follow(wish -> turns.execute(() -> want(next, wish, told, running)))
                .forEach(wish -> want(next, wish, told, running));
        next.watch(picture -> picture.deployments().forEach(status -> {
            DeploymentStatus before = told.put(status.deployment().name(), status);
            if (before == null || !Wish.of(before).equals(Wish.of(status))) {
                store.put(Wish.of(status));
            }
        }));
        substrate.serve(next);
        service = new GroupsServer(vertx, next, options.token()).service();
        log.info("this member drives: {} groups run", running.size());
    }

    /// What was wanted when this member began to drive, or later on a side of the cluster that it did not see.
    private void want(
            Scheduler next, Wish wish, Map<String, DeploymentStatus> told, List<AgentSubstrate.Found> running) {
        String name = wish.deployment().name();
        if (scheduler == next && told.containsKey(name)) {
            next.apply(wish.deployment());
            next.pause(name, wish.deployment().paused());
        } else if (scheduler == next) {
            told.put(name, next.adopt(wish, of(wish.deployment(), running)).join());
        }
    }

    private static List<Scheduler.Running> of(Deployment wanted, List<AgentSubstrate.Found> running) {
        String start = wanted.name() + "-";
        return running.stream()
                .filter(found -> found.group().matches(java.util.regex.Pattern.quote(start) + "[0-9]+"))
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
        service = null;
        sendAway();
        settled = false;
        wholeSince = System.nanoTime();
        Scheduler before = scheduler;
        scheduler = null;
        if (before != null) {
            before.close();
            log.info("this member drives no more");
        }
    }

    /// Ends this machine's ranks at once and leaves the cluster.
    @Override
    public void close() {
        turns.shutdownNow();
        substrate.close();
        agent.close();
        local.close();
        store.close();
    }
}
