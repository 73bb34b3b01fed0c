package dev.skein.worker.engine;

import dev.skein.compute.Backend;
import dev.skein.compute.collective.Collective;
import dev.skein.compute.collective.CollectiveException;
import dev.skein.compute.collective.Membership;
import dev.skein.compute.collective.SharedMemoryCollective;
import dev.skein.compute.cpu.JavaBackend;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Checkpoint;
import dev.skein.worker.model.RankCount;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** An engine over a model file, for tests. */
public final class TestEngine implements AutoCloseable {
    /** Sequences, tokens in a step, blocks, queue. */
    public record Size(int sequences, int tokens, int blocks, int queued) {
        public static final Size ROOMY = new Size(8, 256, 256, 100);
    }

    static final Duration LIMIT = Duration.ofSeconds(60);

    private final Checkpoint checkpoint;
    private final Engine engine;
    private final List<Thread> followers = new ArrayList<>();
    private final List<Throwable> broken = new CopyOnWriteArrayList<>();

    public TestEngine(Path model, Size size, int maxModelLen) {
        this(model, size, maxModelLen, new JavaBackend());
    }

    public TestEngine(Path model, Size size, int maxModelLen, Backend backend) {
        this(model, size, maxModelLen, backend, null);
    }

    public TestEngine(Path model, Size size, int maxModelLen, Backend backend, @Nullable PromptLookup lookup) {
        checkpoint = Checkpoint.open(model);
        engine = Engine.start(options(size, maxModelLen, lookup), Architecture.of(checkpoint), backend, (_, _) -> {});
    }

    /** One that computes its steps through something. */
    TestEngine(Path model, Size size, int maxModelLen, UnaryOperator<Stepper> through) {
        checkpoint = Checkpoint.open(model);
        EngineOptions options = options(size, maxModelLen, null);
        Architecture architecture = Architecture.of(checkpoint);
        Stepper stepper = through.apply(new LocalStepper(options, architecture, new JavaBackend()));
        engine = Engine.start(options, architecture.vocabularySize(), stepper, (_, _) -> {});
    }

    /** One whose ranks are threads of this process. */
    public TestEngine(
            Path model,
            Size size,
            int maxModelLen,
            RankCount count,
            Supplier<Backend> backends,
            @Nullable PromptLookup lookup) {
        checkpoint = Checkpoint.open(model);
        EngineOptions options = options(size, maxModelLen, lookup);
        List<Architecture> parts = Architecture.of(checkpoint).split(count);
        String group = "test-" + UUID.randomUUID();
        for (Architecture part : parts.subList(1, parts.size())) {
            followers.add(Thread.ofPlatform().start(() -> follow(part, options, backends.get(), group)));
        }
        Architecture part = parts.getFirst();
        engine = leader(part, options, backends.get(), () -> meet(part, group, LIMIT), LIMIT);
    }

    /** The first rank of a group of processes, each of the others of which calls {@link #follow}. */
    public TestEngine(
            Path model, Size size, int maxModelLen, RankCount count, String group, Duration limit, Backend backend) {
        checkpoint = Checkpoint.open(model);
        Architecture part = Architecture.of(checkpoint).split(count).getFirst();
        engine = leader(part, options(size, maxModelLen, null), backend, () -> meet(part, group, limit), limit);
    }

    /**
     * The same, of a group that gets over losses.
     *
     * @param next starts other ranks in place of those lost, and returns the name of their group
     */
    TestEngine(
            Path model,
            Size size,
            int maxModelLen,
            RankCount count,
            String group,
            Duration limit,
            Backend backend,
            Supplier<String> next) {
        checkpoint = Checkpoint.open(model);
        Architecture part = Architecture.of(checkpoint).split(count).getFirst();
        engine = leader(part, options(size, maxModelLen, null), backend, anew(part, group, limit, next), limit);
    }

