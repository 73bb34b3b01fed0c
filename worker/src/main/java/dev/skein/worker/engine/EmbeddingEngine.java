package dev.skein.worker.engine;

import static dev.skein.worker.engine.EngineException.invalid;

import dev.skein.compute.Backend;
import dev.skein.compute.ComputeException;
import dev.skein.compute.KvCache;
import dev.skein.compute.StepInputs;
import dev.skein.worker.engine.EngineException.Code;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Architecture.LoadProgress;
import dev.skein.worker.model.EmbeddingConfig;
import dev.skein.worker.model.ForwardPass;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The loop of a model that embeds: one platform thread that owns the backend.
 *
 * <p>A step holds whole texts of any lengths, as many as its ids allow; rows lie behind each other, so nothing is padded.
 * Requests take turns, a text each, so that one with a thousand texts does not keep one with a single text waiting; the
 * first text that a step has no room for begins the next one. What comes of a text does not depend on the others.
 *
 * <p>A step that fails ends the requests in it and no others. If the backend says that it cannot go on, or the loop itself
 * breaks, all requests end, {@link #failure} is completed and nothing is admitted any more.
 */
public final class EmbeddingEngine implements StepLoop {
    private static final Logger log = LoggerFactory.getLogger(EmbeddingEngine.class);

    private final EmbeddingOptions options;
    private final Architecture architecture;
    private final EmbeddingConfig config;
    private final Backend backend;
    private final LoadProgress progress;
    private final Thread thread;
    private final EngineStatistics statistics = new EngineStatistics();
    private final CompletableFuture<Void> loaded = new CompletableFuture<>();
    private final CompletableFuture<Throwable> failure = new CompletableFuture<>();

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    // Under the lock:
    private final Set<Embedding> active = new LinkedHashSet<>();
    /** Those of them with texts that no step has taken, in the order of their turns. */
    private final Deque<Embedding> waiting = new ArrayDeque<>();

    private final List<CompletableFuture<Void>> drains = new ArrayList<>();
    private boolean draining;
    private boolean stopped;

    private EmbeddingEngine(
            EmbeddingOptions options, Architecture architecture, Backend backend, LoadProgress progress) {
        this.options = options;
        this.architecture = architecture;
        this.config = architecture
                .embedding()
                .orElseThrow(() ->
                        new IllegalArgumentException("a model of the family %s that generates is no embedding model"
                                .formatted(architecture.name())));
        this.backend = backend;
        this.progress = progress;
        thread = Thread.ofPlatform().name("skein-embedding").daemon(true).unstarted(this::run);
    }

    /**
     * Starts loading in the loop's thread. Requests may be submitted at once; they wait for the weights.
     *
     * @param backend closed by the engine
     * @throws IllegalArgumentException if the model generates
     */
    public static EmbeddingEngine start(
            EmbeddingOptions options, Architecture architecture, Backend backend, LoadProgress progress) {
        EmbeddingEngine engine = new EmbeddingEngine(options, architecture, backend, progress);
        engine.thread.start();
        return engine;
    }

    public EmbeddingOptions options() {
        return options;
    }

    @Override
    public EngineStatistics statistics() {
        return statistics;
    }

    /** None: the statistics follow each request. */
    @Override
    public int unseen() {
        return 0;
    }

    /** None: a text is computed in one step, and nothing of it is kept. */
    @Override
    public int blocks() {
        return 0;
    }

    @Override
    public CompletableFuture<Void> loaded() {
        return loaded.copy();
    }

    @Override
    public CompletableFuture<Throwable> failure() {
        return failure.copy();
    }

    /**
     * Puts a request into the queue.
     *
     * @throws EngineException if it cannot be served as it stands, the queue is full, or the engine admits nothing
     */
    public Embedding submit(EmbeddingRequest request, EmbeddingSink sink) {
        check(request);
        Embedding embedding = new Embedding(this, request, sink, System.nanoTime());
        lock.lock();
        try {
            requireRoom();
            active.add(embedding);
            waiting.addLast(embedding);
            gauges();
            changed.signal();
        } finally {
            lock.unlock();
        }
        return embedding;
    }

    private void requireRoom() {
        if (draining || stopped) {
            throw unavailable();
        }
        if (unstarted() >= options.maxQueued()) {
            throw new EngineException(
                    Code.RESOURCE_EXHAUSTED,
                    "%d requests are waiting and the queue holds no more; try again later"
                            .formatted(options.maxQueued()));
        }
    }

    private EngineException unavailable() {
        return new EngineException(
                Code.UNAVAILABLE, stopped ? "the worker has stopped" : "the worker is draining and admits nothing");
    }

    private long unstarted() {
        return waiting.stream().filter(each -> !each.started()).count();
    }

    private void check(EmbeddingRequest request) {
        for (int i = 0; i < request.texts().size(); i++) {
            int[] text = request.texts().get(i);
            if (text.length > options.maxModelLen()) {
                throw invalid(
                        "text %d has %d ids; with max_model_len %d it may have %d",
                        i, text.length, options.maxModelLen(), options.maxModelLen());
            }
            for (int id : text) {
                if (id < 0 || id >= architecture.vocabularySize()) {
                    throw invalid(
                            "text %d holds the id %s; the vocabulary has %d ids",
                            i, Integer.toUnsignedString(id), architecture.vocabularySize());
                }
            }
        }
        request.dimensions().ifPresent(this::checkDimensions);
    }

    private void checkDimensions(int dimensions) {
        List<Integer> lengths = config.shortening().lengths();
        boolean whole = dimensions == architecture.hidden();
        boolean shorter = config.shortening().possible() && (lengths.isEmpty() || lengths.contains(dimensions));
        if (dimensions < 1 || dimensions > architecture.hidden() || !whole && !shorter) {
            throw invalid(
                    "dimensions is %s; the model's vectors have %d elements%s",
                    Integer.toUnsignedString(dimensions),
                    architecture.hidden(),
                    !config.shortening().possible()
                            ? " and were not made to be shortened"
                            : lengths.isEmpty() ? " and may have fewer" : " and may have " + lengths);
        }
    }

    /** Ends a request without a word to its sink. Returns whether it was there. */
    boolean cancel(Embedding embedding) {
        lock.lock();
        try {
            return remove(embedding);
        } finally {
            lock.unlock();
        }
    }

    /** Takes a request out of everything, under the lock. Returns whether it was there. */
    private boolean remove(Embedding embedding) {
        waiting.remove(embedding);
        boolean there = active.remove(embedding);
        gauges();
        if (active.isEmpty()) {
            drains.forEach(drain -> drain.complete(null));
            drains.clear();
        }
        return there;
    }

    private void gauges() {
        long unstarted = unstarted();
        statistics.gauges(active.size() - unstarted, unstarted);
    }

    @Override
    public CompletableFuture<Void> drain() {
        CompletableFuture<Void> done = new CompletableFuture<>();
        lock.lock();
        try {
            draining = true;
            if (active.isEmpty()) {
                done.complete(null);
            } else {
                drains.add(done);
            }
        } finally {
            lock.unlock();
        }
        return done;
    }

    @Override
    public void close() {
        lock.lock();
        try {
            stopped = true;
            changed.signal();
        } finally {
            lock.unlock();
        }
        ThreadEnd.await(thread);
    }

    // The loop

    private void run() {
        @Nullable Throwable reason = null;
        StepInputs inputs = new StepInputs(options.stepLimits());
        try {
            KvCache cache = backend.kvCache(architecture.cache(options.blocks()));
            ForwardPass model = architecture.load(backend, options.stepLimits(), progress);
            PooledStates pooled = new PooledStates(backend, model.rows(), config.pooling());
            loaded.complete(null);
            for (List<Embedding.Text> batch = next(); !batch.isEmpty(); batch = next()) {
                step(batch, inputs, cache, model, pooled);
            }
        } catch (Throwable broken) {
            reason = broken;
            log.error("engine=failed", broken);
        }
        inputs.close();
        end(reason);
    }

    private void end(@Nullable Throwable reason) {
        for (Embedding each : stop()) {
            EngineException why =
                    reason == null ? unavailable() : new EngineException(Code.INTERNAL, "the worker failed; try again");
            each.sink().failed(why);
        }
        backend.close();
        if (reason != null) {
            loaded.completeExceptionally(reason);
            failure.complete(reason);
        }
    }

    /** Admits nothing more. Returns those that will not be computed. */
    private List<Embedding> stop() {
        lock.lock();
        try {
            stopped = true;
            List<Embedding> left = List.copyOf(active);
            left.forEach(this::remove);
            return left;
        } finally {
            lock.unlock();
        }
    }

    /** The next step's texts, as soon as there are some; none when the loop shall end. */
    private List<Embedding.Text> next() throws InterruptedException {
        lock.lock();
        try {
            while (waiting.isEmpty() && !stopped) {
                changed.await();
            }
            return stopped ? List.of() : take();
        } finally {
            lock.unlock();
        }
    }

    private List<Embedding.Text> take() {
        List<Embedding.Text> batch = new ArrayList<>();
        long now = System.nanoTime();
        int room = options.maxNumBatchedTokens();
        while (!waiting.isEmpty() && batch.size() < options.maxNumSeqs()) {
            Embedding.Text text = waiting.getFirst().next();
            room -= text.ids().length;
            if (room < 0) {
                break;
            }
            Embedding owner = waiting.removeFirst();
            owner.take(now);
            batch.add(text);
            if (owner.hasNext()) {
                waiting.addLast(owner);
            }
        }
        gauges();
        return batch;
    }

    private void step(
            List<Embedding.Text> batch, StepInputs inputs, KvCache cache, ForwardPass model, PooledStates pooled) {
        try {
            fill(inputs, batch);
            backend.begin(inputs);
            model.enqueue(cache);
            backend.finish();
            statistics.step(inputs.tokens());
            deliver(batch, pooled);
        } catch (ComputeException failed) {
            log.error("step=failed texts={} tokens={}", batch.size(), inputs.tokens(), failed);
            fail(batch, "the step failed; try again");
            if (failed.fatal()) {
                throw failed;
            }
        }
    }

    private static void fill(StepInputs inputs, List<Embedding.Text> batch) {
        inputs.clear();
        int blocks = 0;
        for (Embedding.Text text : batch) {
            inputs.sequence();
            int first = blocks * KvCache.BLOCK_SIZE;
            int[] ids = text.ids();
            for (int i = 0; i < ids.length; i++) {
                if (i % KvCache.BLOCK_SIZE == 0) {
                    inputs.block(blocks++);
                }
                inputs.token(ids[i], i, first + i);
            }
        }
    }

    private void deliver(List<Embedding.Text> batch, PooledStates pooled) {
        int row = 0;
        for (Embedding.Text text : batch) {
            int length = text.ids().length;
            deliver(text, pooled, row, length);
            row += length;
        }
    }

    private void deliver(Embedding.Text text, PooledStates pooled, int row, int length) {
        EmbeddingRequest request = text.owner().request();
        OptionalInt dimensions = request.dimensions();
        float[] vector = pooled.vector(
                row,
                length,
                dimensions.orElse(architecture.hidden()),
                request.normalised().orElse(config.normalised()));
        for (float element : vector) {
            if (!Float.isFinite(element)) {
                log.error("vector=not-finite request={}", request.id());
                fail(List.of(text), "a vector is not finite");
                return;
            }
        }
        statistics.prompt(length);
        put(text, vector);
    }

    private void put(Embedding.Text text, float[] vector) {
        Embedding owner = text.owner();
        if (!isActive(owner)) {
            return;
        }
        try {
            if (owner.put(text.index(), vector, System.nanoTime())) {
                cancel(owner);
            }
        } catch (RuntimeException broken) {
            log.error("sink=failed request={}", owner.request().id(), broken);
            cancel(owner);
        }
    }

    private boolean isActive(Embedding embedding) {
        lock.lock();
        try {
            return active.contains(embedding);
        } finally {
            lock.unlock();
        }
    }

    /** Ends the requests that these texts are of. */
    private void fail(List<Embedding.Text> texts, String reason) {
        Set<Embedding> owners = new HashSet<>();
        texts.forEach(text -> owners.add(text.owner()));
        for (Embedding owner : owners) {
            if (cancel(owner)) {
                owner.sink().failed(new EngineException(Code.INTERNAL, reason));
            }
        }
    }
}
