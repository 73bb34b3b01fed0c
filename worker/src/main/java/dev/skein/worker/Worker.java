package dev.skein.worker;

import dev.skein.compute.Backend;
import dev.skein.compute.ComputeException;
import dev.skein.compute.cpu.CpuBackends;
import dev.skein.compute.cuda.CudaBackends;
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
import dev.skein.worker.service.Cards;
import dev.skein.worker.service.Served;
import dev.skein.worker.service.WorkerServer;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
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

    private Worker(WorkerOptions options, WorkerListener listener) {
        this.options = options;
        this.listener = listener;
    }

    /**
     * Listens, and loads the model beside that. Returns when calls can be made, mostly before the model is ready.
     *
     * @throws IllegalStateException if it cannot listen; nothing is left running
     */
    public static Worker start(WorkerOptions options, WorkerListener listener) {
        log.info("worker=starting options={}", options);
        Worker worker = new Worker(options, listener);
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
                made, options.token(), 2 * (options.maxNumSeqs() + options.maxQueued()) + SPARE_STREAMS);
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
        Backend backend = backend(architecture);
        long understood = System.nanoTime();
        Serving serving = serving(opened, architecture, backend);
        StepLoop loading = serving.loop();
        loop = loading;
        WorkerServer server = listening.join();
        server.served(new Served(serving.card(), tokenizer(opened)));
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

    /** By what the model is. */
    private Serving serving(Checkpoint opened, Architecture architecture, Backend backend) {
        return architecture
                .embedding()
                .map(config -> embedder(opened, architecture, config, backend))
                .orElseGet(() -> generator(opened, architecture, backend));
    }

    private Serving embedder(Checkpoint opened, Architecture architecture, EmbeddingConfig config, Backend backend) {
        try {
            return Embedder.start(options, opened, architecture, config, backend, this::loaded, version());
        } catch (IllegalArgumentException tooLarge) {
            backend.close();
            throw tooLarge;
        }
    }

    private Serving generator(Checkpoint opened, Architecture architecture, Backend backend) {
        EngineOptions engineOptions = engineOptions(opened, architecture, backend);
        Engine engine = Engine.start(engineOptions, architecture, backend, this::loaded);
        return new Serving(
                engine,
                Cards.card(opened, architecture, engineOptions, backend.description(), version()),
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
            chosen = CudaBackends.choose(wanted.device(), !wanted.eager(), this::cores);
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

    private EngineOptions engineOptions(Checkpoint opened, Architecture architecture, Backend backend) {
        int seqs = options.maxNumSeqs();
        int tokens = options.maxNumBatchedTokens();
        Capacity capacity;
        try {
            capacity = Capacity.of(options, Capacity.Needs.of(opened, architecture, backend, options));
        } catch (IllegalArgumentException tooLarge) {
            backend.close();
            throw tooLarge;
        }
        return new EngineOptions(
                capacity.maxModelLen(),
                seqs,
                tokens,
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
        listening.thenAccept(server -> server.failed(reason));
        ready.completeExceptionally(new IllegalStateException(reason, cause));
        tell(new WorkerListener.Failed(reason));
    }

    /** For what a person can change, the message says all; a defect needs its name too. */
    private static String reason(Throwable cause) {
        return avoidable(cause) ? String.valueOf(cause.getMessage()) : cause.toString();
    }

    private static boolean avoidable(Throwable cause) {
        return cause instanceof CheckpointException || cause instanceof IllegalArgumentException;
    }

    private void tell(WorkerListener.Event event) {
        telling.lock();
        try {
            listener.on(event);
        } finally {
            telling.unlock();
        }
    }

    private static double seconds(long nanos) {
        return nanos / 1e9;
    }

    private static String version() {
        try (InputStream text = Worker.class.getResourceAsStream("version.txt")) {
            return text == null ? "unknown" : new String(text.readAllBytes(), StandardCharsets.UTF_8).strip();
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    // The end

    /** Admits nothing more, lets what runs finish for half a minute, and frees everything. */
    @Override
    public void close() {
        close(GRACE);
    }

    /** As {@link #close()}, with another limit for what runs. */
    public void close(Duration grace) {
        awaitStarter();
        long until = System.nanoTime() + grace.toNanos();
        WorkerServer server = listening.isCompletedExceptionally() ? null : listening.getNow(null);
        if (server != null && ready.isDone() && !failure.isDone()) {
            await(server.drain(), until);
        }
        if (server != null) {
            await(server.shutdown(Duration.ofNanos(until - System.nanoTime())), until);
        }
        StepLoop running = loop;
        if (running != null) {
            running.close();
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

    private void awaitStarter() {
        try {
            starter.join();
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
        }
    }

    private static void await(Future<Void> future, long until) {
        try {
            future.toCompletionStage()
                    .toCompletableFuture()
                    .get(Math.max(1, until - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException goOn) {
            log.debug("close=late", goOn);
        }
    }
}
