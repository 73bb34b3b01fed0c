package dev.skein.compute.collective;

/**
 * Parts of a long sum, one for each rank to add up and to hand to the others: with more than two ranks that moves fewer
 * bytes than if each rank added up everything, and the bits are the same.
 */
final class Slices {
    /** From here on bytes cost more than a second meeting of ranks. */
    private static final long WORTHWHILE_BYTES = 64 << 10;
    /** Two ranks never write into the same line of a cache. */
    private static final long LINE_BYTES = 64;

    private Slices() {}

    static boolean areWorthwhile(int size, long bytes) {
        return size > 2 && bytes > WORTHWHILE_BYTES;
    }

    /** Where a rank's slice of so many bytes begins. */
    static long start(int rank, int size, long bytes) {
        long lines = Math.ceilDiv(bytes, LINE_BYTES);
        return Math.min(bytes, rank * Math.ceilDiv(lines, size) * LINE_BYTES);
    }

    /** How long it is; those of the last ranks may be shorter than others, or empty. */
    static long length(int rank, int size, long bytes) {
        return start(rank + 1, size, bytes) - start(rank, size, bytes);
    }
}
