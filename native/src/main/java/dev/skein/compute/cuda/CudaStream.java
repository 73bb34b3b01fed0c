package dev.skein.compute.cuda;

import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Work of a device in the order in which it was enqueued. Nothing here waits but {@link #synchronize}. */
public final class CudaStream {
    private static final int CAPTURE_THREAD_LOCAL = 1;

    private final CudaContext context;
    private final CudaDriver driver;
    private final long handle;

    CudaStream(CudaContext context, long handle) {
        this.context = context;
        this.handle = handle;
        driver = context.driver();
    }

    long handle() {
        return handle;
    }

    /** Copies host memory up. It must stay as it is until the copy is done, unless it is not pinned. */
    public void copyUp(MemorySegment from, DeviceMemory to, long offset) {
        check(to, offset, from.byteSize());
        if (from.byteSize() > 0) {
            driver.copyUp(to.address() + offset, from, from.byteSize(), handle);
        }
    }

    /** Copies numbers up; they have been taken when it returns. */
    void copyUp(float[] from, DeviceMemory to) {
        try (Arena arena = Arena.ofConfined()) {
            copyUp(arena.allocateFrom(ValueLayout.JAVA_FLOAT, from), to, 0);
            synchronize();
        }
    }

    /** Copies device memory down, as much as the segment holds. */
    public void copyDown(DeviceMemory from, long offset, MemorySegment to) {
        check(from, offset, to.byteSize());
        if (to.byteSize() > 0) {
            driver.copyDown(to, from.address() + offset, to.byteSize(), handle);
        }
    }

    /** Sets every byte. */
    public void fill(DeviceMemory memory, int value) {
        driver.call("cuMemsetD8Async", memory.address(), value & 0xFF, memory.bytes(), handle);
    }

    public void record(CudaEvent event) {
        driver.eventRecord(event.handle(), handle);
    }

    /** Lets what is enqueued from now on wait for an event of another stream. */
    public void await(CudaEvent event) {
        driver.call("cuStreamWaitEvent", handle, event.handle(), 0);
    }

    public void launch(CudaGraph graph) {
        driver.graphLaunch(graph.handle(), handle);
    }

    /** Waits for all that was enqueued. */
    public void synchronize() {
        driver.call("cuStreamSynchronize", handle);
    }

    /**
     * Records what an action enqueues, instead of running it. Addresses and numbers of its launches are kept as they are;
     * what changes from replay to replay must be in memory.
     */
    public CudaGraph capture(Runnable action) {
        driver.call("cuStreamBeginCapture_v2", handle, CAPTURE_THREAD_LOCAL);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment graph = arena.allocate(ValueLayout.JAVA_LONG);
            try {
                action.run();
            } catch (RuntimeException | Error e) {
                abandon(graph);
                throw e;
            }
            driver.call("cuStreamEndCapture", handle, graph);
            return context.graph(graph.get(ValueLayout.JAVA_LONG, 0));
        }
    }

    /** Ends a capture that failed; its graph may already be void. */
    private void abandon(MemorySegment graph) {
        int status = driver.status("cuStreamEndCapture", handle, graph);
        if (status == 0 && graph.get(ValueLayout.JAVA_LONG, 0) != 0) {
            driver.call("cuGraphDestroy", graph.get(ValueLayout.JAVA_LONG, 0));
        }
    }

    private static void check(DeviceMemory memory, long offset, long bytes) {
        if (offset < 0 || bytes > memory.bytes() - offset) {
            throw new IndexOutOfBoundsException(
                    "%d bytes at %d of %d on the device".formatted(bytes, offset, memory.bytes()));
        }
    }
}
