package dev.skein.compute.cuda;

import dev.skein.compute.ComputeException;
import dev.skein.compute.collective.Collective;
import dev.skein.compute.collective.CollectiveException;
import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The other ranks that split this one's layers, each a process with a GPU of this host: launches {@code ranks.cu}. What the kernels
 * wait for comes over memory that all the GPUs reach; that a rank is lost is heard on the host, and there the kernels are told
 * to wait no longer.
 */
final class CudaRanks {
    static final int MOST = 8;

    /** What a rank brings to another at once: more goes in several launches. */
    static final long SLOT_BYTES = 8L << 20;

    /** Of four floats. */
    private static final int FOUR_BYTES = 16;

    private static final long SLOTS_AT = 4096;
    private static final int BLOCKS = 32;
    private static final int THREADS = 512;
    private static final int HANDLE_BYTES = (int) CudaDriver.MEMORY_HANDLE.byteSize();

    /** {@code Ranks} of the kernels: addresses of places, then these, and last rank and size. */
    private static final int STOPPED = 8 * MOST;

    private static final int LIMIT = STOPPED + 8;
    private static final int SLOT = LIMIT + 8;
    private static final int RANK = SLOT + 8;
    private static final int SIZE = RANK + 4;

    /** What stops the kernels' waiting if it is no rank's. */
    private static final int GIVEN_UP = -1;

    /** So long the end of a step is looked for without a pause: a step of one token for each sequence takes less. */
    private static final long SPIN_NANOS = 20_000_000;

    private static final long PAUSE_NANOS = 50_000;

    /** Between two looks at whether the others live. */
    private static final long LOOK_NANOS = 15_000_000;

    /** How long a step that nobody else is needed for any more may take to its end. */
    private static final long REST_NANOS = 100_000_000;

    private final CudaContext context;
    private final CudaStream stream;
    private final CudaScratch place;
    private final CudaKernel allReduce;
    private final CudaKernel gatherColumns;
    private final MemorySegment told;
    private final MemorySegment starts;
    private final MemorySegment stopped;
    /** Of the others. */
    private final List<Long> places = new ArrayList<>();

    private @Nullable Collective ranks;

    CudaRanks(CudaContext context, CudaStream stream, CudaKernels kernels) {
        this.context = context;
        this.stream = stream;
        place = new CudaScratch(context);
        allReduce = kernels.kernel("skein_all_reduce");
        gatherColumns = kernels.kernel("skein_gather_columns");
        Arena arena = Arena.ofAuto();
        told = arena.allocate(SIZE + 4L, 8);
        starts = arena.allocate(ValueLayout.JAVA_INT, MOST + 1);
        stopped = context.allocatePinned(Integer.BYTES);
        told.set(ValueLayout.JAVA_LONG, STOPPED, stopped.address());
        told.set(ValueLayout.JAVA_LONG, SLOT, SLOT_BYTES);
    }

    /**
     * Meets the others, all of which call this. None of their kernels waits any more for what was met before.
     *
     * @throws ComputeException if this GPU does not reach the memory of another rank's
     */
    void meet(Collective others) {
        if (others.size() > MOST) {
            throw new ComputeException(
                    "%d ranks split a layer; on GPUs %d are the most".formatted(others.size(), MOST), true);
        }
        DeviceMemory mine = place.atLeast(SLOTS_AT + 2 * others.size() * SLOT_BYTES);
        stopped.set(ValueLayout.JAVA_INT, 0, 0);
        stream.fill(mine, 0);
        stream.synchronize();
        byte[][] handles = exchange(others, context.handle(mine));
        for (int rank = 0; rank < others.size(); rank++) {
            told.set(
                    ValueLayout.JAVA_LONG,
                    8L * rank,
                    rank == others.rank() ? mine.address() : open(handles[rank], rank));
        }
        told.set(ValueLayout.JAVA_LONG, LIMIT, others.limit().toNanos());
        told.set(ValueLayout.JAVA_INT, RANK, others.rank());
        told.set(ValueLayout.JAVA_INT, SIZE, others.size());
        ranks = others;
    }

    /** Lets go of the others. Its own memory stays, as they may not have let go of that. */
    void leave() {
        ranks = null;
        stop();
        stream.synchronize();
        places.forEach(context::leave);
        places.clear();
    }

    boolean met() {
        return ranks != null;
    }

    private Collective ranks() {
        if (ranks == null) {
            throw new IllegalStateException("no other ranks have joined");
        }
        return ranks;
    }

