package dev.skein.compute.cuda;

import dev.skein.compute.DeviceGauges;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code nvml.h}: what a GPU says of itself. Its library comes with the driver, but not into every container, and nothing
 * depends on it. Safe for several threads, as the library is.
 */
@SuppressWarnings("restricted")
final class Nvml {
    private static final Logger log = LoggerFactory.getLogger(Nvml.class);

    static final String LIBRARY_PROPERTY = "skein.libnvml";

    private static final String LIBRARY = "libnvidia-ml.so.1";
    private static final int OF_THE_CHIP = 0;
    private static final double MILLIWATTS = 1000;
    private static final double PERCENT = 100;

    private final MethodHandle utilization;
    private final MethodHandle memory;
    private final MethodHandle temperature;
    private final MethodHandle power;
    private final MemorySegment device;

    private Nvml(SymbolLookup library, String bus) throws Throwable {
        utilization = handle(library, "nvmlDeviceGetUtilizationRates", ValueLayout.ADDRESS, ValueLayout.ADDRESS);
        memory = handle(library, "nvmlDeviceGetMemoryInfo", ValueLayout.ADDRESS, ValueLayout.ADDRESS);
        temperature = handle(
                library, "nvmlDeviceGetTemperature", ValueLayout.ADDRESS, ValueLayout.JAVA_INT, ValueLayout.ADDRESS);
        power = handle(library, "nvmlDeviceGetPowerUsage", ValueLayout.ADDRESS, ValueLayout.ADDRESS);
        MethodHandle initialise = handle(library, "nvmlInit_v2");
        MethodHandle find =
                handle(library, "nvmlDeviceGetHandleByPciBusId_v2", ValueLayout.ADDRESS, ValueLayout.ADDRESS);
        try (Arena arena = Arena.ofConfined()) {
            require((int) initialise.invokeExact());
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            require((int) find.invokeExact(arena.allocateFrom(bus), out));
            device = out.get(ValueLayout.ADDRESS, 0);
        }
    }

    /**
     * Opens the library for the GPU at a place on the bus.
     *
     * @return empty if it is not there or does not work
     */
    static Optional<Nvml> open(String bus) {
        String name = System.getProperty(LIBRARY_PROPERTY, LIBRARY);
        try {
            return Optional.of(new Nvml(SymbolLookup.libraryLookup(name, Arena.global()), bus));
        } catch (Throwable unusable) {
            log.debug("library={} gauges=none reason=\"{}\"", name, unusable.toString());
            return Optional.empty();
        }
    }

    /** Empty if one of the questions is not answered. */
    Optional<DeviceGauges> read() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out =
                    arena.allocate(3 * ValueLayout.JAVA_LONG.byteSize(), ValueLayout.JAVA_LONG.byteAlignment());
            require((int) utilization.invokeExact(device, out));
            double busy = out.get(ValueLayout.JAVA_INT, 0) / PERCENT;
            require((int) memory.invokeExact(device, out));
            long total = out.get(ValueLayout.JAVA_LONG, 0);
            long used = out.get(ValueLayout.JAVA_LONG, 16);
            require((int) temperature.invokeExact(device, OF_THE_CHIP, out));
            int celsius = out.get(ValueLayout.JAVA_INT, 0);
            require((int) power.invokeExact(device, out));
            double watts = out.get(ValueLayout.JAVA_INT, 0) / MILLIWATTS;
            return Optional.of(new DeviceGauges(busy, used, total, celsius, watts));
        } catch (Throwable refused) {
            log.debug("gauges=none reason=\"{}\"", refused.toString());
            return Optional.empty();
        }
    }

    private static MethodHandle handle(SymbolLookup library, String name, MemoryLayout... arguments) {
        MemorySegment symbol = library.find(name).orElseThrow(() -> new IllegalStateException("it lacks " + name));
        return Linker.nativeLinker().downcallHandle(symbol, FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments));
    }

    private static void require(int status) {
        if (status != 0) {
            throw new IllegalStateException("status " + status);
        }
    }
}
