package dev.skein.compute.cuda;

import dev.skein.compute.ComputeException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * One GPU in use. Opened, used and closed by one platform thread at a time; another one takes it over by {@link #enter}. What
 * it makes is freed when it is closed, in reverse order; closing it waits for what is still running.
 */
public final class CudaContext implements AutoCloseable {
    /** Memory of the device, from {@link #allocate} until the context closes. */
    public record DeviceMemory(long address, long bytes) {}

    private static final int BUS_BYTES = 32;

    private final CudaDriver driver;
    private final CudaDevice device;
    private final long context;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG, 2);
    private final Deque<Runnable> made = new ArrayDeque<>();
    private final Set<Long> memory = new LinkedHashSet<>();
    private final Set<Long> opened = new LinkedHashSet<>();
    private final Set<CudaGraph> graphs = new LinkedHashSet<>();
    private long freed;
    private final int handle;
    private Thread thread = Thread.currentThread();

    private CudaContext(CudaDriver driver, CudaDevice device, int handle, long context) {
        this.driver = driver;
        this.device = device;
        this.handle = handle;
        this.context = context;
    }

    /**
     * Opens a device.
     *
     * @throws ComputeException if it is not there or does not work
     */
    public static CudaContext open(int ordinal) {
        CudaDriver driver = CudaDriver.open()
                .orElseThrow(() -> new ComputeException(CudaDriver.library() + " cannot be opened", true));
        driver.call("cuInit", 0);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG);
            driver.call("cuDeviceGet", out, ordinal);
            int handle = out.get(ValueLayout.JAVA_INT, 0);
            CudaDevice device = CudaProbe.Devices.all(driver).get(ordinal);
            driver.call("cuDevicePrimaryCtxRetain", out, handle);
            long context = out.get(ValueLayout.JAVA_LONG, 0);
            driver.call("cuCtxSetCurrent", context);
            return new CudaContext(driver, device, handle, context);
        }
    }

    /**
     * Hands the context to the calling thread, which must be a platform thread; the one that had it makes no call any more.
     * Costs nothing where it has it already.
     */
    public void enter() {
        Thread caller = Thread.currentThread();
        if (caller == thread) {
            return;
        }
        if (caller.isVirtual()) {
            throw new WrongThreadException("a CUDA context belongs to a platform thread, not to " + caller);
        }
        driver.call("cuCtxSetCurrent", context);
        thread = caller;
    }

    public CudaDevice device() {
        return device;
    }

    /** Its place on the bus, by which others know it too: "0000:65:00.0". */
    String bus() {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment name = local.allocate(BUS_BYTES);
            driver.call("cuDeviceGetPCIBusId", name, BUS_BYTES, handle);
            return name.getString(0);
        }
    }

    CudaDriver driver() {
        return driver;
    }

    /** Bytes that could be allocated now. */
    public long freeBytes() {
        driver.call("cuMemGetInfo_v2", out, out.asSlice(8));
        return out.get(ValueLayout.JAVA_LONG, 0);
    }

    /**
     * Allocates memory of the device; what is in it is undefined.
     *
     * @throws ComputeException not fatal, if so much is not free
     */
    public DeviceMemory allocate(long bytes) {
        long address;
        try {
            address = make("cuMemAlloc_v2", Math.max(bytes, 1));
        } catch (ComputeException e) {
            throw new ComputeException(
                    "%s: asked for %,d bytes, free are %,d".formatted(e.getMessage(), bytes, freeBytes()), e.fatal());
        }
        memory.add(address);
        return new DeviceMemory(address, bytes);
    }

    /** Frees memory of the device before the context closes; waits for what may still use it. */
    public void free(DeviceMemory unused) {
        if (!memory.remove(unused.address())) {
            throw new IllegalArgumentException(unused + " is not this context's, or was freed");
        }
        freed++;
        driver.call("cuMemFree_v2", unused.address());
    }

    /** How often memory was freed or left: an address that was captured before the last time may be void. */
    long freed() {
        return freed;
    }

    /** By which another process may {@link #open} memory that is a whole allocation of some MiB. */
    byte[] handle(DeviceMemory shared) {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment handle = local.allocate(CudaDriver.MEMORY_HANDLE);
            driver.call("cuIpcGetMemHandle", handle, shared.address());
            return handle.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /**
     * Maps memory of another process, which may be on another GPU of this host, until {@link #leave} or the context closes.
     *
     * @return its address here
     * @throws ComputeException if this GPU does not reach it
     */
    long open(byte[] handle) {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment copy = local.allocate(CudaDriver.MEMORY_HANDLE);
            copy.copyFrom(MemorySegment.ofArray(handle));
            driver.openMemory(out, copy);
        }
        long address = out.get(ValueLayout.JAVA_LONG, 0);
        opened.add(address);
        return address;
    }

    /** Lets go of another process's memory, which nothing may use any more. */
    void leave(long address) {
        if (!opened.remove(address)) {
            throw new IllegalArgumentException("%x was not opened, or was left".formatted(address));
        }
        freed++;
        driver.call("cuIpcCloseMemHandle", address);
    }

    /** Allocates host memory that copies to and from the device need not pass through another buffer. */
    public MemorySegment allocatePinned(long bytes) {
        long address = make("cuMemHostAlloc", Math.max(bytes, 1), 0);
        made.push(() -> driver.call("cuMemFreeHost", address));
        return MemorySegment.ofAddress(address).reinterpret(bytes, arena, null);
    }

    public CudaStream stream() {
        // Not ordered with the default stream, which others in the process may use.
        long stream = make("cuStreamCreate", 1);
        made.push(() -> driver.call("cuStreamDestroy_v2", stream));
        return new CudaStream(this, stream);
    }

    public CudaEvent event() {
        long event = make("cuEventCreate", 0);
        made.push(() -> driver.call("cuEventDestroy_v2", event));
        return new CudaEvent(this, event);
    }

    /**
     * Loads kernels from machine code for several kinds of device (a fatbin).
     *
     * @throws ComputeException if none of it fits this device
     */
    public CudaKernels kernels(byte[] image) {
        try (Arena loading = Arena.ofConfined()) {
            MemorySegment code = loading.allocate(Math.max(image.length, 1), 64);
            MemorySegment.copy(image, 0, code, ValueLayout.JAVA_BYTE, 0, image.length);
            long library = make("cuLibraryLoadData", code, 0L, 0L, 0, 0L, 0L, 0);
            made.push(() -> driver.call("cuLibraryUnload", library));
            return new CudaKernels(this, library);
        }
    }

    CudaGraph graph(long captured) {
        long graph;
        try {
            graph = make("cuGraphInstantiateWithFlags", captured, 0L);
        } finally {
            driver.call("cuGraphDestroy", captured);
        }
        CudaGraph instantiated = new CudaGraph(graph);
        graphs.add(instantiated);
        return instantiated;
    }

    /** Frees a graph before the context closes. */
    void free(CudaGraph unused) {
        graphs.remove(unused);
        driver.call("cuGraphExecDestroy", unused.handle());
    }

    /** Waits for all that was enqueued. */
    public void synchronize() {
        driver.call("cuCtxSynchronize");
    }

    /** Calls a function whose first parameter takes the handle of what it makes. */
    long make(String function, Object... arguments) {
        if (Thread.currentThread() != thread) {
            throw new WrongThreadException(
                    "a CUDA context of %s, called by %s".formatted(thread, Thread.currentThread()));
        }
        Object[] all = new Object[arguments.length + 1];
        all[0] = out;
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        driver.call(function, all);
        return out.get(ValueLayout.JAVA_LONG, 0);
    }

    /** Frees everything, whatever fails on the way; the first failure is thrown at the end. */
    @Override
    public void close() {
        if (!arena.scope().isAlive()) {
            return;
        }
        List<ComputeException> failures = new ArrayList<>();
        // Another context may have been closed in this thread, which leaves it without any.
        run(() -> driver.call("cuCtxSetCurrent", context), failures);
        run(this::synchronize, failures);
        graphs.forEach(graph -> run(() -> driver.call("cuGraphExecDestroy", graph.handle()), failures));
        while (!made.isEmpty()) {
            run(made.pop(), failures);
        }
        opened.forEach(address -> run(() -> driver.call("cuIpcCloseMemHandle", address), failures));
        memory.forEach(address -> run(() -> driver.call("cuMemFree_v2", address), failures));
        run(() -> driver.call("cuCtxSetCurrent", 0L), failures);
        run(() -> driver.call("cuDevicePrimaryCtxRelease_v2", handle), failures);
        arena.close();
        if (!failures.isEmpty()) {
            throw failures.getFirst();
        }
    }

    private static void run(Runnable action, List<ComputeException> failures) {
        try {
            action.run();
        } catch (ComputeException e) {
            failures.add(e);
        }
    }
}
