package dev.skein.worker.model;

import java.util.List;

/**
 * Where a tensor lies.
 *
 * @param shape as the file has it: the length of a row last
 * @param offset of its first byte in the file
 * @param bytes how many
 */
record SafetensorsTensor(String name, SafetensorsType type, List<Long> shape, long offset, long bytes) {
    SafetensorsTensor {
        shape = List.copyOf(shape);
    }

    long elements() {
        return shape.stream().reduce(1L, Math::multiplyExact);
    }
}
