package dev.skein.compute.cuda;

import dev.skein.compute.KvCache;
import dev.skein.compute.cuda.CudaContext.DeviceMemory;

/** For each layer all keys, then all values, in tiles as {@code rope.cu} says. */
record CudaKvCache(Shape shape, DeviceMemory memory) implements KvCache {
    long keys(int layer) {
        return memory.address() + 2L * layer * halfBytes();
    }

    long values(int layer) {
        return keys(layer) + halfBytes();
    }

    private long halfBytes() {
        return 2L * shape.blocks() * shape.heads() * shape.headSize() * BLOCK_SIZE;
    }
}
