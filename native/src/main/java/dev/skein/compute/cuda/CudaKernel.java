package dev.skein.compute.cuda;

import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A kernel and the parameters of its next launch, which are written to memory of its own: a launch allocates nothing. Fill in
 * all parameters in their order, then {@link #launch}.
 */
public final class CudaKernel {
    private static final int MOST_PARAMETERS = 20;
    /** Static shared memory counts, too, towards the 48 KiB that need not be asked for. */
    private static final int SHARED_UNASKED = 24 << 10;

    private static final int MAX_DYNAMIC_SHARED = 8;
    private static final int LOCAL_BYTES = 3;

    /** {@code CUlaunchConfig}: grid, block and shared bytes, then from 32 the stream, attributes and their number. */
    private static final int LAUNCH_BYTES = 56;

    private static final int BLOCK = 12;
    private static final int SHARED = 24;
    private static final int STREAM = 32;
    private static final int ATTRIBUTES = 40;
    private static final int ATTRIBUTE_COUNT = 48;

    /** {@code CUlaunchAttribute}: which, and from 8 a value of 64 bytes. */
    private static final int ATTRIBUTE_BYTES = 72;

    private static final int PROGRAMMATIC_STREAM_SERIALIZATION = 6;
    private static final int CLUSTER_DIMENSION = 4;

    private final CudaDriver driver;
    private final String name;
    private final long function;
    private final MemorySegment values;
    private final MemorySegment pointers;
    private final MemorySegment launch;
    private final MemorySegment attributes;
    private final int always;
    private int filled;
    private int sharedAllowed = SHARED_UNASKED;

    CudaKernel(CudaContext context, String name, long function) {
        this.driver = context.driver();
        this.name = name;
        this.function = function;
        Arena arena = Arena.ofAuto();
        values = arena.allocate(ValueLayout.JAVA_LONG, MOST_PARAMETERS);
        pointers = arena.allocate(ValueLayout.ADDRESS, MOST_PARAMETERS);
        for (int i = 0; i < MOST_PARAMETERS; i++) {
            pointers.setAtIndex(ValueLayout.ADDRESS, i, values.asSlice(8L * i));
        }
        launch = arena.allocate(LAUNCH_BYTES, 8);
        attributes = arena.allocate(2L * ATTRIBUTE_BYTES, 8);
        attribute(0, PROGRAMMATIC_STREAM_SERIALIZATION, 1);
        launch.set(ValueLayout.ADDRESS, ATTRIBUTES, attributes);
        always = context.device().overlapsLaunches() ? 1 : 0;
        launch.set(ValueLayout.JAVA_INT, ATTRIBUTE_COUNT, always);
    }

    private void attribute(int index, int which, int... value) {
        long at = (long) index * ATTRIBUTE_BYTES;
        attributes.set(ValueLayout.JAVA_INT, at, which);
        for (int i = 0; i < value.length; i++) {
            attributes.set(ValueLayout.JAVA_INT, at + 8 + 4L * i, value[i]);
        }
    }

    /** How many blocks along x are a cluster in the launches from now on; 1: there are none. */
    CudaKernel clusters(int blocks) {
        attribute(always, CLUSTER_DIMENSION, blocks, 1, 1);
        launch.set(ValueLayout.JAVA_INT, ATTRIBUTE_COUNT, always + (blocks > 1 ? 1 : 0));
        return this;
    }

    public String name() {
        return name;
    }

    /** Bytes of each thread's own memory outside of registers; the build sees to it that it is 0. */
    public int localBytes() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_INT);
            driver.call("cuFuncGetAttribute", out, LOCAL_BYTES, function);
            return out.get(ValueLayout.JAVA_INT, 0);
        }
    }

    /** The next parameter: an address. */
    public CudaKernel with(DeviceMemory memory) {
        return with(memory.address());
    }

    /** The next parameter: 64 bits. */
    public CudaKernel with(long value) {
        values.setAtIndex(ValueLayout.JAVA_LONG, filled++, value);
        return this;
    }

    /** The next parameter: 32 bits. */
    public CudaKernel with(int value) {
        values.set(ValueLayout.JAVA_INT, 8L * filled++, value);
        return this;
    }

    public CudaKernel with(float value) {
        values.set(ValueLayout.JAVA_FLOAT, 8L * filled++, value);
        return this;
    }

    /** The next parameter: a map, which must be this parameter of every launch, for the kernel keeps where it lies. */
    CudaKernel with(CudaMap map) {
        return with(map.memory());
    }

    /** The next parameter: a structure, which must be this parameter of every launch, for the kernel keeps where it lies. */
    CudaKernel with(MemorySegment structure) {
        pointers.setAtIndex(ValueLayout.ADDRESS, filled++, structure);
        return this;
    }

    /** Enqueues it on a line of blocks. */
    public void launch(CudaStream stream, int x, int block) {
        launch(stream, x, 1, 1, block, 0);
    }

    /**
     * Enqueues it; the next launch starts with no parameters. Nothing happens if the grid is empty.
     *
     * @param block threads of a block
     * @param shared bytes of dynamic shared memory of a block
     */
    public void launch(CudaStream stream, int x, int y, int z, int block, int shared) {
        filled = 0;
        if (x == 0 || y == 0 || z == 0) {
            return;
        }
        allow(shared);
        launch.set(ValueLayout.JAVA_INT, 0, x);
        launch.set(ValueLayout.JAVA_INT, 4, y);
        launch.set(ValueLayout.JAVA_INT, 8, z);
        launch.set(ValueLayout.JAVA_INT, BLOCK, block);
        launch.set(ValueLayout.JAVA_INT, BLOCK + 4, 1);
        launch.set(ValueLayout.JAVA_INT, BLOCK + 8, 1);
        launch.set(ValueLayout.JAVA_INT, SHARED, shared);
        launch.set(ValueLayout.JAVA_LONG, STREAM, stream.handle());
        driver.launchKernel(launch, function, pointers);
    }

    private void allow(int shared) {
        if (shared > sharedAllowed) {
            driver.call("cuFuncSetAttribute", function, MAX_DYNAMIC_SHARED, shared);
            sharedAllowed = shared;
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
