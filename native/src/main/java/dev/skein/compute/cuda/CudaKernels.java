package dev.skein.compute.cuda;

import dev.skein.compute.ComputeException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** The kernels of one image, on one device. */
public final class CudaKernels {
    /** Names a file to take in place of the jar's, such as one for an emulator. */
    static final String IMAGE_PROPERTY = "skein.fatbin";

    private static final String RESOURCE = "/native/cuda/skein.fatbin";

    private static final int NOT_FOUND = 500;

    private final CudaContext context;
    private final long library;

    CudaKernels(CudaContext context, long library) {
        this.context = context;
        this.library = library;
    }

    /** The image in this jar, unless {@link #IMAGE_PROPERTY} names another; empty if it was built where nvcc was missing. */
    public static Optional<byte[]> image() {
        String file = System.getProperty(IMAGE_PROPERTY);
        if (file != null) {
            return Optional.of(read(Path.of(file)));
        }
        try (InputStream in = CudaKernels.class.getResourceAsStream(RESOURCE)) {
            return in == null ? Optional.empty() : Optional.of(in.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException("%s cannot be read".formatted(RESOURCE), e);
        }
    }

    private static byte[] read(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new UncheckedIOException("%s, which -D%s names, cannot be read".formatted(file, IMAGE_PROPERTY), e);
        }
    }

    /** A kernel that not every device has: empty if the image has it for others only. */
    Optional<CudaKernel> find(String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment kernel = arena.allocate(ValueLayout.JAVA_LONG);
            int status = context.driver().status("cuLibraryGetKernel", kernel, library, arena.allocateFrom(name));
            return status == NOT_FOUND ? Optional.empty() : Optional.of(kernel(name));
        }
    }

    /**
     * A kernel, loaded to the device now: first use during a capture must not load anything.
     *
     * @throws ComputeException if there is none of this name
     */
    public CudaKernel kernel(String name) {
        try (Arena arena = Arena.ofConfined()) {
            long kernel = context.make("cuLibraryGetKernel", library, arena.allocateFrom(name));
            long function = context.make("cuKernelGetFunction", kernel);
            if (context.driver().has("cuFuncLoad")) {
                context.driver().call("cuFuncLoad", function);
            }
            return new CudaKernel(context, name, function);
        } catch (ComputeException e) {
            throw new ComputeException("kernel %s: %s".formatted(name, e.getMessage()), e.fatal());
        }
    }
}
