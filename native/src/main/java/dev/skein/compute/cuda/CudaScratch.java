package dev.skein.compute.cuda;

import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import org.jspecify.annotations.Nullable;

/** Device memory that is as large as was last needed; what it holds is lost when it grows. */
final class CudaScratch {
    private final CudaContext context;
    private @Nullable DeviceMemory memory;

    CudaScratch(CudaContext context) {
        this.context = context;
    }

    DeviceMemory atLeast(long bytes) {
        DeviceMemory held = memory;
        if (held != null && held.bytes() >= bytes) {
            return held;
        }
        if (held != null) {
            memory = null;
            context.free(held);
        }
        DeviceMemory grown = context.allocate(Math.max(bytes, 256) * 5 / 4 + 15 & -16L);
        memory = grown;
        return grown;
    }
}
