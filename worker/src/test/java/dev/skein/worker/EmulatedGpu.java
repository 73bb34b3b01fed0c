package dev.skein.worker;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.skein.compute.Backend;
import dev.skein.compute.cuda.CudaBackends;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Makes this process see a GPU: the one of the library that the property {@code skein.libcuda} names, else the emulator, if
 * this machine could build it. Until it is closed.
 */
public final class EmulatedGpu implements AutoCloseable {
    private static final String LIBRARY = "skein.libcuda";
    private static final String IMAGE = "skein.fatbin";
    private static final Path EMULATOR = Path.of("..", "native", "target", "cuda", "libcuda_emulated.so");

    private final @Nullable String library = System.getProperty(LIBRARY);
    private final @Nullable String image = System.getProperty(IMAGE);
    private final @Nullable Path made;

    private EmulatedGpu() {
        if (library != null) {
            made = null;
            return;
        }
        try {
            // The emulator brings its own kernels and takes any image.
            made = Files.writeString(Files.createTempFile("emulated", ".fatbin"), "emulated");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        System.setProperty(LIBRARY, EMULATOR.toAbsolutePath().toString());
        System.setProperty(IMAGE, made.toString());
    }

    /** Skips the test where there is neither. */
    public static EmulatedGpu orSkip() {
        assumeTrue(
                System.getProperty(LIBRARY) != null || Files.exists(EMULATOR),
                "neither a GPU was named nor could the emulator be built (it needs g++)");
        return new EmulatedGpu();
    }

    /** A new one each time, on the GPU. */
    public Backend backend(boolean graphs) {
        return CudaBackends.choose(CudaBackends.Device.CUDA, new CudaBackends.How(graphs, true), () -> {
            throw new IllegalStateException("the cores were chosen");
        });
    }

    @Override
    public void close() {
        restore(LIBRARY, library);
        restore(IMAGE, image);
        if (made != null) {
            try {
                Files.delete(made);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private static void restore(String property, @Nullable String value) {
        if (value == null) {
            System.clearProperty(property);
        } else {
            System.setProperty(property, value);
        }
    }
}
