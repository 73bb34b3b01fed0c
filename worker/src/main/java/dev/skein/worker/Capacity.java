package dev.skein.worker;

import dev.skein.compute.KvCache;

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
     * @param otherBytes for weights and activations
     * @param freeBytes of memory for all of it
     */
    record Needs(int contextLength, long blockBytes, long otherBytes, long freeBytes) {}

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
        long fitting = Math.min(MAX_BLOCKS, cacheBytes(options, needs) / needs.blockBytes);
        int length = length(options, needs, fitting);
        long useful = (long) options.maxNumSeqs() * blocksFor(length);
        Capacity capacity = new Capacity(length, (int) Math.min(fitting, useful));
        capacity.requireMemory(needs);
        return capacity;
    }

    private static long cacheBytes(WorkerOptions options, Needs needs) {
        return options.kvCacheBytes() > 0
                ? options.kvCacheBytes()
                : Math.min(DEFAULT_BYTES, (long) (DEFAULT_SHARE * needs.freeBytes));
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
                    "one sequence of %d tokens needs %s of cache and there are %s: the longest that fits has %d tokens. Say --max-model-len %d or auto, or give more with --kv-cache-memory-bytes"
                            .formatted(
                                    wanted,
                                    size(blocksFor(wanted) * needs.blockBytes),
                                    size(cacheBytes(options, needs)),
                                    longest,
                                    longest));
        }
        return wanted;
    }

    private void requireMemory(Needs needs) {
        long wanted = needs.otherBytes + blocks * needs.blockBytes;
        if (wanted > needs.freeBytes) {
            throw new IllegalArgumentException(
                    "too little memory: weights and activations take %s and the cache %s, but %s are free. Close something, take a smaller model, or lower --kv-cache-memory-bytes"
                            .formatted(size(needs.otherBytes), size(blocks * needs.blockBytes), size(needs.freeBytes)));
        }
    }

    private static long blocksFor(int tokens) {
        return (tokens + KvCache.BLOCK_SIZE - 1L) / KvCache.BLOCK_SIZE;
    }

    private static String size(long bytes) {
        return bytes < 10 << 20 ? "%,d KiB".formatted(bytes >> 10) : "%,d MiB".formatted(bytes >> 20);
    }
}
