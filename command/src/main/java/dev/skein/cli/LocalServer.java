package dev.skein.cli;

import dev.skein.cli.control.ServerFile;
import dev.skein.cli.model.SkeinHome;
import dev.skein.gateway.Gateway;
import dev.skein.gateway.GatewayException;
import dev.skein.gateway.GatewayOptions;
import dev.skein.scheduler.GroupStatus;
import dev.skein.scheduler.GroupStore;
import dev.skein.scheduler.GroupsServer;
import dev.skein.scheduler.LocalSubstrate;
import dev.skein.scheduler.Picture;
import dev.skein.scheduler.Scheduler;
import dev.skein.scheduler.lifecycle.GroupState;
import dev.skein.scheduler.rollout.Deployment;
import dev.skein.worker.FreeMemory;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.http.HttpServer;
import java.io.UncheckedIOException;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Gateway, scheduler and store in this process, and workers as its children.
///
/// The workers are started before anything else, because their weights take longest; everything here is made while they
/// load. The store of groups is the heaviest of it and nothing waits for it, so it starts on its own thread.
final class LocalServer implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(LocalServer.class);
    private static final int TOKEN_BYTES = 32;

    /// A worker without streams ends within this time or is killed.
    private static final long WORKER_DRAIN_MILLIS = 3_000;

    private final long began;
    private final LocalSubstrate substrate;
    private final Scheduler scheduler;
    private final GroupStore store = new GroupStore();
    private final CompletableFuture<Ready> ready = new CompletableFuture<>();
    private final CompletableFuture<String> failure = new CompletableFuture<>();
    private final CompletableFuture<Gateway> gateway = new CompletableFuture<>();

    // Written by the scheduler's thread, read by the one that tells the readiness.
    private volatile String detail = "";

    /// It serves.
    ///
    /// @param model the name that requests give
    /// @param millis since the command was given
    /// @param detail seconds by stage, and what computes
    record Ready(int port, String model, long millis, String detail) {}

    private LocalServer(long began) {
        this.began = began;
        substrate = new LocalSubstrate(JavaCommand.worker(), began, FreeMemory::bytes, System.err::println);
        Runtime.getRuntime().addShutdownHook(new Thread(substrate::close, "end-children"));
        scheduler = new Scheduler(substrate, store, new Random());
    }

    /// Starts everything and returns when the gateway's address is known to be free.
    ///
    /// @param began when the command was given, in milliseconds since 1970
    /// @param options makes the gateway's options from where the scheduler answers
    /// @throws CommandException if the gateway cannot listen; nothing is left running
    static LocalServer start(
            long began, Deployment deployment, Function<GatewayOptions.SchedulerAddress, GatewayOptions> options) {
        LocalServer server = new LocalServer(began);
        server.scheduler.apply(deployment);
        server.scheduler.watch(server::watch);
        try {
            server.open(options);
        } catch (GatewayException e) {
            server.close();
            throw CommandException.failed(e.getMessage());
        }
        return server;
    }

    private void open(Function<GatewayOptions.SchedulerAddress, GatewayOptions> options) {
        // A machine so busy that a class takes seconds to load is worth a warning, not a stack trace.
        Vertx vertx = Vertx.vertx(new VertxOptions().setWarningExceptionTime(Long.MAX_VALUE));
        String token = token();
        HttpServer groups = new GroupsServer(vertx, scheduler, token).listen().await();
        Gateway made = Gateway.create(
                vertx, options.apply(new GatewayOptions.SchedulerAddress("127.0.0.1", groups.actualPort(), token)));
        gateway.complete(made);
        store.open();
        made.ready()
                .compose(ignored -> made.listen())
                .onSuccess(port -> {
                    announce(new ServerFile(port, ProcessHandle.current().pid(), groups.actualPort(), token));
                    ready.complete(new Ready(port, made.model(), System.currentTimeMillis() - began, detail));
                })
                .onFailure(broken -> fail(String.valueOf(broken.getMessage())));
    }

    /// For the commands that change what is served. Without it the server serves all the same.
    private static void announce(ServerFile made) {
        SkeinHome home = SkeinHome.of(System.getenv());
        try {
            made.write(home);
            Runtime.getRuntime().addShutdownHook(new Thread(() -> made.delete(home), "forget-server"));
        } catch (UncheckedIOException e) {
            log.warn("skein scale, rollout, apply and why will not find this server: {}", e.toString());
        }
    }

    /// Completes when requests are answered.
    CompletableFuture<Ready> ready() {
        return ready;
    }

    /// Completes with the reason when all groups are given up.
    CompletableFuture<String> failure() {
        return failure;
    }

    /// Takes no more requests, lets answers go on for the gateway's drain time, and ends the worker.
    void drain() {
        drain(WORKER_DRAIN_MILLIS);
    }

    /// @param workerMillis how long the worker may take to end once it has no streams
    void drain(long workerMillis) {
        if (gateway.isDone()) {
            await(gateway.join().shutdown());
        }
        try {
            scheduler.drain(workerMillis).get(workerMillis + WORKER_DRAIN_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            log.warn("the worker does not end; it is killed");
        }
        close();
    }

    /// Ends the worker at once.
    @Override
    public void close() {
        scheduler.close();
        substrate.close();
        store.close();
    }

    private void watch(Picture picture) {
        List<GroupStatus> groups = picture.groups();
        groups.stream().filter(group -> group.state() == GroupState.READY).forEach(group -> detail = group.reason());
        if (!groups.isEmpty() && groups.stream().allMatch(group -> group.state() == GroupState.FAILED)) {
            fail(groups.getFirst().reason());
        }
    }

    private void fail(String reason) {
        failure.complete(reason);
    }

    private static void await(Future<Void> future) {
        try {
            future.await();
        } catch (RuntimeException e) {
            log.warn("the gateway did not close cleanly: {}", e.toString());
        }
    }

    private static String token() {
        byte[] bytes = new byte[TOKEN_BYTES];
        new SecureRandom().nextBytes(bytes);
        return HexFormat.of().formatHex(bytes);
    }
}
