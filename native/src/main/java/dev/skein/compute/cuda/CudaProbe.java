package dev.skein.compute.cuda;

import dev.skein.compute.ComputeException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/** Whether this machine has a GPU that can be used. */
public sealed interface CudaProbe {
    /**
     * It has.
     *
     * @param devices the usable ones, at least one
     * @param driver CUDA version that the driver knows, as 13.0 is 13000
     */
    record Present(List<CudaDevice> devices, int driver) implements CudaProbe {
        public Present {
            devices = List.copyOf(devices);
        }
    }

    /** It has not, and why, for people. */
    record Absent(String reason) implements CudaProbe {}

    /** Asks the driver. Costs milliseconds where there is none, up to a second where there is. */
    static CudaProbe probe() {
        return probe(CudaDriver.library());
    }

    static CudaProbe probe(String library) {
        Optional<CudaDriver> driver = CudaDriver.open(library);
        if (driver.isEmpty()) {
            return new Absent("no NVIDIA driver: %s cannot be opened".formatted(library));
        }
        try {
            return Devices.ask(driver.get());
        } catch (ComputeException e) {
            return new Absent("the NVIDIA driver does not work: " + e.getMessage());
        }
    }

    /** Questions to a driver that is there. */
    final class Devices {
        /** Machine code of CUDA 13 needs a driver that knows it. */
        private static final int OLDEST_DRIVER = 13000;

        private static final int NO_DEVICE = 100;
        private static final int NAME_BYTES = 256;
        private static final int MULTIPROCESSORS = 16;
        private static final int CAPABILITY_MAJOR = 75;
        private static final int CAPABILITY_MINOR = 76;

        private Devices() {}

        static CudaProbe ask(CudaDriver driver) {
            int version = number(driver, "cuDriverGetVersion");
            if (version < OLDEST_DRIVER) {
                return new Absent("the NVIDIA driver knows CUDA %s, the kernels need %s: driver 580 or newer has it"
                        .formatted(version(version), version(OLDEST_DRIVER)));
            }
            int status = driver.status("cuInit", 0);
            if (status == NO_DEVICE) {
                return new Absent("no NVIDIA GPU: the driver finds none");
            }
            if (status != 0) {
                return new Absent("the NVIDIA driver does not start: " + driver.meaning(status));
            }
            return usable(all(driver), version);
        }

        private static CudaProbe usable(List<CudaDevice> devices, int version) {
            List<CudaDevice> usable =
                    devices.stream().filter(CudaDevice::usable).toList();
            if (usable.isEmpty()) {
                return new Absent("no usable NVIDIA GPU: compute capability %d.0 is needed, here is %s"
                        .formatted(CudaDevice.OLDEST_MAJOR, devices));
            }
            return new Present(usable, version);
        }

        private static String version(int version) {
            return version / 1000 + "." + version % 1000 / 10;
        }

        static List<CudaDevice> all(CudaDriver driver) {
            return IntStream.range(0, number(driver, "cuDeviceGetCount"))
                    .mapToObj(ordinal -> device(driver, ordinal))
                    .toList();
        }

        private static CudaDevice device(CudaDriver driver, int ordinal) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG);
                driver.call("cuDeviceGet", out, ordinal);
                int device = out.get(ValueLayout.JAVA_INT, 0);
                driver.call("cuDeviceTotalMem_v2", out, device);
                long bytes = out.get(ValueLayout.JAVA_LONG, 0);
                MemorySegment name = arena.allocate(NAME_BYTES);
                driver.call("cuDeviceGetName", name, NAME_BYTES, device);
                return new CudaDevice(
                        ordinal,
                        name.getString(0),
                        attribute(driver, CAPABILITY_MAJOR, device),
                        attribute(driver, CAPABILITY_MINOR, device),
                        attribute(driver, MULTIPROCESSORS, device),
                        bytes);
            }
        }

        private static int attribute(CudaDriver driver, int attribute, int device) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment out = arena.allocate(ValueLayout.JAVA_INT);
                driver.call("cuDeviceGetAttribute", out, attribute, device);
                return out.get(ValueLayout.JAVA_INT, 0);
            }
        }

        private static int number(CudaDriver driver, String function) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment out = arena.allocate(ValueLayout.JAVA_INT);
                driver.call(function, out);
                return out.get(ValueLayout.JAVA_INT, 0);
            }
        }
    }
}
