package dev.skein.compute.collective;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * The file that ranks of one host share, mapped: who is in the group, whether it has failed, and words that one writes and
 * others wait for.
 *
 * <p>Each rank holds a lock on a byte of its own behind the end of the file. The system lets go of it when the process dies,
 * however it dies, before its parent has looked after it and also where processes see other process numbers: whoever gets
 * a rank's lock knows that it is dead. Ranks of the same process are known to live.
 *
 * <p>Methods may be called from any thread until {@link #close}.
 */
final class SharedGroup implements AutoCloseable {
    static final long JOINED = 1;
    static final long CLOSED = 2;

    private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
    private static final long LOCKS_AT = 1L << 40;
    private static final long BEING_WRITTEN = 1;
    private static final long WRITTEN = 2;

    private final SharedLayout layout;
    private final FileChannel channel;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory;
    /** Held here, as Java forgets locks that nobody knows. */
    private @Nullable FileLock place;

    SharedGroup(FileChannel channel, SharedLayout layout) throws IOException {
        this.channel = channel;
        this.layout = layout;
        this.memory = channel.map(FileChannel.MapMode.READ_WRITE, 0, layout.bytes(), arena);
    }

    SharedLayout layout() {
        return layout;
    }

    MemorySegment memory() {
        return memory;
    }

    // Words

    long read(long offset) {
        return (long) LONG.getAcquire(memory, offset);
    }

    /** Whatever was written before is seen by whoever reads this. */
    void publish(long offset, long value) {
        LONG.setRelease(memory, offset, value);
    }

    /** May be seen late, and before or after other words; for what is published or awaited otherwise. */
    void write(long offset, long value) {
        LONG.set(memory, offset, value);
    }

    // Members

    /** Takes a rank's place. Whether it was free. */
    boolean enter(int rank) throws IOException {
        place = lock(channel, rank);
        if (place == null) {
            return false;
        }
        write(layout.process(rank), ProcessHandle.current().pid());
        return LONG.compareAndSet(memory, layout.state(rank), 0L, JOINED);
    }

    boolean hasJoined(int rank) {
        return read(layout.state(rank)) != 0;
    }

    boolean hasClosed(int rank) {
        return read(layout.state(rank)) == CLOSED;
    }

    long process(int rank) {
        return read(layout.process(rank));
    }

    /** Whether the process of a rank that joined has ended. */
    boolean isDead(int rank) {
        try {
            return process(rank) != ProcessHandle.current().pid() && isFree(channel, rank);
        } catch (IOException e) {
            throw new IllegalStateException("cannot see whether rank %d lives".formatted(rank), e);
        }
    }

    /** Whether nobody has the lock of a rank's byte. */
    static boolean isFree(FileChannel channel, int rank) throws IOException {
        FileLock lock = lock(channel, rank);
        if (lock == null) {
            return false;
        }
        lock.release();
        return true;
    }

    private static @Nullable FileLock lock(FileChannel channel, int rank) throws IOException {
        try {
            return channel.tryLock(LOCKS_AT + rank, 1, false);
        } catch (OverlappingFileLockException e) {
            return null; // this process has it
        }
    }

    void leave(int rank) {
        publish(layout.state(rank), CLOSED);
    }

    // Failure

    boolean hasFailed() {
        return read(SharedLayout.FAILURE_AT) != 0;
    }

    /** Fails the group for all, unless it has failed already: the first reason stays. */
    void fail(int missing, String reason) {
        if (!LONG.compareAndSet(memory, SharedLayout.FAILURE_AT, 0L, BEING_WRITTEN)) {
            return;
        }
        byte[] text = reason.getBytes(StandardCharsets.UTF_8);
        int length = Math.min(text.length, SharedLayout.FAILURE_TEXT_BYTES);
        MemorySegment.copy(text, 0, memory, ValueLayout.JAVA_BYTE, SharedLayout.FAILURE_TEXT_AT, length);
        write(SharedLayout.FAILED_RANK_AT, missing);
        write(SharedLayout.FAILURE_LENGTH_AT, length);
        publish(SharedLayout.FAILURE_AT, WRITTEN);
    }

    /** Why the group failed. */
    CollectiveException failure() {
        for (int i = 0; read(SharedLayout.FAILURE_AT) != WRITTEN; i++) {
            if (i == 1_000_000) {
                return new CollectiveException(0, "the group failed, and who said so died before it could say why");
            }
            Thread.onSpinWait();
        }
        byte[] text = new byte[Math.clamp(read(SharedLayout.FAILURE_LENGTH_AT), 0, SharedLayout.FAILURE_TEXT_BYTES)];
        MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, SharedLayout.FAILURE_TEXT_AT, text, 0, text.length);
        return new CollectiveException(
                (int) read(SharedLayout.FAILED_RANK_AT), new String(text, StandardCharsets.UTF_8));
    }

    /** Unmaps the file and lets go of this rank's lock. */
    @Override
    public void close() {
        arena.close();
        try {
            channel.close();
        } catch (IOException e) {
            throw new IllegalStateException("cannot close the file of a group", e);
        }
    }
}
