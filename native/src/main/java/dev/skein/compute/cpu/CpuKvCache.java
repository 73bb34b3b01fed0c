package dev.skein.compute.cpu;

import dev.skein.compute.KvCache;
import java.lang.foreign.MemorySegment;

/** A {@code skein_cache}. */
record CpuKvCache(Shape shape, MemorySegment handle) implements KvCache {}
