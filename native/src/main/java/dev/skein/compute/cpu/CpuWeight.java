package dev.skein.compute.cpu;

import dev.skein.compute.Weight;
import java.lang.foreign.MemorySegment;

/** A {@code skein_weight}, freed with its backend. */
record CpuWeight(int rows, int columns, long bytes, boolean gated, MemorySegment handle) implements Weight {}
