package dev.skein.worker;

import dev.skein.compute.Backend;
import dev.skein.compute.KvCache;
import dev.skein.compute.StepInputs;
import dev.skein.worker.engine.EngineOptions;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Checkpoint;
import dev.skein.worker.model.DeviceBytes;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How long sequences may be and how many cache blocks there are.
 *
 * @param maxModelLen prompt and output of a sequence together
 * @param blocks of the cache
 */
record Capacity(int maxModelLen, int blocks) {
    private static final long DEFAULT_BYTES = 4L << 30;
    private static final double DEFAULT_SHARE = 0.4;
    /** What the block ids and slots of a cache are counted in. */
    private static final long MAX_BLOCKS = Integer.MAX_VALUE / KvCache.BLOCK_SIZE;

    /**
     * What is known before a cache is made.
     *
     * @param contextLength that the model was made for
     * @param blockBytes of a cache block over all layers
     * @param other what is not cache
     * @param freeBytes of memory for all of it
     * @param share of the memory of a device that may be filled; null where memory is this machine's
     */
    record Needs(
            int contextLength,
            long blockBytes,
            DeviceBytes other,
            long freeBytes,
            @Nullable Share share) {
        static Needs of(Checkpoint opened, Architecture architecture, Backend backend, WorkerOptions options) {
            StepInputs.Limits step = EngineOptions.mostStep(options.maxNumSeqs(), options.maxNumBatchedTokens());
            long block = architecture.cache(1).bytes();
            return backend.memory()
                    .map(memory -> new Needs(
                            architecture.contextLength(),
                            block,
                            architecture.bytes(memory, step),
                            memory.freeBytes(),
                            new Share(memory.totalBytes(), options.device().memoryShare())))
                    .orElseGet(() -> new Needs(
                            architecture.contextLength(),
                            block,
                            DeviceBytes.of(opened.tensorBytes(), architecture.activationBytes(step)),
                            FreeMemory.bytes(),
                            null));
        }

        /** For a cache whose size nobody named. */
        private long cacheBytes() {
            return share == null
                    ? Math.min(DEFAULT_BYTES, (long) (DEFAULT_SHARE * freeBytes))
                    : Math.max(0, share.left(freeBytes) - other.all());
        }
    }

    /** A part of a device's memory, counting what others hold of it. */
    record Share(long totalBytes, double part) {
        long left(long freeBytes) {
            return Math.clamp((long) (part * totalBytes) - (totalBytes - freeBytes), 0, freeBytes);
        }
    }

    /**
     * Decides.
     *
     * @throws IllegalArgumentException if it cannot be: the message says what would fit
     */
    static Capacity of(WorkerOptions options, Needs needs) {
        if (options.maxModelLen() > needs.contextLength) {
            throw new IllegalArgumentException("--max-model-len %d is more than the model's context of %d tokens"
                    .formatted(options.maxModelLen(), needs.contextLength));
        }
        requireWeights(options, needs);
        long fitting = Math.min(MAX_BLOCKS, cacheBytes(options, needs) / needs.blockBytes);
        int length = length(options, needs, fitting);
        long useful = (long) options.maxNumSeqs() * blocksFor(length);
        Capacity capacity = new Capacity(length, (int) Math.min(fitting, useful));
        capacity.requireMemory(needs);
        return capacity;
    }

    /** What every one of some ranks can hold. */
    static Capacity ofAll(WorkerOptions options, List<Needs> ranks) {
        return ranks.stream()
                .map(needs -> of(options, needs))
                .reduce((one, other) ->
                        new Capacity(Math.min(one.maxModelLen, other.maxModelLen), Math.min(one.blocks, other.blocks)))
                .orElseThrow();
    }

    private static long cacheBytes(WorkerOptions options, Needs needs) {
        return options.kvCacheBytes() > 0 ? options.kvCacheBytes() : needs.cacheBytes();
    }

    private static void requireWeights(WorkerOptions options, Needs needs) {
        Share share = needs.share;
        if (share == null || options.kvCacheBytes() > 0) {
            return;
        }
        long left = share.left(needs.freeBytes);
        if (needs.other.all() + needs.blockBytes > left) {
            throw new IllegalArgumentException(
                    "the model does not fit on the GPU: weights take %s and steps %s%s, and of its %s, %s of them free, --gpu-memory-utilization %s leaves %s. Raise that, lower --max-num-batched-tokens %d or --max-num-seqs %d, take weights of fewer bits, or say --device cpu"
                            .formatted(
                                    size(needs.other.weights()),
                                    size(needs.other.steps()),
                                    needs.other.experts() == 0
                                            ? ""
                                            : ", those of experts %s".formatted(size(needs.other.experts())),
                                    size(share.totalBytes),
                                    size(needs.freeBytes),
                                    share.part,
                                    size(left),
                                    options.maxNumBatchedTokens(),
                                    options.maxNumSeqs()));
        }
    }

    private static int length(WorkerOptions options, Needs needs, long fitting) {
        int longest = (int) Math.min(needs.contextLength, fitting * KvCache.BLOCK_SIZE);
        int wanted = switch (options.maxModelLen()) {
            case WorkerOptions.AUTO -> Math.max(1, longest);
            case WorkerOptions.FROM_FILE -> needs.contextLength;
            default -> options.maxModelLen();
        };
        if (wanted > longest) {
            throw new IllegalArgumentException(
                    "one sequence of %d tokens needs %s of cache and there are %s: the longest that fits has %d tokens. Say --max-model-len %d or auto, or give more with %s"
                            .formatted(
                                    wanted,
                                    size(blocksFor(wanted) * needs.blockBytes),
                                    size(cacheBytes(options, needs)),
                                    longest,
                                    longest,
                                    needs.share == null || options.kvCacheBytes() > 0
                                            ? "--kv-cache-memory-bytes"
                                            : "--gpu-memory-utilization, now " + needs.share.part));
        }
        return wanted;
    }

    private void requireMemory(Needs needs) {
        long wanted = needs.other.all() + blocks * needs.blockBytes;
        if (wanted > needs.freeBytes) {
            throw new IllegalArgumentException(
                    "too little memory: weights and activations take %s and the cache %s, but %s are free. Close something, take a smaller model, or lower --kv-cache-memory-bytes"
                            .formatted(
                                    size(needs.other.all()), size(blocks * needs.blockBytes), size(needs.freeBytes)));
        }
    }

    private static long blocksFor(int tokens) {
        return (tokens + KvCache.BLOCK_SIZE - 1L) / KvCache.BLOCK_SIZE;
    }

    private static String size(long bytes) {
        return bytes < 10 << 20 ? "%,d KiB".formatted(bytes >> 10) : "%,d MiB".formatted(bytes >> 20);
    }
}
