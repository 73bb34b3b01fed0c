package dev.skein.compute.cpu;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Objects;
import java.util.Optional;

/**
 * Adds floats of two memories by the library. Java makes vectors of a loop over arrays only, and to copy floats of other
 * cores into arrays takes as long as to add them. From any thread.
 */
@SuppressWarnings("restricted")
public final class FloatAddition {
    // Addresses, as segments would be made anew for each call.
    private static final FunctionDescriptor SIGNATURE = FunctionDescriptor.of(
            ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG);

    private final MethodHandle add;

    private FloatAddition(MethodHandle add) {
        this.add = add;
    }

    /** Empty where the library is missing. */
    public static Optional<FloatAddition> find() {
        return switch (CpuLibrary.load()) {
            case CpuLibrary.Loaded loaded ->
                loaded.symbols()
                        .find("skein_add")
                        .map(symbol -> new FloatAddition(Linker.nativeLinker().downcallHandle(symbol, SIGNATURE)));
            case CpuLibrary.Missing _ -> Optional.empty();
        };
    }

    /**
     * {@code sum[i] += part[i]}.
     *
     * @param sum native memory, which does not overlap the part
     * @param part native memory
     * @param at where the floats start, in bytes
     * @param from the same of the part
     */
    public void add(MemorySegment sum, long at, MemorySegment part, long from, long count) {
        long bytes = Math.multiplyExact(count, 4L);
        Objects.checkFromIndexSize(at, bytes, sum.byteSize());
        Objects.checkFromIndexSize(from, bytes, part.byteSize());
        try {
            int ignored = (int) add.invokeExact(sum.address() + at, part.address() + from, count);
        } catch (Throwable e) {
            throw new IllegalStateException("a native call threw", e);
        }
    }
}
