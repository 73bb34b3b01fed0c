package dev.skein.worker;

import dev.skein.compute.Backend;
import dev.skein.worker.engine.EmbeddingEngine;
import dev.skein.worker.engine.EmbeddingOptions;
import dev.skein.worker.engine.EmbeddingRequest;
import dev.skein.worker.engine.EmbeddingSink;
import dev.skein.worker.engine.EngineException;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Architecture.LoadProgress;
import dev.skein.worker.model.Checkpoint;
import dev.skein.worker.model.EmbeddingConfig;
import dev.skein.worker.service.Cards;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;

/** Serves a model that embeds. */
final class Embedder {
    private Embedder() {}

    /** @throws IllegalArgumentException if the options ask for what does not fit: the message says what would */
    static Serving start(
            WorkerOptions options,
            Checkpoint opened,
            Architecture architecture,
            EmbeddingConfig config,
            Backend backend,
            LoadProgress progress) {
        EmbeddingOptions sizes = sizes(options, architecture, opened.tensorBytes(), FreeMemory.bytes());
        EmbeddingEngine engine = EmbeddingEngine.start(sizes, architecture, backend, progress);
        return new Serving(
                engine,
                Cards.card(opened, architecture, config, sizes, backend.description(), Version.TEXT),
                () -> warmUp(engine));
    }

    /** A text is computed in one step: a step has room for the longest, and memory must have room for that step. */
    static EmbeddingOptions sizes(WorkerOptions options, Architecture architecture, long weightBytes, long freeBytes) {
        int context = architecture.contextLength();
        if (options.maxModelLen() > context) {
            throw new IllegalArgumentException("--max-model-len %d is more than the model's longest text of %d tokens"
                    .formatted(options.maxModelLen(), context));
        }
        int longest = options.maxModelLen() > 0 ? options.maxModelLen() : context;
        EmbeddingOptions sizes = sizes(options, longest);
        while (options.maxModelLen() == WorkerOptions.AUTO
                && longest > 1
                && weightBytes + stepBytes(architecture, sizes) > freeBytes) {
            longest /= 2;
            sizes = sizes(options, longest);
        }
        if (weightBytes + stepBytes(architecture, sizes) > freeBytes) {
            throw new IllegalArgumentException(
                    "too little memory: weights take %,d MiB and a step with a text of %d tokens %,d MiB, but %,d MiB are free. Lower --max-model-len, or say auto"
                            .formatted(
                                    weightBytes >> 20, longest, stepBytes(architecture, sizes) >> 20, freeBytes >> 20));
        }
        return sizes;
    }

    private static EmbeddingOptions sizes(WorkerOptions options, int longest) {
        int tokens = Math.max(longest, options.maxNumBatchedTokens());
        return new EmbeddingOptions(longest, options.maxNumSeqs(), tokens, options.maxQueued());
    }

    private static long stepBytes(Architecture architecture, EmbeddingOptions sizes) {
        return architecture.activationBytes(sizes.stepLimits())
                + architecture.cache(sizes.blocks()).bytes();
    }

    private static void warmUp(EmbeddingEngine engine) {
        int[] text = new int[Math.min(Serving.WARM_UP_PROMPT, engine.options().maxModelLen())];
        CompletableFuture<float[][]> done = new CompletableFuture<>();
        engine.submit(
                new EmbeddingRequest("warm-up", List.of(text), OptionalInt.empty(), Optional.empty()),
                new EmbeddingSink() {
                    @Override
                    public void done(float[][] vectors, long queueNanos, long computeNanos) {
                        done.complete(vectors);
                    }

                    @Override
                    public void failed(EngineException reason) {
                        done.completeExceptionally(reason);
                    }
                });
        done.join();
    }
}
