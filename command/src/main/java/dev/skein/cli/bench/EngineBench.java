package dev.skein.cli.bench;

import dev.skein.compute.Backend;
import dev.skein.compute.KvCache;
import dev.skein.loadtest.measure.Samples;
import dev.skein.loadtest.report.Figure;
import dev.skein.worker.engine.Completion;
import dev.skein.worker.engine.Engine;
import dev.skein.worker.engine.EngineException;
import dev.skein.worker.engine.EngineOptions;
import dev.skein.worker.engine.GenerationRequest;
import dev.skein.worker.engine.Sampling;
import dev.skein.worker.engine.TokenLogprobs;
import dev.skein.worker.engine.TokenSink;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.DoubleSupplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// The engine alone: prefill and decode at fixed sizes, greedy, prompts of random ids.
final class EngineBench implements AutoCloseable {
    private static final int SHORT_PROMPT = 16;
    private static final int LONG_PROMPT = 2048;
    private static final int DECODED = 128;
    private static final int DECODED_LONG = 64;
    private static final int BATCH = 8;
    private static final int LOWEST_ID = 100;
    private static final int HIGHEST_ID = 8000;
    private static final double NANOS = 1e9;

    private static final Sampling GREEDY = new Sampling(
            0,
            0,
            1,
            0,
            1,
            0,
            0,
            OptionalLong.empty(),
            Map.of(),
            0,
            true,
            List.of(),
            OptionalInt.empty(),
            OptionalInt.empty(),
            List.of(),
            List.of());

    private final Checkpoint checkpoint;
    private final Engine engine;
    private final String backend;
    private final double loadSeconds;
    private final Random random = new Random(1);

    private record Measure(String name, DoubleSupplier run, String unit) {}

    EngineBench(Path model, Backend chosen) {
        long began = System.nanoTime();
        checkpoint = Checkpoint.open(model);
        Architecture architecture = Architecture.of(checkpoint);
        backend = chosen.description();
        int length = Math.min(architecture.contextLength(), LONG_PROMPT + DECODED);
        int blocks = BATCH * (length / KvCache.BLOCK_SIZE + 1);
        engine = Engine.start(
                new EngineOptions(length, BATCH, LONG_PROMPT, blocks, BATCH, 0, 0, Set.of(), false, false, null),
                architecture,
                chosen,
                (parts, of) -> {});
        engine.loaded().join();
        loadSeconds = (System.nanoTime() - began) / NANOS;
    }

    String backend() {
        return backend;
    }

    double loadSeconds() {
        return loadSeconds;
    }

    /// Every measure once to warm up, then all of them in turns.
    List<Figure> run(int runs) {
        List<Measure> measures = List.of(
                new Measure("prefill 512", () -> prefill(512), "tok/s"),
                new Measure("prefill " + LONG_PROMPT, () -> prefill(LONG_PROMPT), "tok/s"),
                new Measure("decode, batch 1", () -> decode(1, SHORT_PROMPT, DECODED), "tok/s"),
                new Measure(
                        "decode, batch 1, context " + LONG_PROMPT, () -> decode(1, LONG_PROMPT, DECODED_LONG), "tok/s"),
                new Measure("decode, batch " + BATCH, () -> decode(BATCH, SHORT_PROMPT, DECODED), "tok/s in all"),
                new Measure("core to core", CorePing::nanos, "ns"));
        double[][] values = new double[measures.size()][runs];
        for (int run = -1; run < runs; run++) {
            for (int i = 0; i < values.length; i++) {
                double value = measures.get(i).run.getAsDouble();
                if (run >= 0) {
                    values[i][run] = value;
                }
            }
        }
        List<Figure> figures = new ArrayList<>();
        for (int i = 0; i < values.length; i++) {
            figures.add(new Figure(measures.get(i).name, Samples.of(values[i]), measures.get(i).unit));
        }
        return figures;
    }

    private double prefill(int tokens) {
        long began = System.nanoTime();
        Timed sink = submit(tokens, 1);
        sink.done.join();
        return tokens * NANOS / (sink.first - began);
    }

    /// From the moment when all sequences have their first token: no prefill is counted.
    private double decode(int sequences, int prompt, int tokens) {
        List<Timed> sinks = IntStream.range(0, sequences)
                .mapToObj(i -> submit(prompt, tokens))
                .toList();
        sinks.forEach(sink -> sink.done.join());
        long first = sinks.stream().mapToLong(sink -> sink.first).max().orElseThrow();
        long last = sinks.stream().mapToLong(sink -> sink.last).max().orElseThrow();
        return sequences * (tokens - 1) * NANOS / (last - first);
    }

    private Timed submit(int prompt, int tokens) {
        int[] ids = random.ints(prompt, LOWEST_ID, HIGHEST_ID).toArray();
        Timed sink = new Timed();
        engine.submit(new GenerationRequest("bench", ids, 0, GREEDY, tokens), sink);
        return sink;
    }

    /// The most memory that this process has held, in MB; empty where the system does not tell.
    static OptionalLong peakMegabytes() {
        try {
            return Files.readAllLines(Path.of("/proc/self/status")).stream()
                    .filter(line -> line.startsWith("VmHWM:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1000)
                    .findFirst();
        } catch (IOException e) {
            return OptionalLong.empty();
        }
    }

    @Override
    public void close() {
        engine.close();
        checkpoint.close();
    }

    /// When the first and the last token came. Written by the step loop, read after the end.
    private static final class Timed implements TokenSink {
        private final CompletableFuture<Void> done = new CompletableFuture<>();
        private long first;
        private long last;

        @Override
        public void promptLogprobs(List<TokenLogprobs> logprobs) {}

        @Override
        public void token(int id, @Nullable TokenLogprobs logprobs, @Nullable Completion completion) {
            last = System.nanoTime();
            if (first == 0) {
                first = last;
            }
            if (completion != null) {
                finished(completion);
            }
        }

        @Override
        public void finished(Completion completion) {
            done.complete(null);
        }

        @Override
        public void failed(EngineException reason) {
            done.completeExceptionally(reason);
        }
    }
}
