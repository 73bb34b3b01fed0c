package dev.skein.scheduler.agent;

import java.util.List;

/// What a machine gives to groups.
///
/// @param numa by core, the NUMA node that it belongs to
/// @param bytes of memory
/// @param gpus each with an id of its own
public record Devices(List<Integer> numa, long bytes, List<Gpu> gpus) {

    /// A machine without GPUs.
    public Devices(List<Integer> numa, long bytes) {
        this(numa, bytes, List.of());
    }

    public Devices {
        numa = List.copyOf(numa);
        gpus = List.copyOf(gpus);
        if (numa.isEmpty() || bytes < 0) {
            throw new IllegalArgumentException(
                    "a machine of " + numa.size() + " cores and " + bytes + " bytes; it needs at least one core");
        }
        if (gpus.stream().map(Gpu::id).distinct().count() < gpus.size()) {
            throw new IllegalArgumentException("GPUs " + gpus + ": no two may have one id");
        }
    }

    public int cores() {
        return numa.size();
    }
}
