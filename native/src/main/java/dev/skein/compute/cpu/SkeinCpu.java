package dev.skein.compute.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.skein.compute.ComputeException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;

/**
 * {@code skein_cpu.h}, function for function; offsets of its structs are in {@link CpuOps}. To be touched only when
 * {@link CpuLibrary#load} has found the library.
 */
@SuppressWarnings("restricted")
final class SkeinCpu {
    static final int ABI = 7;
    static final int NOT_FATAL_FROM = 5;

    /** Bytes of options, matrix, op, step, output, result, top and failure. */
    private static final int[] SIZES = {16, 24, 136, 112, 80, 24, 8, 24};

    private static final Linker LINKER = Linker.nativeLinker();
    private static final MethodHandle ABI_NUMBER = handle("skein_abi", ADDRESS);
    private static final MethodHandle STRUCT_SIZES = handle("skein_sizes", ADDRESS);
    private static final MethodHandle STATUS_TEXT =
            LINKER.downcallHandle(symbol("skein_status_text"), FunctionDescriptor.of(ADDRESS, JAVA_INT));
    private static final MethodHandle CPU_ISAS = handle("skein_cpu_isas", ADDRESS);
    private static final MethodHandle OPEN = handle("skein_open", ADDRESS, ADDRESS);
    private static final MethodHandle CLOSE = handle("skein_close", ADDRESS);
    private static final MethodHandle TAKE = handle("skein_take", ADDRESS, JAVA_INT);
    private static final MethodHandle TEAM = handle("skein_team", JAVA_INT, ADDRESS, JAVA_INT, ADDRESS);
    private static final MethodHandle DESCRIBE = handle("skein_describe", ADDRESS, ADDRESS, ADDRESS);
    private static final MethodHandle WEIGHT_NEW =
            handle("skein_weight_new", ADDRESS, ADDRESS, JAVA_INT, JAVA_INT, ADDRESS);
    private static final MethodHandle WEIGHT_BYTES = handle("skein_weight_bytes", ADDRESS, ADDRESS);
    private static final MethodHandle CACHE_NEW =
            handle("skein_cache_new", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
    private static final MethodHandle CACHE_FREE = handle("skein_cache_free", ADDRESS);
    private static final MethodHandle RUN = handle("skein_run", ADDRESS, ADDRESS, ADDRESS, JAVA_INT, ADDRESS);

    static {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment number = arena.allocate(JAVA_INT);
            abi(number);
            MemorySegment sizes = arena.allocate(JAVA_INT, SIZES.length);
            sizes(sizes);
            if (number.get(JAVA_INT, 0) != ABI || !Arrays.equals(sizes.toArray(JAVA_INT), SIZES)) {
                throw new ComputeException(
                        "the native library has ABI %d with structs of %s bytes, this needs %d with %s; build again"
                                .formatted(
                                        number.get(JAVA_INT, 0),
                                        Arrays.toString(sizes.toArray(JAVA_INT)),
                                        ABI,
                                        Arrays.toString(SIZES)),
                        true);
            }
        }
    }

    private SkeinCpu() {}

    static void abi(MemorySegment number) {
        int status;
        try {
            status = (int) ABI_NUMBER.invokeExact(number);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("skein_abi", status);
    }

    static void sizes(MemorySegment sizes) {
        int status;
        try {
            status = (int) STRUCT_SIZES.invokeExact(sizes);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("skein_sizes", status);
    }

    static String statusText(int status) {
        MemorySegment text;
        try {
            text = (MemorySegment) STATUS_TEXT.invokeExact(status);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        return text.reinterpret(Long.MAX_VALUE).getString(0);
    }

    static void cpuIsas(MemorySegment isas) {
        int status;
        try {
            status = (int) CPU_ISAS.invokeExact(isas);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("skein_cpu_isas", status);
    }

    static void open(MemorySegment options, MemorySegment out) {
        int status;
        try {
            status = (int) OPEN.invokeExact(options, out);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("skein_open", status);
    }

    static void close(MemorySegment cpu) {
        int status;
        try {
            status = (int) CLOSE.invokeExact(cpu);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("skein_close", status);
    }

    static void take(MemorySegment cpu, int threads) {
        int status;
        try {
            status = (int) TAKE.invokeExact(cpu, threads);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("skein_take", status);
    }

    static void team(int threads, MemorySegment jobs, int count, MemorySegment active) {
        int status;
        try {
            status = (int) TEAM.invokeExact(threads, jobs, count, active);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("skein_team", status);
    }

    static void describe(MemorySegment cpu, MemorySegment isa, MemorySegment cores) {
        int status;
        try {
            status = (int) DESCRIBE.invokeExact(cpu, isa, cores);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("skein_describe", status);
    }

    static void weightNew(MemorySegment cpu, MemorySegment parts, int count, int gated, MemorySegment out) {
        int status;
        try {
            status = (int) WEIGHT_NEW.invokeExact(cpu, parts, count, gated, out);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("skein_weight_new", status);
    }

    static void weightBytes(MemorySegment weight, MemorySegment bytes) {
        int status;
        try {
            status = (int) WEIGHT_BYTES.invokeExact(weight, bytes);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("skein_weight_bytes", status);
    }

    static void cacheNew(int layers, int heads, int headSize, int blocks, MemorySegment out) {
        int status;
        try {
            status = (int) CACHE_NEW.invokeExact(layers, heads, headSize, blocks, out);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("skein_cache_new", status);
    }

    static void cacheFree(MemorySegment cache) {
        int status;
        try {
            status = (int) CACHE_FREE.invokeExact(cache);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        check("skein_cache_free", status);
    }

    /** The status is the caller's to check: it comes with a failure that says where. */
    static int run(MemorySegment cpu, MemorySegment step, MemorySegment ops, int count, MemorySegment failure) {
        try {
            return (int) RUN.invokeExact(cpu, step, ops, count, failure);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    private static void check(String call, int status) {
        if (status != 0) {
            throw new ComputeException(
                    "%s failed with status %d: %s".formatted(call, status, statusText(status)),
                    status < NOT_FATAL_FROM);
        }
    }

    /** A closed arena and a wrong thread arrive as what they are. */
    private static RuntimeException unexpected(Throwable e) {
        return switch (e) {
            case Error error -> throw error;
            case RuntimeException known -> known;
            default -> new IllegalStateException("a native call threw", e);
        };
    }

    private static MethodHandle handle(String name, MemoryLayout... arguments) {
        return LINKER.downcallHandle(symbol(name), FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments));
    }

    private static MemorySegment symbol(String name) {
        return switch (CpuLibrary.load()) {
            case CpuLibrary.Loaded loaded ->
                loaded.symbols()
                        .find(name)
                        .orElseThrow(() -> new ComputeException("the native library lacks " + name, true));
            case CpuLibrary.Missing missing ->
                throw new ComputeException("the native library is missing: " + missing.reason(), true);
        };
    }
}
