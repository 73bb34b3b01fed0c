package dev.skein.scheduler.agent;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/// A GPU of a machine. It has one owner at a time, as a core has.
///
/// @param id what `CUDA_VISIBLE_DEVICES` calls it on its machine
/// @param name of the product, for people
/// @param bytes of its memory
public record Gpu(String id, String name, long bytes) {

    /// So many of at least so much memory, the smallest that do; fewer where there are not as many.
    static List<Gpu> tightest(Collection<Gpu> free, int count, long bytes) {
        return free.stream()
                .filter(gpu -> gpu.bytes() >= bytes)
                .sorted(Comparator.comparingLong(Gpu::bytes))
                .limit(count)
                .toList();
    }
}
