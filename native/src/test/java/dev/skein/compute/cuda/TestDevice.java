package dev.skein.compute.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The device that tests run on: the one of the library that the property {@code skein.libcuda} names, else the emulator if
 * this machine could build it.
 */
final class TestDevice {
    private static final Path EMULATOR = Path.of("target", "cuda", "libcuda_emulated.so");

    private TestDevice() {}

    /** Opens it, or skips the test. */
    static CudaContext open() {
        if (System.getProperty(CudaDriver.LIBRARY_PROPERTY) == null) {
            assumeTrue(
                    Files.exists(EMULATOR), "neither a GPU was named nor could the emulator be built (it needs g++)");
            System.setProperty(
                    CudaDriver.LIBRARY_PROPERTY, EMULATOR.toAbsolutePath().toString());
        }
        assertThat(CudaProbe.probe()).isInstanceOf(CudaProbe.Present.class);
        return CudaContext.open(0);
    }

    static boolean emulated(CudaContext context) {
        return context.device().name().equals("emulated");
    }

    /** The kernels' image; the emulator brings its own. */
    static byte[] image(CudaContext context) {
        return emulated(context)
                ? "emulated".getBytes(StandardCharsets.US_ASCII)
                : CudaKernels.image().orElseThrow();
    }
}
