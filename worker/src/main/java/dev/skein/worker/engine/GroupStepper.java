package dev.skein.worker.engine;

import static java.util.Objects.requireNonNull;

import dev.skein.compute.Backend;
import dev.skein.compute.ComputeException;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepOutputs;
import dev.skein.compute.collective.Collective;
import dev.skein.compute.collective.CollectiveException;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Architecture.LoadProgress;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The leader's end of a group: tells the ranks of its stage each step's inputs, computes its own part, and gets the
 * outputs back, from its own backend where there is one stage, else from the last.
 *
 * <p>Results of a pipeline have a thread of their own, which only waits for them: so the last stage can always hand them
 * over, also while this one waits until the second stage takes its rows.
 */
public final class GroupStepper implements Stepper {
    private static final Logger log = LoggerFactory.getLogger(GroupStepper.class);

    private final EngineOptions options;
    private final RankPart part;
    private final Assembly assembly;
    private final Duration limit;
    private final int depth;
    private final StepMessage step = new StepMessage();
    private final List<ResultMessage> messages;
    private final BlockingQueue<Result> results;
    private final BlockingQueue<ResultMessage> spare;
    private @Nullable Links links;
    private @Nullable Thread receiver;
    private @Nullable ResultMessage taken;

    private sealed interface Result {
        record Came(ResultMessage message) implements Result {}

        record Broken(RuntimeException reason) implements Result {}
    }

    /**
     * @param backend closed with the stepper
     * @param assembly first asked when the weights are loaded
     * @param limit how long to wait for a step's results
     */
    public GroupStepper(
            EngineOptions options, Architecture architecture, Backend backend, Assembly assembly, Duration limit) {
        this.options = options;
        this.part = new RankPart(architecture, backend);
        this.assembly = assembly;
        this.limit = limit;
        depth = architecture.shard().count().pipeline();
        // One more is with the thread that waits, one with whoever reads it.
        messages = Stream.generate(ResultMessage::new).limit(depth + 2L).toList();
        results = new ArrayBlockingQueue<>(messages.size());
        spare = new ArrayBlockingQueue<>(messages.size(), false, messages);
    }

    @Override
    public int depth() {
        return depth;
    }

    @Override
    public void load(LoadProgress progress) {
        part.load(options.stepLimits(), options.blocks(), progress);
        meet();
    }

    private void meet() {
        Links met = assembly.meet();
        links = met;
        part.join(met);
        if (met.results() != null) {
            Collective last = met.results();
            receiver = Thread.ofPlatform().name("skein-results").daemon(true).start(() -> receive(last));
        }
    }

    @Override
    public CompletableFuture<ComputeException> broken() {
        return assembly.broken().thenApply(loss -> loss);
    }

    /** The loss of another rank is no failure of this one. */
    @Override
    public CompletableFuture<Void> recover(ComputeException failure) {
        if (failure instanceof CollectiveException loss) {
            leave(String.valueOf(loss.getMessage()));
            return assembly.regather(loss);
        }
        return CompletableFuture.failedFuture(failure);
    }

    private void leave(String reason) {
        if (links != null) {
            links.abort(reason);
            endReceiver();
            part.leave();
            links = null;
        }
        results.clear();
        spare.clear();
        spare.addAll(messages);
        taken = null;
    }

    @Override
    public void resume() {
        meet();
    }

    @Override
    public void submit(StepInputs inputs) {
        step.step(inputs);
        tell();
        part.begin(inputs);
        if (depth > 1) {
            part.end(step);
        }
    }

    private void tell() {
        Collective others = requireNonNull(links, "submit comes after load").tensor();
        if (others != null) {
            step.tell(others);
        }
    }

    @Override
    public StepOutputs take() {
        if (depth == 1) {
            return part.end(step);
        }
        if (taken != null) {
            spare.add(taken);
            taken = null;
        }
        return switch (awaitResult()) {
            case Result.Came(ResultMessage message) -> {
                taken = message;
                message.check();
                yield message;
            }
            case Result.Broken(RuntimeException reason) -> throw reason;
        };
    }

    private Result awaitResult() {
        try {
            Result result = results.poll(limit.toNanos(), TimeUnit.NANOSECONDS);
            if (result == null) {
                throw new CollectiveException(
                        depth - 1,
                        "the last of %d stages brought no result within %d ms".formatted(depth, limit.toMillis()));
            }
            return result;
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
            throw new ComputeException("the step loop was interrupted while it waited for a result", true);
        }
    }

    /** The receiver's thread. */
    private void receive(Collective last) {
        try {
            while (true) {
                ResultMessage message = spare.take();
                message.await(last);
                results.add(new Result.Came(message));
            }
        } catch (InterruptedException stop) {
            log.debug("results=stopped");
        } catch (RuntimeException broken) {
            results.add(new Result.Broken(broken));
        }
    }

    /** Tells the others that it was the last step, if they can still be told. */
    @Override
    public void close() {
        if (links != null) {
            try {
                stop(links);
            } catch (CollectiveException gone) {
                log.debug("stop=unheard", gone);
            }
        }
        endReceiver();
        messages.forEach(ResultMessage::close);
        part.close();
        step.close();
    }

    private void stop(Links others) {
        step.stop();
        tell();
        if (others.next() != null) {
            step.tell(others.next());
        }
    }

    /** It sees the end of its thread's wait, as its end of the group must stay open until nobody waits on it. */
    private void endReceiver() {
        Thread thread = receiver;
        if (thread != null) {
            thread.interrupt();
            ThreadEnd.await(thread);
            receiver = null;
        }
    }
}
