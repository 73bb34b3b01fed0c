package dev.skein.scheduler.agent;

import java.util.List;

/// What a machine gives to groups.
///
/// @param numa by core, the NUMA node that it belongs to
/// @param bytes of memory
public record Devices(List<Integer> numa, long bytes) {

    public Devices {
        numa = List.copyOf(numa);
        if (numa.isEmpty() || bytes < 0) {
            throw new IllegalArgumentException(
                    "a machine of " + numa.size() + " cores and " + bytes + " bytes; it needs at least one core");
        }
    }

    public int cores() {
        return numa.size();
    }
}
