package dev.skein.worker.engine;

import static dev.skein.worker.engine.EngineException.invalid;

import dev.skein.compute.Backend;
import dev.skein.compute.ComputeException;
import dev.skein.compute.StepOutputs;
import dev.skein.worker.engine.EngineException.Code;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Architecture.LoadProgress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Queue;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The step loop: one platform thread that owns the backend, the planner and every sequence. It loads the model, then
 * takes commands, plans, computes and hands out, until it is closed or fails for good.
 *
 * <p>A step that fails ends the sequences in it and no others. If the backend says that it cannot go on, the stepper may
 * know how to {@linkplain Stepper#recover recover} with the weights alone: then every sequence is computed anew from its
 * prompt and output, as after a preemption, and goes on with the id that would have come. If it does not, or that would be
 * for the third time after a few steps each, or the loop itself breaks, all sequences end, {@link #failure} is completed and nothing is admitted any more.
 */
public final class Engine implements StepLoop {
    private static final Logger log = LoggerFactory.getLogger(Engine.class);

    /** What is computed breaks it if it breaks so often, with fewer steps from one time to the next. */
    private static final int LOSSES_IN_A_ROW = 3;

    private static final int STEPS_OF_TRUST = 16;

    /** What other threads ask of the loop. */
    sealed interface Command {
        record Submit(Generation generation) implements Command {}

        record Cancel(Generation generation) implements Command {}

        record Pause(Generation generation, boolean on) implements Command {}

        record Drain(CompletableFuture<Void> done) implements Command {}

        record Stop() implements Command {}
    }

    private enum State {
        OPEN,
        DRAINING,
        CLOSED
    }

    private final EngineOptions options;
    private final int vocabularySize;
    private final Stepper stepper;
    private final LoadProgress progress;
    private final Thread thread;
    private final Queue<Command> commands = new ConcurrentLinkedQueue<>();
    /** Requests that no step has computed anything of. */
    private final AtomicInteger queued = new AtomicInteger();
    /** Those of them that the loop has not seen. */
    private final AtomicInteger unseen = new AtomicInteger();

    private final EngineStatistics statistics = new EngineStatistics();
    private final CompletableFuture<Void> loaded = new CompletableFuture<>();
    private final CompletableFuture<Throwable> failure = new CompletableFuture<>();
    /** Written by the loop and by {@link #drain}; read by threads that submit. */
    private volatile State state = State.OPEN;

    // From here on: the loop's.
    private final BlockPool pool;
    private final Planner planner;
    /** Steps that the stepper has begun, the oldest first. */
    private final Deque<Plan> underWay = new ArrayDeque<>();

    private final StepBatch batch;
    private final SplittableRandom seeds;
    private final Set<Generation> active = new LinkedHashSet<>();
    private final List<CompletableFuture<Void>> drains = new ArrayList<>();
    private CompletableFuture<ComputeException> broken = new CompletableFuture<>();
    private int lossesInARow;
    private long stepsAtLoss;
    private boolean stopped;

    private Engine(EngineOptions options, int vocabularySize, Stepper stepper, LoadProgress progress) {
        this.options = options;
        this.vocabularySize = vocabularySize;
        this.stepper = stepper;
        this.progress = progress;
        pool = new BlockPool(options.blocks());
        planner = new Planner(options.plannerLimits(stepper.depth()), pool);
        batch = new StepBatch(options.stepLimits(), options.eosTokenIds());
        seeds = new SplittableRandom(options.seed());
        thread = Thread.ofPlatform().name("skein-engine").daemon(true).unstarted(this::run);
    }

    /**
     * Starts loading in the loop's thread. Requests may be submitted at once; they wait for the weights.
     *
     * @param backend closed by the engine
     */
    public static Engine start(
            EngineOptions options, Architecture architecture, Backend backend, LoadProgress progress) {
        return start(
                options, architecture.vocabularySize(), new LocalStepper(options, architecture, backend), progress);
    }

    /**
     * As {@link #start(EngineOptions, Architecture, Backend, LoadProgress)}, with something else that computes.
     *
     * @param vocabularySize ids of requests are below it
     * @param stepper closed by the engine
     */
    public static Engine start(EngineOptions options, int vocabularySize, Stepper stepper, LoadProgress progress) {
        Engine engine = new Engine(options, vocabularySize, stepper, progress);
        engine.thread.start();
        return engine;
    }

    public EngineOptions options() {
        return options;
    }

    @Override
    public EngineStatistics statistics() {
        return statistics;
    }

    @Override
    public int blocks() {
        return options.blocks();
    }

    /** Requests that the loop has not put into its waiting queue yet. */
    @Override
    public int unseen() {
        return unseen.get();
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
    public Generation submit(GenerationRequest request, TokenSink sink) {
        check(request);
        if (state != State.OPEN) {
            throw unavailable();
        }
        if (queued.incrementAndGet() > options.maxQueued()) {
            queued.decrementAndGet();
            throw new EngineException(
                    Code.RESOURCE_EXHAUSTED,
                    "%d requests are waiting and the queue holds no more; try again later"
                            .formatted(options.maxQueued()));
        }
        Generation generation = new Generation(this, request, sink, System.nanoTime());
        unseen.incrementAndGet();
        send(new Command.Submit(generation));
        return generation;
    }

    private EngineException unavailable() {
        return new EngineException(
                Code.UNAVAILABLE,
                state == State.DRAINING ? "the worker is draining and admits nothing" : "the worker has stopped");
    }

    private void check(GenerationRequest request) {
        int length = request.prompt().length;
        int most = options.maxModelLen() - (request.maxTokens() > 0 ? 1 : 0);
        if (length > most) {
            throw invalid(
                    "the prompt has %d ids; with max_model_len %d it may have %d", length, options.maxModelLen(), most);
        }
        Sampling sampling = request.sampling();
        for (int id : request.prompt()) {
            id("prompt", id);
        }
        sampling.logitBias().keySet().forEach(id -> id("logit_bias", id));
        sampling.stopTokenIds().forEach(id -> id("stop_token_ids", id));
        sampling.allowedTokenIds().forEach(id -> id("allowed_token_ids", id));
        sampling.badWords().forEach(word -> word.forEach(id -> id("bad_words", id)));
        logprobs("logprobs", sampling.logprobs());
        logprobs("prompt_logprobs", sampling.promptLogprobs());
    }

    private void id(String where, int id) {
        if (id < 0 || id >= vocabularySize) {
            throw invalid(
                    "%s holds the id %s; the vocabulary has %d ids",
                    where, Integer.toUnsignedString(id), vocabularySize);
        }
    }

    private void logprobs(String name, OptionalInt wanted) {
        if (wanted.isPresent() && (wanted.getAsInt() < 0 || wanted.getAsInt() > options.maxLogprobs())) {
            throw invalid(
                    "%s is %s; it is at most %d",
                    name, Integer.toUnsignedString(wanted.getAsInt()), options.maxLogprobs());
        }
    }

    @Override
    public CompletableFuture<Void> drain() {
        if (state == State.OPEN) {
            state = State.DRAINING;
        }
        CompletableFuture<Void> done = new CompletableFuture<>();
        send(new Command.Drain(done));
        return done;
    }

    void send(Command command) {
        commands.add(command);
        if (state == State.CLOSED) {
            refuseCommands();
        } else {
            LockSupport.unpark(thread);
        }
    }

    @Override
    public void close() {
        send(new Command.Stop());
        ThreadEnd.await(thread);
    }

    // The loop

    private void run() {
        @Nullable Throwable reason = null;
        try {
            stepper.load(progress);
            watch();
            loaded.complete(null);
            while (!stopped) {
                turnOrRecover();
            }
        } catch (Throwable failed) {
            reason = failed instanceof CompletionException wrapped && wrapped.getCause() != null
                    ? wrapped.getCause()
                    : failed;
            log.error("engine=failed", reason);
        }
        end(reason);
    }

    private void turnOrRecover() {
        try {
            turn();
        } catch (ComputeException failed) {
            recover(failed);
        }
    }

    private void watch() {
        broken = stepper.broken();
        broken.thenRun(() -> LockSupport.unpark(thread));
    }

    // Without the steps under way and the cache

    private void recover(ComputeException failed) {
        checkCause(failed);
        log.warn("engine=recovering sequences={} reason=\"{}\"", active.size(), failed.getMessage());
        underWay.clear();
        planner.startAnew();
        @Nullable ComputeException reason = failed;
        while (reason != null && !stopped) {
            awaitRecovery(stepper.recover(reason));
            reason = stopped ? null : resumed();
        }
    }

    /** Who asked for what breaks it is to hear of that: others count how often a request was lost. */
    private void checkCause(ComputeException failed) {
        boolean soon = statistics.steps() - stepsAtLoss < STEPS_OF_TRUST;
        stepsAtLoss = statistics.steps();
        lossesInARow = active.isEmpty() ? 0 : soon ? lossesInARow + 1 : 1;
        if (lossesInARow == LOSSES_IN_A_ROW) {
            log.error("engine=suspicious losses={} within={} steps each", LOSSES_IN_A_ROW, STEPS_OF_TRUST);
            throw failed;
        }
    }

    /** Loses no command meanwhile, and obeys them. */
    private void awaitRecovery(CompletableFuture<Void> recovery) {
        recovery.whenComplete((_, _) -> LockSupport.unpark(thread));
        while (!stopped && !recovery.isDone()) {
            obeyCommands();
            finishDrains();
            statistics.gauges(planner, pool);
            if (!stopped && commands.isEmpty() && !recovery.isDone()) {
                LockSupport.park(this);
            }
        }
        if (!stopped) {
            recovery.join();
        }
    }

    /** Null, or why it is not. */
    private @Nullable ComputeException resumed() {
        try {
            stepper.resume();
        } catch (ComputeException again) {
            return again;
        }
        watch();
        log.info("engine=recovered sequences={}", active.size());
        return null;
    }

    // The end

    private void end(@Nullable Throwable reason) {
        state = State.CLOSED;
        refuseCommands();
        for (Generation generation : List.copyOf(active)) {
            EngineException why =
                    reason == null ? unavailable() : new EngineException(Code.INTERNAL, "the worker failed; try again");
            fail(generation, why);
        }
        drains.forEach(drain -> drain.complete(null));
        batch.close();
        stepper.close();
        if (reason != null) {
            loaded.completeExceptionally(reason);
            failure.complete(reason);
        }
    }

    /** After the loop: whoever adds a command and sees it closed, or the loop itself at its end, empties the queue. */
    private void refuseCommands() {
        for (Command command = commands.poll(); command != null; command = commands.poll()) {
            switch (command) {
                case Command.Submit submit -> submit.generation().sink().failed(unavailable());
                case Command.Drain drain -> drain.done().complete(null);
                case Command.Cancel _, Command.Pause _, Command.Stop _ -> {}
            }
        }
    }

    // A turn

    /** @throws ComputeException if steps fail for good */
    private void turn() {
        obeyCommands();
        checkUsable();
        boolean began = underWay.size() < most() && begin();
        if (underWay.size() == most() || !began && !underWay.isEmpty()) {
            finish();
        } else if (!began && !stopped && commands.isEmpty()) {
            finishDrains();
            LockSupport.park(this);
        }
    }

    private void checkUsable() {
        ComputeException reason = broken.getNow(null);
        if (reason != null) {
            throw reason;
        }
    }

    /** Steps that may be under way. */
    private int most() {
        return stepper.depth() + (stepper.runsAhead() ? 1 : 0);
    }

    private void finishDrains() {
        if (active.isEmpty() && !drains.isEmpty()) {
            drains.forEach(drain -> drain.complete(null));
            drains.clear();
        }
    }

    private void obeyCommands() {
        for (Command command = commands.poll(); command != null; command = commands.poll()) {
            switch (command) {
                case Command.Submit submit -> admit(submit.generation());
                case Command.Cancel cancel -> remove(cancel.generation());
                case Command.Pause pause -> pause.generation().paused(pause.on());
                case Command.Drain drain -> drains.add(drain.done());
                case Command.Stop _ -> stopped = true;
            }
        }
    }

    private void admit(Generation generation) {
        unseen.decrementAndGet();
        generation.seed(generation.sampling().seed().orElseGet(seeds::nextLong));
        active.add(generation);
        if (generation.wantsToken() || generation.wantsScores()) {
            planner.add(generation);
        } else {
            long now = System.nanoTime();
            if (generation.scored()) {
                generation.sink().promptLogprobs(List.of());
            }
            finish(generation, now);
        }
    }

    /** Takes a sequence out of everything; nothing if it is out already. */
    private boolean remove(Generation generation) {
        if (!active.remove(generation)) {
            return false;
        }
        if (generation.admittedAt(Long.MIN_VALUE)) {
            queued.decrementAndGet();
        }
        planner.remove(generation);
        return true;
    }

    private void fail(Generation generation, EngineException reason) {
        if (remove(generation)) {
            generation.sink().failed(reason);
        }
    }

    /** Ends a sequence that wanted no further id. */
    private void finish(Generation generation, long now) {
        Completion completion = generation.completion(Completion.Reason.LENGTH, OptionalInt.empty(), now);
        if (remove(generation)) {
            generation.sink().finished(completion);
        }
    }

    /** Plans a step and starts it; false if there is nothing to compute. */
    private boolean begin() {
        Plan plan = underWay.size() < stepper.depth() ? planner.plan() : planner.planAhead();
        statistics.gauges(planner, pool);
        if (plan.size() == 0) {
            return false;
        }
        noteAdmissions(plan);
        underWay.add(plan);
        count(plan, 1);
        batch.fill(plan);
        try {
            stepper.submit(batch.inputs());
        } catch (ComputeException failed) {
            underWay.removeLast();
            failStep(plan, failed);
        }
        return true;
    }

    /** Waits for the oldest step and hands out what it brought. */
    private void finish() {
        Plan plan = underWay.remove();
        StepOutputs outputs;
        try {
            outputs = stepper.take();
        } catch (ComputeException failed) {
            failStep(plan, failed);
            return;
        }
        count(plan, -1);
        deliver(plan, outputs);
        statistics.step(plan.totalTokens());
    }

    private static void count(Plan plan, int more) {
        for (int i = 0; i < plan.size(); i++) {
            plan.sequence(i).underWay(more);
        }
    }

    private void noteAdmissions(Plan plan) {
        long now = System.nanoTime();
        for (int i = 0; i < plan.size(); i++) {
            if (((Generation) plan.sequence(i)).admittedAt(now)) {
                queued.decrementAndGet();
            }
        }
    }

    private void failStep(Plan plan, ComputeException failed) {
        if (failed.fatal()) {
            throw failed;
        }
        log.error("step=failed sequences={} tokens={}", plan.size(), plan.totalTokens(), failed);
        statistics.step(plan.totalTokens());
        count(plan, -1);
        planner.failed(plan);
        for (int i = 0; i < plan.size(); i++) {
            fail((Generation) plan.sequence(i), new EngineException(Code.INTERNAL, "the step failed; try again"));
        }
    }

    private void deliver(Plan plan, StepOutputs outputs) {
        long now = System.nanoTime();
        for (int i = 0; i < plan.size(); i++) {
            Generation generation = (Generation) plan.sequence(i);
            try {
                if (active.contains(generation)) {
                    deliver(generation, plan, i, outputs, now);
                }
            } catch (RuntimeException broken) {
                log.error("sink=failed request={}", generation.request().id(), broken);
                remove(generation);
            }
        }
    }

    private void deliver(Generation generation, Plan plan, int index, StepOutputs outputs, long now) {
        int output = plan.firstOutput(index);
        int end = plan.end(index);
        for (int position = end - plan.tokens(index); position < end; position++) {
            if (generation.scores(position)) {
                generation.score(logprobs(outputs, output++));
            }
        }
        if (end >= generation.known()) {
            promptDone(generation, now);
            if (generation.wantsToken()) {
                tokens(generation, outputs, output, now);
            } else {
                finish(generation, now);
            }
        }
    }

    /** Takes ids for as long as the draft, if there was one, foretold them: each was drawn from the logits after the last. */
    private void tokens(Generation generation, StepOutputs outputs, int firstOutput, long now) {
        IntList draft = generation.draft();
        int right = 0;
        boolean more = token(generation, outputs, firstOutput, now);
        while (more && right < draft.size() && draft.get(right) == outputs.id(firstOutput + right)) {
            right++;
            more = token(generation, outputs, firstOutput + right, now);
        }
        if (draft.size() > 0) {
            statistics.drafted(draft.size(), right);
        }
        generation.settle();
        if (more && options.speculation() != null) {
            generation.draft(options.speculation(), options.maxModelLen());
        }
    }

    private void promptDone(Generation generation, long now) {
        if (generation.promptDoneAt(now)) {
            statistics.prompt(generation.request().promptLength());
            if (generation.scored()) {
                generation.sink().promptLogprobs(generation.takeScores());
            }
        }
    }

    /** Hands out an id; false if it was the last. */
    private boolean token(Generation generation, StepOutputs outputs, int output, long now) {
        int id = outputs.id(output);
        generation.append(id);
        statistics.generated();
        @Nullable
        TokenLogprobs logprobs = generation.sampling().logprobs().isPresent() ? logprobs(outputs, output) : null;
        @Nullable Completion completion = lastToken(generation, id, now);
        if (completion != null) {
            remove(generation);
        }
        generation.sink().token(id, logprobs, completion);
        return completion == null;
    }

    /** How an id ends its sequence; null if it does not. */
    private @Nullable Completion lastToken(Generation generation, int id, long now) {
        if (!generation.sampling().ignoreEos() && batch.endsSequence(id)) {
            return generation.completion(Completion.Reason.STOP, OptionalInt.empty(), now);
        } else if (generation.stopsAt(id)) {
            return generation.completion(Completion.Reason.STOP, OptionalInt.of(id), now);
        } else if (!generation.wantsToken() || generation.known() == options.maxModelLen()) {
            return generation.completion(Completion.Reason.LENGTH, OptionalInt.empty(), now);
        }
        return null;
    }

    private static TokenLogprobs logprobs(StepOutputs outputs, int output) {
        int top = outputs.topCount(output);
        int[] ids = new int[top];
        float[] values = new float[top];
        for (int k = 0; k < top; k++) {
            ids[k] = outputs.topId(output, k);
            values[k] = outputs.topLogprob(output, k);
        }
        return new TokenLogprobs(outputs.logprob(output), outputs.rank(output), ids, values);
    }
}
