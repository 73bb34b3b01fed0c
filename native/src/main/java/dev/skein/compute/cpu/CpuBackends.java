package dev.skein.compute.cpu;

import dev.skein.compute.Backend;
import dev.skein.compute.ComputeException;
import dev.skein.compute.cpu.CpuOptions.Isa;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The one place that decides what computes on this machine's cores, and logs why. */
public final class CpuBackends {
    private static final Logger log = LoggerFactory.getLogger(CpuBackends.class);

    private CpuBackends() {}

    /**
     * The fastest backend that the options allow. Plain Java serves, and a warning says so, where there is no native
     * library or the processor lacks AVX2.
     *
     * @throws ComputeException if an instruction set is forced that is not there
     */
    public static Backend choose(CpuOptions options) {
        if (options.isa() == Isa.JAVA) {
            return plain("asked for by name");
        }
        return switch (CpuLibrary.load()) {
            case CpuLibrary.Missing missing -> without(options, "the native library is " + missing.reason());
            case CpuLibrary.Loaded _ -> with(options);
        };
    }

    private static Backend with(CpuOptions options) {
        if (options.isa() == Isa.AUTO && !CpuBackend.has(Isa.AVX2)) {
            return plain("this processor lacks AVX2, FMA or F16C");
        }
        CpuBackend backend = CpuBackend.create(options);
        log.info(
                "backend=\"{}\" reason=\"{}\"",
                backend.description(),
                options.isa() == Isa.AUTO ? "best that this processor has" : "asked for by name");
        return backend;
    }

    private static Backend without(CpuOptions options, String reason) {
        if (options.isa() != Isa.AUTO) {
            throw new ComputeException("%s was asked for, but %s".formatted(options.isa(), reason), true);
        }
        return plain(reason);
    }

    private static Backend plain(String reason) {
        log.warn("backend=java reason=\"{}\" effect=\"hundreds of times slower than native code\"", reason);
        return new JavaBackend();
    }
}
