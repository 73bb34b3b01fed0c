package dev.skein.gateway;

import dev.skein.gateway.metrics.ModelMetrics;
import dev.skein.gateway.text.TokenizerException;
import dev.skein.gateway.traffic.Dialect;
import dev.skein.gateway.traffic.Fleet;
import dev.skein.gateway.traffic.Leader;
import dev.skein.gateway.traffic.WorkerCalls;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.TokenizerModel;
import io.vertx.core.DeploymentOptions;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.time.Clock;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The gateway of one process. Its life: {@link #create}, {@link #ready}, {@link #listen}, {@link #close}.
 *
 * <p>The port opens with {@link #listen} and not before, so that who probes it finds a server that serves. Everything
 * else happens while the weights load.
 *
 * <p>Thread-safe; the Vert.x stays the caller's.
 */
public final class Gateway implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Gateway.class);
    private static final long RETRY_MILLIS = 100;

    private final Vertx vertx;
    private final GatewayOptions options;
    private final Fleet fleet;
    private final WorkerCalls calls;
    private final WorkerExecutor pool;
    private final Shared shared;
    private final Promise<Void> ready = Promise.promise();
    // On the fleet's context: lines of groups whose model is being asked for.
    private final Set<String> fetching = new HashSet<>();
    private final Map<String, ModelMetrics> metrics = new ConcurrentHashMap<>();
    // Written by listen, read by whoever asks for the port or closes.
    private volatile @Nullable Front front;
    private volatile @Nullable String deployment;

    private Gateway(Vertx vertx, GatewayOptions options) {
        this.vertx = vertx;
        this.options = options;
        this.fleet = new Fleet(vertx, options.scheduler());
        this.calls = new WorkerCalls(vertx, options.scheduler().encryption());
        this.pool = vertx.createSharedWorkerExecutor(
                "skein-text", Math.clamp(Runtime.getRuntime().availableProcessors() / 2, 2, 4), 1, TimeUnit.MINUTES);
        this.shared = new Shared(options, fleet, pool);
    }

    /**
     * Checks that the address is free, and begins to watch the scheduler's groups.
     *
     * @throws GatewayException if the address is in use or not this machine's
     */
    public static Gateway create(Vertx vertx, GatewayOptions options) {
        checkAddress(options.host(), options.port());
        Gateway gateway = new Gateway(vertx, options);
        gateway.fleet.watch(gateway::changed);
        return gateway;
    }

    /**
     * Completes when a group is ready and its tokenizer is built: from then on requests can be answered. Fails if the
     * model cannot be spoken ({@link TokenizerException}, {@link GatewayException}); then only {@link #close} is left.
     */
    public Future<Void> ready() {
        return ready.future();
    }

    /** Opens the port and completes with its number. Fails with {@link GatewayException} if it cannot be opened. */
    public Future<Integer> listen() {
        Front opened = new Front(shared, options.host(), options.port());
        return vertx.deployVerticle(opened, new DeploymentOptions())
                .map(id -> {
                    deployment = id;
                    front = opened;
                    return opened.port();
                })
                .recover(error -> Future.failedFuture(cannotListen(options.host(), options.port(), error)));
    }

    /** The port that is open; -1 before {@link #listen} has completed. */
    public int port() {
        Front opened = front;
        return opened == null ? -1 : opened.port();
    }

    /**
     * Takes no more requests, lets those that run finish for {@link GatewayOptions.Limits#drain}, cancels the rest, and
     * ends.
     */
    public Future<Void> shutdown() {
        String id = deployment;
        deployment = null;
        Future<Void> undeployed = id == null ? Future.succeededFuture() : vertx.undeploy(id);
        return undeployed.eventually(() -> {
            fleet.close();
            calls.close();
            return pool.close();
        });
    }

    /** {@link #shutdown}, awaited; not to be called on an event loop. */
    @Override
    public void close() {
        try {
            shutdown().toCompletionStage().toCompletableFuture().join();
        } catch (CompletionException e) {
            log.warn("the gateway did not close cleanly: {}", String.valueOf(e.getCause()));
        }
    }

    // On the fleet's context.
    private void changed(Fleet.Picture picture) {
        for (Leader leader : picture.listening()) {
            if (!shared.catalog().knows(leader.line()) && fetching.add(leader.line())) {
                fetch(leader);
            }
        }
        shared.catalog().told(picture);
        // Nobody could ask for what this gateway does not know: it sleeps since before this gateway began.
        picture.deployments().stream()
                .filter(each -> each.getAsleep() && !shared.catalog().serves(each.getName()))
                .forEach(each -> fleet.wake(each.getName()));
        announce();
    }

    private void announce() {
        if (shared.ready() && ready.tryComplete()) {
            log.info(
                    "ready model={} groups={}", model(), fleet.picture().ready().size());
        }
    }

    /** The first name that requests may give for what is served; empty before {@link #ready}. */
    public String model() {
        Shared.Serving serving = shared.catalog().first();
        return serving == null ? "" : serving.model().name();
    }

    private void fetch(Leader leader) {
        long begun = System.nanoTime();
        calls.model(leader)
                .compose(card -> calls.tokenizer(leader)
                        .compose(speech -> pool.executeBlocking(() -> build(leader, card, speech), false)))
                .onComplete(built -> {
                    fetching.remove(leader.line());
                    if (built.succeeded()) {
                        learnt(leader, built.result());
                        log.debug("tokenizer ready ms={}", (System.nanoTime() - begun) / 1_000_000);
                    } else if (built.cause() instanceof TokenizerException
                            || built.cause() instanceof GatewayException) {
                        if (!ready.tryFail(built.cause())) {
                            // Not asked again; the groups of this line take no requests.
                            fetching.add(leader.line());
                            log.error(
                                    "group={} cannot be spoken to: {}",
                                    leader.group(),
                                    built.cause().getMessage());
                        }
                    } else {
                        log.debug(
                                "model not fetched: leader={} why={}",
                                leader,
                                built.cause().toString());
                        vertx.setTimer(RETRY_MILLIS, _ -> changed(fleet.picture()));
                    }
                });
    }

    private void learnt(Leader leader, Shared.Serving serving) {
        shared.catalog().learnt(leader.line(), serving);
        shared.catalog().told(fleet.picture());
        fleet.spoken(leader.line(), serving.dialect());
        announce();
    }

    // Groups speak the same when their vocabulary is the same, and can go on with each other's answers when their
    // weights are.
    private static Dialect dialect(Leader leader, ModelCard card, TokenizerModel speech) {
        CRC32 sum = new CRC32();
        sum.update(speech.toByteArray());
        sum.update(card.toBuilder()
                .clearBackend()
                .clearBlocks()
                .clearVersion()
                .build()
                .toByteArray());
        return new Dialect(leader.deployment(), sum.getValue());
    }

    private Shared.Serving build(Leader leader, ModelCard card, TokenizerModel speech) {
        Dialect dialect = dialect(leader, card, speech);
        Shared.Serving same = shared.catalog().speaking(dialect);
        if (same != null) {
            return same;
        }
        try {
            return serving(dialect, ServedModel.of(card, speech, named(leader)));
        } catch (TokenizerException | GatewayException e) {
            throw e;
        } catch (RuntimeException e) {
            throw new GatewayException("the model " + card.getName() + " cannot be spoken: " + e.getMessage(), e);
        }
    }

    private GatewayOptions named(Leader leader) {
        List<String> names = Catalog.names(leader.deployment(), fleet.picture());
        return names.isEmpty() ? options : options.withApi(options.api().withServedModelNames(names));
    }

    private Shared.Serving serving(Dialect dialect, ServedModel model) {
        Preparation preparation = new Preparation(model, options.api().responseRole(), Clock.systemDefaultZone());
        if (!model.embeds()) {
            Rehearsal.of(model, preparation, shared.json());
        }
        ModelMetrics counted = metrics.computeIfAbsent(
                model.name(), name -> new ModelMetrics(name, model.card().getMaxModelLen(), options.cacheLabels()));
        return new Shared.Serving(dialect, model, preparation, counted);
    }

    /**
     * Checks that a server can listen there now.
     *
     * @throws GatewayException if the address is in use or not this machine's
     */
    public static void checkAddress(String host, int port) {
        try (ServerSocket socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(InetAddress.getByName(host), port));
        } catch (IOException e) {
            throw cannotListen(host, port, e);
        }
    }

    private static GatewayException cannotListen(String host, int port, Throwable why) {
        return new GatewayException(
                "cannot listen on " + host + ":" + port + ": " + why.getMessage()
                        + "; stop what uses it, or give another --host or --port",
                why);
    }
}