    private static byte[][] exchange(Collective ranks, byte[] mine) {
        long[] lengths = new long[ranks.size()];
        Arrays.fill(lengths, HANDLE_BYTES);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment all = arena.allocate((long) HANDLE_BYTES * ranks.size());
            ranks.allGather(arena.allocateFrom(ValueLayout.JAVA_BYTE, mine), lengths, all);
            return IntStream.range(0, ranks.size())
                    .mapToObj(rank -> all.asSlice((long) HANDLE_BYTES * rank, HANDLE_BYTES)
                            .toArray(ValueLayout.JAVA_BYTE))
                    .toArray(byte[][]::new);
        }
    }

    private long open(byte[] handle, int rank) {
        try {
            long address = context.open(handle);
            places.add(address);
            return address;
        } catch (ComputeException unreachable) {
            throw new ComputeException(
                    "this rank's GPU does not reach the memory of rank %d's: %s. GPUs that split a model must be of one host, all named by CUDA_VISIBLE_DEVICES, and linked"
                            .formatted(rank, unreachable.getMessage()),
                    true);
        }
    }

    /** {@code floats[i] = sum of floats[i] over the ranks}: as many as a multiple of four. */
    void allReduce(DeviceMemory floats) {
        ranks();
        for (long at = 0; at < floats.bytes(); at += SLOT_BYTES) {
            allReduce
                    .with(told)
                    .with(floats.address() + at)
                    .with(Math.min(SLOT_BYTES, floats.bytes() - at) / FOUR_BYTES);
            launch(allReduce);
        }
    }

    /**
     * Puts columns side by side on the first rank.
     *
     * @param columns of each rank
     * @param all on the first rank; 0 on others
     */
    void gatherColumns(DeviceMemory part, int[] columns, long all, int rows) {
        int sum = 0;
        for (int rank = 0; rank < columns.length; rank++) {
            starts.setAtIndex(ValueLayout.JAVA_INT, rank, sum);
            sum += columns[rank];
        }
        starts.setAtIndex(ValueLayout.JAVA_INT, columns.length, sum);
        int longest = IntStream.of(columns).max().orElseThrow();
        if (4L * longest > SLOT_BYTES) {
            throw new IllegalArgumentException(
                    "a rank has %d columns; the CUDA kernels gather %d at most".formatted(longest, SLOT_BYTES / 4));
        }
        int atOnce = (int) (SLOT_BYTES / (4L * longest));
        for (int row = 0; row < rows; row += atOnce) {
            gatherColumns.with(told).with(starts).with(part.address() + 4L * row * columns[ranks().rank()]);
            gatherColumns.with(all == 0 ? 0 : all + 4L * row * sum).with(Math.min(atOnce, rows - row));
            launch(gatherColumns);
        }
    }

    private void launch(CudaKernel kernel) {
        kernel.launch(stream, BLOCKS, THREADS);
    }

    /**
     * Waits until all before an event is done.
     *
     * @throws CollectiveException if another rank did not come in time, or is lost
     */
    void await(CudaEvent done) {
        long begun = System.nanoTime();
        long look = LOOK_NANOS;
        while (!done.done()) {
            long waited = System.nanoTime() - begun;
            if (waited > look) {
                look = waited + LOOK_NANOS;
                check(done);
            }
            if (waited < SPIN_NANOS) {
                Thread.onSpinWait();
            } else {
                LockSupport.parkNanos(PAUSE_NANOS);
            }
        }
        int missing = stopped.get(ValueLayout.JAVA_INT, 0) - 1;
        if (missing >= 0) {
            throw new CollectiveException(
                    missing,
                    "rank %d did not come within %d ms; rank %d waited for it on its GPU"
                            .formatted(missing, ranks().limit().toMillis(), ranks().rank()));
        }
    }

    /** Ends a step that a rank is gone from, unless that had brought all that it had to. */
    private void check(CudaEvent done) {
        try {
            ranks().check();
        } catch (CollectiveException lost) {
            if (!endsAlone(done)) {
                stop();
                done.synchronize();
                throw lost;
            }
        }
    }

    private static boolean endsAlone(CudaEvent done) {
        long begun = System.nanoTime();
        while (!done.done() && System.nanoTime() - begun < REST_NANOS) {
            LockSupport.parkNanos(PAUSE_NANOS);
        }
        return done.done();
    }

    /** Lets no kernel wait any more; what they give from now on is worthless. */
    void stop() {
        stopped.set(ValueLayout.JAVA_INT, 0, GIVEN_UP);
    }
}
