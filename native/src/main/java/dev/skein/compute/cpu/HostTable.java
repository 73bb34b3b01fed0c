package dev.skein.compute.cpu;

import dev.skein.compute.HostMatrix;
import dev.skein.compute.Weight;

/** Embeddings, read where the model file is mapped. */
record HostTable(HostMatrix matrix) implements Weight {
    @Override
    public int rows() {
        return matrix.rows();
    }

    @Override
    public int columns() {
        return matrix.columns();
    }

    @Override
    public long bytes() {
        return 0;
    }
}
