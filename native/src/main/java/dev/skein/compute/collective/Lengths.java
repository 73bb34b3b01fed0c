package dev.skein.compute.collective;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/** Lengths of the parts that ranks gather. */
final class Lengths {
    private Lengths() {}

    /** Checks that there is room, and returns the bytes of all. */
    static long check(long[] lengths, int rank, int size, MemorySegment part, MemorySegment all) {
        if (lengths.length != size) {
            throw new IllegalArgumentException("%d lengths for %d ranks".formatted(lengths.length, size));
        }
        long sum = 0;
        for (long length : lengths) {
            if (length < 0) {
                throw new IllegalArgumentException("a part of %d bytes".formatted(length));
            }
            sum = Math.addExact(sum, length);
        }
        Objects.checkFromIndexSize(0, lengths[rank], part.byteSize());
        Objects.checkFromIndexSize(0, sum, all.byteSize());
        return sum;
    }

    static long longest(long[] lengths) {
        long longest = 0;
        for (long length : lengths) {
            longest = Math.max(longest, length);
        }
        return longest;
    }
}
