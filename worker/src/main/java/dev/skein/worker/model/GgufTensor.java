package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import java.util.List;

/**
 * Where a tensor lies.
 *
 * @param dimensions as the file has them: the length of a row first
 * @param offset of its first byte in the file
 * @param bytes how many
 */
public record GgufTensor(String name, ElementType type, List<Long> dimensions, long offset, long bytes) {
    public GgufTensor {
        dimensions = List.copyOf(dimensions);
    }

    public long elements() {
        return dimensions.stream().reduce(1L, Math::multiplyExact);
    }
}
