package dev.skein.worker;

import dev.skein.compute.Backend;
import dev.skein.compute.ComputeException;
import dev.skein.compute.collective.CollectiveException;
import dev.skein.compute.cpu.CpuBackends;
import dev.skein.compute.cuda.CudaBackends;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.TokenizerModel;
import dev.skein.worker.engine.Completion;
import dev.skein.worker.engine.Engine;
import dev.skein.worker.engine.EngineException;
import dev.skein.worker.engine.EngineOptions;
import dev.skein.worker.engine.EngineStatistics;
import dev.skein.worker.engine.GenerationRequest;
import dev.skein.worker.engine.Sampling;
import dev.skein.worker.engine.StepLoop;
import dev.skein.worker.engine.TokenLogprobs;
import dev.skein.worker.engine.TokenSink;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Checkpoint;
import dev.skein.worker.model.CheckpointException;
import dev.skein.worker.model.EmbeddingConfig;
import dev.skein.worker.model.RankCount;
import dev.skein.worker.service.Cards;
import dev.skein.worker.service.JoinDesk;
import dev.skein.worker.service.Served;
import dev.skein.worker.service.WorkerServer;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A running worker. Made by {@link #start}; {@link #close} lets what runs finish, for a while, and frees everything.
 * Safe for several threads.
 */
public final class Worker implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Worker.class);

    private static final Duration GRACE = Duration.ofSeconds(30);
    private static final int WARM_UP_OUTPUT = 3;
    /** Calls over one connection beside those that run or wait: a request that the queue has no room for is told so. */
    private static final int SPARE_STREAMS = 64;

    private final WorkerOptions options;
    private final Encryption encryption;
    private final WorkerListener listener;
    private final ReentrantLock telling = new ReentrantLock();
    private final long started = System.nanoTime();
    private final CompletableFuture<WorkerServer> listening = new CompletableFuture<>();
    private final CompletableFuture<Void> ready = new CompletableFuture<>();
    private final CompletableFuture<String> failure = new CompletableFuture<>();
    private final Thread starter =
            Thread.ofPlatform().name("skein-worker-start").daemon(true).unstarted(this::startModel);
    // Written by the thread in start(), read by whoever closes.
    private volatile @Nullable Vertx vertx;
    private volatile int port;
    // Written by the starter, read by whoever closes after it has ended.
    private volatile @Nullable Checkpoint checkpoint;
    private volatile @Nullable StepLoop loop;

    private Worker(WorkerOptions options, Encryption encryption, WorkerListener listener) {
        this.options = options;
        this.encryption = encryption;
        this.listener = listener;
    }

    /**
     * Listens, and loads the model beside that. Returns when calls can be made, mostly before the model is ready.
     *
     * @throws IllegalStateException if it cannot listen; nothing is left running
     */
    public static Worker start(WorkerOptions options, WorkerListener listener) {
        return start(options, Encryption.NONE, listener);
    }

    /**
     * As the other, with encryption of all that is said to it, and among the ranks of its group where they are on several
     * hosts.
     */
    public static Worker start(WorkerOptions options, Encryption encryption, WorkerListener listener) {
        log.info("worker=starting options={}", options);
        Worker worker = new Worker(options, encryption, listener);
        worker.starter.start();
        try {
            worker.listen();
        } catch (RuntimeException | Error failed) {
            worker.listening.completeExceptionally(failed);
            worker.close();
            throw failed;
        }
        return worker;
    }

    private void listen() {
        // A machine so busy that a class takes seconds to load is worth a warning, not a stack trace.
        Vertx made = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1).setWarningExceptionTime(Long.MAX_VALUE));
        vertx = made;
        WorkerServer server = new WorkerServer(
                made,
                options.token(),
                encryption,
                2 * (options.maxNumSeqs() + options.maxQueued()) + SPARE_STREAMS,
                desk(made));
        try {
            port = server.listen(options.host(), options.port())
                    .toCompletionStage()
                    .toCompletableFuture()
                    .join();
        } catch (CompletionException refused) {
            throw new IllegalStateException(
                    "cannot listen on %s:%d: %s. --port 0 takes a free port"
                            .formatted(options.host(), options.port(), refused.getCause()),
                    refused.getCause());
        }
        tell(new WorkerListener.Listening(options.host(), port));
        listening.complete(server);
    }

    /** For the other ranks of the group; null if there are none. */
    private @Nullable JoinDesk desk(Vertx made) {
        if (options.group().alone()) {
            return null;
        }
        JoinDesk desk = new JoinDesk(
                made,
                options.group().count().all(),
                Version.TEXT,
                options.group().recovery().isPositive(),
                picture -> tell(new WorkerListener.Gathering(picture)));
        desk.lost().thenAccept(reason -> fail(new LostRankException(reason)));
        return desk;
    }

    /** Where it listens. */
    public int port() {
        return port;
    }

    /** Done when requests are served; failed with a reason for people if that will never be. */
    public CompletableFuture<Void> ready() {
        return ready.copy();
    }

    /** Done with the reason if the worker will never be ready, or breaks later. */
    public CompletableFuture<String> failure() {
        return failure.copy();
    }

    /** What the engine does; empty before it runs, and in a rank that has none. */
    public Optional<EngineStatistics> statistics() {
        StepLoop running = loop;
        return running == null ? Optional.empty() : Optional.of(running.statistics());
    }

    // The starter's thread

    private void startModel() {
        try {
            loadAndWarm();
        } catch (Throwable broken) {
            // Who cannot listen has been told by start().
            if (!listening.isCompletedExceptionally()) {
                fail(broken);
            }
        }
    }

    private void loadAndWarm() {
        Checkpoint opened = options.loadFormat().open(options.model());
        checkpoint = opened;
        Architecture architecture = Architecture.of(opened);
        WorkerServer server = listening.join();
        Leadership leadership = server.desk()
                .map(desk -> new Leadership(options, encryption, desk, architecture, recovery(server)))
                .orElse(null);
        Backend backend = leadership == null ? backend(architecture) : groupBackend(architecture);
        long understood = System.nanoTime();
        Serving serving = leadership == null
                ? serving(opened, architecture, backend)
                : leader(opened, architecture, backend, leadership);
        StepLoop loading = serving.loop();
        loop = loading;
        server.served(new Served(serving.card(), tokenizer(opened), backend::gauges));
        loading.loaded().join();
        long weights = System.nanoTime();
        tell(new WorkerListener.Warming());
        server.starting("warming up");
        serving.warmUp().run();
        loading.failure().thenAccept(this::fail);
        server.ready(loading);
        ready.complete(null);
        tell(new WorkerListener.Ready(
                backend.description(),
                seconds(understood - started),
                seconds(weights - understood),
                seconds(System.nanoTime() - weights)));
    }

    private Leadership.Listener recovery(WorkerServer server) {
        return new Leadership.Listener() {
            @Override
            public void recovering(String reason) {
                server.recovering(reason);
            }

            @Override
            public void recovered(String reason, double seconds) {
                server.recovered();
                tell(new WorkerListener.Recovered(reason, seconds));
            }
        };
    }

    /** By what the model is. */
    private Serving serving(Checkpoint opened, Architecture architecture, Backend backend) {
        return architecture
                .embedding()
                .map(config -> embedder(opened, architecture, config, backend))
                .orElseGet(() -> generator(opened, architecture, backend));
    }

    private Serving embedder(Checkpoint opened, Architecture architecture, EmbeddingConfig config, Backend backend) {
        try {
            return Embedder.start(options, opened, architecture, config, backend, this::loaded);
        } catch (IllegalArgumentException tooLarge) {
            backend.close();
            throw tooLarge;
        }
    }

    private Serving generator(Checkpoint opened, Architecture architecture, Backend backend) {
        EngineOptions engineOptions = engineOptions(
                opened, backend, () -> List.of(Capacity.Needs.of(opened, architecture, backend, options)));
        Engine engine = Engine.start(engineOptions, architecture, backend, this::loaded);
        return serving(opened, architecture, backend, engineOptions, engine);
    }

    /** The same, with the other ranks of its group. */
    private Serving leader(Checkpoint opened, Architecture architecture, Backend backend, Leadership leadership) {
        EngineOptions engineOptions = engineOptions(opened, backend, () -> leadership.needs(backend));
        Engine engine = Engine.start(
                engineOptions, architecture.vocabularySize(), leadership.stepper(engineOptions, backend), this::loaded);
        return serving(opened, architecture, backend, engineOptions, engine);
    }

    private static Serving serving(
            Checkpoint opened, Architecture architecture, Backend backend, EngineOptions engineOptions, Engine engine) {
        return new Serving(
                engine,
                Cards.card(opened, architecture, engineOptions, backend.description(), Version.TEXT),
                () -> warmUp(engine));
    }

    /** On the device that was asked for; auto takes no GPU whose kernels do not have what the model needs. */
    private Backend backend(Architecture architecture) {
        DeviceOptions wanted = options.device();
        if (architecture.embedding().isPresent()) {
            if (wanted.device() == CudaBackends.Device.CUDA) {
                throw new IllegalArgumentException(
                        "--device cuda: embedding models are computed on the processor only; say cpu or auto");
            }
            return cores();
        }
        Backend chosen;
        try {
            chosen = CudaBackends.choose(wanted.device(), wanted.how(), this::cores);
        } catch (ComputeException none) {
            throw new IllegalArgumentException("--device %s: %s".formatted(wanted.name(), none.getMessage()), none);
        }
        Optional<String> objection = chosen.objection(architecture.cache(1));
        if (objection.isEmpty()) {
            return chosen;
        }
        chosen.close();
        if (wanted.device() == CudaBackends.Device.CUDA) {
            throw new IllegalArgumentException(
                    "--device cuda: %s; auto falls back to the processor".formatted(objection.get()));
        }
        log.info("device=cpu reason=\"{}\"", objection.get());
        return cores();
    }

    private Backend cores() {
        return CpuBackends.choose(options.cpuOptions());
    }

    /** All ranks of a group compute on the same kind of device; on GPUs only if that is asked for. */
    private Backend groupBackend(Architecture architecture) {
        DeviceOptions wanted = options.device();
        if (wanted.device() != CudaBackends.Device.CUDA) {
            return cores();
        }
        RankCount count = options.group().count();
        if (count.pipeline() > 1 || count.tensor() > CudaBackends.MOST_RANKS) {
            throw new IllegalArgumentException(
                    "--device cuda: GPUs split layers, by a --tensor-parallel-size of %d at most, and take no stages of layers; here it is %d, and --pipeline-parallel-size %d. Lower them, or say --device cpu"
                            .formatted(CudaBackends.MOST_RANKS, count.tensor(), count.pipeline()));
        }
        if (!architecture.split(count).stream().allMatch(Architecture::hasWholeGroups)) {
            throw new IllegalArgumentException(
                    "--device cuda: with --tensor-parallel-size %d several ranks share a key/value head of which one has other query heads too, which GPUs cannot compute. Take a size that divides the model's key/value heads, or say --device cpu"
                            .formatted(count.tensor()));
        }
        Backend chosen;
        try {
            chosen = CudaBackends.ofRank(0, wanted.how());
        } catch (ComputeException none) {
            throw new IllegalArgumentException(
                    "--device cuda: %s; cpu and auto take the processor".formatted(none.getMessage()), none);
        }
        chosen.objection(architecture.cache(1)).ifPresent(objection -> {
            chosen.close();
            throw new IllegalArgumentException(
                    "--device cuda: %s; cpu and auto take the processor".formatted(objection));
        });
        return chosen;
    }

    private EngineOptions engineOptions(Checkpoint opened, Backend backend, Supplier<List<Capacity.Needs>> ranks) {
        Capacity capacity;
        try {
            capacity = Capacity.ofAll(options, ranks.get());
        } catch (RuntimeException tooLarge) {
            backend.close();
            throw tooLarge;
        }
        return new EngineOptions(
                capacity.maxModelLen(),
                options.maxNumSeqs(),
                options.maxNumBatchedTokens(),
                capacity.blocks(),
                options.maxQueued(),
                options.maxLogprobs(),
                options.seed(),
                opened.endTokens(),
                options.prefixCaching(),
                options.byPriority(),
                options.speculation());
    }

    private void loaded(int parts, int of) {
        tell(new WorkerListener.Loading(parts, of));
        WorkerServer server = listening.isCompletedExceptionally() ? null : listening.getNow(null);
        if (server != null) {
            server.starting("loading weights, %d of %d".formatted(parts, of));
        }
    }

    /** Some milliseconds of work: not on an event loop, and not in the way of the weights. */
    private static Future<TokenizerModel> tokenizer(Checkpoint opened) {
        return Future.fromCompletionStage(CompletableFuture.supplyAsync(() -> Cards.tokenizer(opened)));
    }

    private static void warmUp(Engine engine) {
        int length = engine.options().maxModelLen();
        int prompt = Math.clamp(length - 1, 1, Serving.WARM_UP_PROMPT);
        WarmUp warmUp = new WarmUp();
        engine.submit(
                new GenerationRequest(
                        "warm-up", new int[prompt], 0, Sampling.GREEDY, Math.min(WARM_UP_OUTPUT, length - prompt)),
                warmUp);
        warmUp.done.join();
    }

    private static final class WarmUp implements TokenSink {
        private final CompletableFuture<Completion> done = new CompletableFuture<>();

        @Override
        public void promptLogprobs(List<TokenLogprobs> logprobs) {}

        @Override
        public void token(int id, @Nullable TokenLogprobs logprobs, @Nullable Completion completion) {
            if (completion != null) {
                finished(completion);
            }
        }

        @Override
        public void finished(Completion completion) {
            done.complete(completion);
        }

        @Override
        public void failed(EngineException reason) {
            done.completeExceptionally(reason);
        }
    }

    private void fail(Throwable broken) {
        Throwable cause = broken instanceof CompletionException wrapped && wrapped.getCause() != null
                ? wrapped.getCause()
                : broken;
        String reason = reason(cause);
        if (!failure.complete(reason)) {
            return;
        }
        // Whoever started this worker tells people the reason; only a defect needs its trace.
        if (avoidable(cause)) {
            log.debug("worker=failed reason=\"{}\"", reason);
        } else {
            log.error("worker=failed reason=\"{}\"", reason, cause);
        }
        boolean first = !ready.isDone();
        listening.thenAccept(server -> server.failed(reason));
        ready.completeExceptionally(new IllegalStateException(reason, cause));
        tell(new WorkerListener.Failed(reason, first && hopeless(cause)));
    }

    /** For what a person can change, the message says all; a defect needs its name too. */
    static String reason(Throwable cause) {
        return avoidable(cause) ? String.valueOf(cause.getMessage()) : cause.toString();
    }

    static boolean avoidable(Throwable cause) {
        return cause instanceof CheckpointException || cause instanceof IllegalArgumentException || lost(cause);
    }

    /** Whether a new start would end in the same way. */
    static boolean hopeless(Throwable cause) {
        return !lost(cause);
    }

    private static boolean lost(Throwable cause) {
        return cause instanceof LostRankException || cause instanceof CollectiveException;
    }

    private void tell(WorkerListener.Event event) {
        telling.lock();
        try {
            listener.on(event);
        } finally {
            telling.unlock();
        }
    }

    static double seconds(long nanos) {
        return nanos / 1e9;
    }

    // The end

    /** Admits nothing more, lets what runs finish for half a minute, and frees everything. */
    @Override
    public void close() {
        close(GRACE);
    }

    /** As {@link #close()}, with another limit for what runs. */
    public void close(Duration grace) {
        if (!ready.isDone()) {
            letRanksGo();
        }
        awaitStarter();
        long until = System.nanoTime() + grace.toNanos();
        WorkerServer server = listening.isCompletedExceptionally() ? null : listening.getNow(null);
        if (server != null && ready.isDone() && !failure.isDone()) {
            await(server.drain(), until);
        }
        letRanksGo();
        // Before its calls end: other ranks take the end of their call for the loss of the leader.
        StepLoop running = loop;
        if (running != null) {
            running.close();
        }
        if (server != null) {
            await(server.shutdown(Duration.ofNanos(until - System.nanoTime())), until);
        }
        Vertx made = vertx;
        if (made != null) {
            await(made.close(), System.nanoTime() + GRACE.toNanos());
        }
        Checkpoint mapped = checkpoint;
        if (mapped != null) {
            mapped.close();
        }
    }

    private void letRanksGo() {
        listening.thenAccept(server -> server.desk().ifPresent(JoinDesk::close));
    }

    private void awaitStarter() {
        try {
            starter.join();
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
        }
    }

    static void await(Future<?> future, long until) {
        await(future.toCompletionStage().toCompletableFuture(), until);
    }

    /** Waits no longer than until then, and does not care how it ends. */
    static void await(CompletableFuture<?> future, long until) {
        try {
            future.get(Math.max(1, until - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException goOn) {
            log.debug("close=late", goOn);
        }
    }
}
