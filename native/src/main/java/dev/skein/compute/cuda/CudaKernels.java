package dev.skein.compute.cuda;

import dev.skein.compute.ComputeException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.util.Optional;

/** The kernels of one image, on one device. */
public final class CudaKernels {
    private static final String RESOURCE = "/native/cuda/skein.fatbin";

    private final CudaContext context;
    private final long library;

    CudaKernels(CudaContext context, long library) {
        this.context = context;
        this.library = library;
    }

    /** The image in this jar; empty if it was built where nvcc was missing. */
    public static Optional<byte[]> image() {
        try (InputStream in = CudaKernels.class.getResourceAsStream(RESOURCE)) {
            return in == null ? Optional.empty() : Optional.of(in.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException("%s cannot be read".formatted(RESOURCE), e);
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
