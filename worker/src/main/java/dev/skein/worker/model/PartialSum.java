package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.Weight;

/**
 * Products of which each tensor rank computes a part, from its own columns: their sum over the ranks is the product
 * (Shoeybi et al., arXiv 1909.08053). Where a product is added to a row, the first rank alone adds it to what the row
 * holds; after the sum all ranks hold the same bits again.
 *
 * @param shared whether there are other ranks
 * @param holds whether this one's row counts
 */
record PartialSum(boolean shared, boolean holds) {
    static PartialSum of(Parts parts) {
        return new PartialSum(parts.shard().shared(), parts.shard().tensorRank() == 0);
    }

    /** {@code inOut += W x}. */
    void add(Backend backend, Weight weight, Buffer x, Buffer inOut) {
        if (holds) {
            backend.matmulAdd(weight, x, inOut);
        } else {
            backend.matmul(weight, x, inOut);
        }
        end(backend, inOut);
    }

    /** {@code out = W x}. */
    void put(Backend backend, Weight weight, Buffer x, Buffer out) {
        backend.matmul(weight, x, out);
        end(backend, out);
    }

    /** Before something else adds this rank's part to a row. */
    void begin(Backend backend, Buffer inOut) {
        if (!holds) {
            backend.zero(inOut);
        }
    }

    void end(Backend backend, Buffer inOut) {
        if (shared) {
            backend.allReduce(inOut);
        }
    }
}