    private static Engine leader(
            Architecture part, EngineOptions options, Backend backend, Assembly assembly, Duration limit) {
        return Engine.start(
                options,
                part.vocabularySize(),
                new GroupStepper(options, part, backend, assembly, limit),
                (_, _) -> {});
    }

    private static Assembly anew(Architecture part, String group, Duration limit, Supplier<String> next) {
        return new Assembly() {
            private String now = group;

            @Override
            public Links meet() {
                return TestEngine.meet(part, now, limit);
            }

            @Override
            public CompletableFuture<Void> regather(CollectiveException loss) {
                now = next.get();
                return CompletableFuture.completedFuture(null);
            }
        };
    }

    private static Links meet(Architecture part, String group, Duration limit) {
        return Links.join(part.shard(), joining(group, part, limit));
    }

    /** Another rank of such a group, until its leader closes. */
    static void follow(
            Path model,
            Size size,
            int maxModelLen,
            RankCount count,
            int rank,
            String group,
            Duration limit,
            Backend backend) {
        try (Checkpoint opened = Checkpoint.open(model)) {
            Architecture part = Architecture.of(opened).split(count).get(rank);
            EngineOptions options = options(size, maxModelLen, null);
            try (Follower follower =
                    new Follower(part, backend, options.stepLimits(), options.blocks(), (_, _) -> {})) {
                follower.run(meet(part, group, limit));
            }
        }
    }

    private void follow(Architecture part, EngineOptions options, Backend backend, String group) {
        try (Follower follower = new Follower(part, backend, options.stepLimits(), options.blocks(), (_, _) -> {})) {
            follower.run(meet(part, group, LIMIT));
        } catch (RuntimeException | Error failed) {
            broken.add(failed);
        }
    }

    private static Function<Circle, Collective> joining(String group, Architecture part, Duration limit) {
        return circle -> SharedMemoryCollective.join(new Membership(
                group + circle.name(),
                "a token of this test",
                circle.place(part.shard().rank()),
                circle.size(),
                limit));
    }

    private static EngineOptions options(Size size, int maxModelLen, @Nullable PromptLookup lookup) {
        return new EngineOptions(
                maxModelLen,
                size.sequences,
                size.tokens,
                size.blocks,
                size.queued,
                20,
                7,
                Set.of(2),
                true,
                false,
                lookup);
    }

    public Engine engine() {
        return engine;
    }

    public Collected submit(int[] prompt, Sampling sampling, int maxTokens) {
        return submit(new GenerationRequest("test", prompt, 0, sampling, maxTokens));
    }

    public Collected submit(GenerationRequest request) {
        Collected collected = new Collected();
        engine.submit(request, collected);
        return collected;
    }

    /** Runs one to its end. */
    Collected finished(int[] prompt, Sampling sampling, int maxTokens) {
        Collected answer = submit(prompt, sampling, maxTokens);
        answer.completion();
        return answer;
    }

    /** Runs all at once and waits for all. */
    public List<List<Integer>> generate(List<int[]> prompts, Sampling sampling, int maxTokens) {
        List<Collected> running = new ArrayList<>();
        for (int[] prompt : prompts) {
            running.add(submit(prompt, sampling, maxTokens));
        }
        running.forEach(Collected::completion);
        return running.stream().map(Collected::ids).toList();
    }

    /** Waits until all blocks are free and nobody runs or waits. */
    public void awaitIdle() throws InterruptedException {
        EngineStatistics now = engine.statistics();
        while (now.blocksUsed() + now.running() + now.waiting() + engine.unseen() > 0) {
            Thread.sleep(1);
        }
    }

    /** What followers failed with. */
    List<Throwable> broken() {
        return broken;
    }

    @Override
    public void close() {
        engine.close();
        try {
            for (Thread follower : followers) {
                follower.join();
            }
        } catch (InterruptedException stop) {
            throw new IllegalStateException(stop);
        }
        checkpoint.close();
    }
}
