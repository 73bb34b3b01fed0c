package dev.skein.compute.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A moment in a stream. */
public final class CudaEvent {
    private final CudaDriver driver;
    private final long handle;

    CudaEvent(CudaContext context, long handle) {
        this.handle = handle;
        driver = context.driver();
    }

    long handle() {
        return handle;
    }

    /** Whether all before it is done. */
    public boolean done() {
        return driver.eventDone(handle);
    }

    /** Waits until all before it is done. */
    public void synchronize() {
        driver.call("cuEventSynchronize", handle);
    }

    /** From an earlier event to this one, in milliseconds; both must be done. */
    public float millisecondsSince(CudaEvent earlier) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT);
            driver.call("cuEventElapsedTime", out, earlier.handle, handle);
            return out.get(ValueLayout.JAVA_FLOAT, 0);
        }
    }
}
