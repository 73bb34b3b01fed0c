package dev.skein.compute.cuda;

import dev.skein.compute.ComputeException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * {@code cuda.h}. Handles and device addresses are 64-bit values. What a step calls has a method of its own; what is called
 * once or twice goes through {@link #call}, by name.
 */
@SuppressWarnings("restricted")
final class CudaDriver {
    static final String LIBRARY_PROPERTY = "skein.libcuda";

    private static final String LIBRARY = "libcuda.so.1";

    /** After these every further call in the process fails: illegal addresses, failed launches and the like. */
    private static final Set<Integer> FATAL =
            Set.of(4, 214, 700, 702, 709, 710, 713, 714, 715, 716, 717, 718, 719, 999);

    private static final int NOT_READY = 600;

    /** {@code CUipcMemHandle}, which is passed by value. */
    static final MemoryLayout MEMORY_HANDLE =
            MemoryLayout.structLayout(MemoryLayout.sequenceLayout(64, ValueLayout.JAVA_BYTE));

    private static final int LAZY_PEER_ACCESS = 1;

    /** Of {@code CUtensorMapL2promotion}. */
    private static final int PROMOTE_256 = 3;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final ValueLayout ADDRESS = ValueLayout.ADDRESS;

    private final SymbolLookup symbols;
    private final Map<String, MethodHandle> handles = new ConcurrentHashMap<>();
    private final MethodHandle launchKernel;
    private final MethodHandle graphLaunch;
    private final MethodHandle copyUp;
    private final MethodHandle copyDown;
    private final MethodHandle eventRecord;
    private final MethodHandle eventQuery;
    private @Nullable MethodHandle encodeMap;

    private CudaDriver(SymbolLookup symbols) {
        this.symbols = symbols;
        launchKernel = handle("cuLaunchKernelEx", ADDRESS, LONG, ADDRESS, LONG);
        graphLaunch = handle("cuGraphLaunch", LONG, LONG);
        copyUp = handle("cuMemcpyHtoDAsync_v2", LONG, ADDRESS, LONG, LONG);
        copyDown = handle("cuMemcpyDtoHAsync_v2", ADDRESS, LONG, LONG, LONG);
        eventRecord = handle("cuEventRecord", LONG, LONG);
        eventQuery = handle("cuEventQuery", LONG);
    }

    /**
     * Opens the library that {@link #LIBRARY_PROPERTY} names, or the driver's.
     *
     * @return empty if there is none
     */
    static Optional<CudaDriver> open() {
        return open(library());
    }

    static String library() {
        return System.getProperty(LIBRARY_PROPERTY, LIBRARY);
    }

    static Optional<CudaDriver> open(String library) {
        SymbolLookup symbols;
        try {
            symbols = SymbolLookup.libraryLookup(library, Arena.global());
        } catch (IllegalArgumentException _) {
            return Optional.empty();
        }
        return Optional.of(new CudaDriver(symbols));
    }

    boolean has(String function) {
        return symbols.find(function).isPresent();
    }

    /**
     * Calls a function whose parameters are 32-bit (Integer), 64-bit (Long: handles, addresses, sizes) or pointers to host
     * memory.
     *
     * @throws ComputeException if its status is not success
     */
    void call(String function, Object... arguments) {
        check(function, status(function, arguments));
    }

    /** As {@link #call}, but the status is the caller's to look at. */
    int status(String function, Object... arguments) {
        MethodHandle handle = handles.computeIfAbsent(function, _ -> handle(function, layouts(arguments)));
        try {
            return (int) handle.invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    void launchKernel(MemorySegment launch, long function, MemorySegment parameters) {
        int status;
        try {
            status = (int) launchKernel.invokeExact(launch, function, parameters, 0L);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("cuLaunchKernelEx", status);
    }

    void graphLaunch(long graph, long stream) {
        int status;
        try {
            status = (int) graphLaunch.invokeExact(graph, stream);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("cuGraphLaunch", status);
    }

    void copyUp(long to, MemorySegment from, long bytes, long stream) {
        int status;
        try {
            status = (int) copyUp.invokeExact(to, from, bytes, stream);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("cuMemcpyHtoDAsync", status);
    }

    void copyDown(MemorySegment to, long from, long bytes, long stream) {
        int status;
        try {
            status = (int) copyDown.invokeExact(to, from, bytes, stream);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("cuMemcpyDtoHAsync", status);
    }

    void eventRecord(long event, long stream) {
        int status;
        try {
            status = (int) eventRecord.invokeExact(event, stream);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("cuEventRecord", status);
    }

    /** Whether all that was enqueued before the event is done. */
    boolean eventDone(long event) {
        int status;
        try {
            status = (int) eventQuery.invokeExact(event);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        if (status == NOT_READY) {
            return false;
        }
        check("cuEventQuery", status);
        return true;
    }

    /** Fills in a {@code CUtensorMap}; its type of elements is one of {@code CUtensorMapDataType}. */
    void encodeMap(
            MemorySegment map,
            int type,
            int rank,
            long address,
            MemorySegment dimensions,
            MemorySegment strides,
            MemorySegment part,
            MemorySegment steps,
            int swizzle) {
        MethodHandle encode = encodeMap;
        if (encode == null) {
            encode = handle(
                    "cuTensorMapEncodeTiled",
                    ADDRESS,
                    INT,
                    INT,
                    LONG,
                    ADDRESS,
                    ADDRESS,
                    ADDRESS,
                    ADDRESS,
                    INT,
                    INT,
                    INT,
                    INT);
            encodeMap = encode;
        }
        int status;
        try {
            status = (int) encode.invokeExact(
                    map, type, rank, address, dimensions, strides, part, steps, 0, swizzle, PROMOTE_256, 0);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("cuTensorMapEncodeTiled", status);
    }

    /**
     * Maps memory that another process has on a GPU.
     *
     * @param out where its address is put
     * @param handle a {@link #MEMORY_HANDLE} that the other process got
     */
    void openMemory(MemorySegment out, MemorySegment handle) {
        int status;
        try {
            status = (int) handle("cuIpcOpenMemHandle_v2", ADDRESS, MEMORY_HANDLE, INT)
                    .invokeExact(out, handle, LAZY_PEER_ACCESS);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("cuIpcOpenMemHandle", status);
    }

    /** What a status means, with its name. */
    String meaning(int status) {
        return "%s (%d), %s".formatted(text("cuGetErrorName", status), status, text("cuGetErrorString", status));
    }

    private String text(String function, int status) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            if (status(function, status, out) != 0) {
                return "an unknown status";
            }
            return out.get(ValueLayout.ADDRESS, 0).reinterpret(Long.MAX_VALUE).getString(0);
        }
    }

    private void check(String function, int status) {
        if (status != 0) {
            throw new ComputeException(function + " failed: " + meaning(status), FATAL.contains(status));
        }
    }

    private MethodHandle handle(String name, MemoryLayout... arguments) {
        MemorySegment symbol = symbols.find(name)
                .orElseThrow(
                        () -> new ComputeException("the GPU's driver lacks " + name + "; a newer one has it", true));
        return Linker.nativeLinker().downcallHandle(symbol, FunctionDescriptor.of(INT, arguments));
    }

    private static MemoryLayout[] layouts(Object[] arguments) {
        MemoryLayout[] layouts = new MemoryLayout[arguments.length];
        for (int i = 0; i < arguments.length; i++) {
            layouts[i] = switch (arguments[i]) {
                case Integer _ -> INT;
                case Long _ -> LONG;
                case MemorySegment _ -> ADDRESS;
                default -> throw new IllegalArgumentException("no parameter of cuda.h is a " + arguments[i].getClass());
            };
        }
        return layouts;
    }

    /** A closed arena and a wrong thread arrive as what they are. */
    private static RuntimeException unexpected(Throwable e) {
        return switch (e) {
            case Error error -> throw error;
            case RuntimeException known -> known;
            default -> new IllegalStateException("a native call threw", e);
        };
    }
}
