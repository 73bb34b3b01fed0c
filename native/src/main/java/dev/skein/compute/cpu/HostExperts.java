package dev.skein.compute.cpu;

import dev.skein.compute.ExpertWeights;
import dev.skein.compute.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.Stream;

/**
 * A weight each for all experts' gates and ups, and for their ways back.
 *
 * @param handles those of native weights, all gated ones first; empty where weights are not native
 */
record HostExperts(List<Weight> gateUp, List<Weight> down, MemorySegment handles) implements ExpertWeights {
    static HostExperts of(List<Weight> gateUp, List<Weight> down, Arena arena) {
        MemorySegment[] natives = Stream.concat(gateUp.stream(), down.stream())
                .filter(CpuWeight.class::isInstance)
                .map(weight -> ((CpuWeight) weight).handle())
                .toArray(MemorySegment[]::new);
        MemorySegment handles = arena.allocate(ValueLayout.ADDRESS, natives.length);
        for (int i = 0; i < natives.length; i++) {
            handles.setAtIndex(ValueLayout.ADDRESS, i, natives[i]);
        }
        return new HostExperts(List.copyOf(gateUp), List.copyOf(down), handles);
    }

    @Override
    public int count() {
        return gateUp.size();
    }

    @Override
    public int hidden() {
        return gateUp.getFirst().columns();
    }

    @Override
    public int inner() {
        return gateUp.getFirst().rows();
    }

    @Override
    public long bytes() {
        return Stream.concat(gateUp.stream(), down.stream())
                .mapToLong(Weight::bytes)
                .sum();
    }
}
