package dev.skein.worker.engine;

import dev.skein.compute.Backend;
import dev.skein.compute.cpu.JavaBackend;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Checkpoint;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** An engine over a model file, for tests. */
public final class TestEngine implements AutoCloseable {
    /** Sequences, tokens in a step, blocks, queue. */
    public record Size(int sequences, int tokens, int blocks, int queued) {
        public static final Size ROOMY = new Size(8, 256, 256, 100);
    }

    private final Checkpoint checkpoint;
    private final Engine engine;

    public TestEngine(Path model, Size size, int maxModelLen) {
        this(model, size, maxModelLen, new JavaBackend());
    }

    public TestEngine(Path model, Size size, int maxModelLen, Backend backend) {
        this(model, size, maxModelLen, backend, null);
    }

    public TestEngine(Path model, Size size, int maxModelLen, Backend backend, @Nullable PromptLookup lookup) {
        checkpoint = Checkpoint.open(model);
        EngineOptions options = new EngineOptions(
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
        engine = Engine.start(options, Architecture.of(checkpoint), backend, (_, _) -> {});
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

    @Override
    public void close() {
        engine.close();
        checkpoint.close();
    }
}
