package dev.skein.worker.engine;

import dev.skein.compute.collective.Collective;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Bytes of any length that one rank says to others. What fits into a frame goes in one call, as the inputs of most steps
 * do; the rest in a second. Reused, and grows as it must.
 */
final class Message implements AutoCloseable {
    private static final int FRAME = 4096;
    private static final int KIND = 0;
    private static final int LENGTH = 4;
    private static final int HEADER = 8;

    private Arena arena = Arena.ofShared();
    private MemorySegment memory = arena.allocate(FRAME, 64);

    /** Starts anew, and returns the room for what is to be said. */
    MemorySegment start(int kind, long bytes) {
        int length = Math.toIntExact(bytes);
        reserve(HEADER + bytes);
        memory.set(ValueLayout.JAVA_INT, KIND, kind);
        memory.set(ValueLayout.JAVA_INT, LENGTH, length);
        return content();
    }

    private void reserve(long bytes) {
        if (memory.byteSize() < bytes) {
            Arena next = Arena.ofShared();
            MemorySegment larger = next.allocate(2 * bytes, 64);
            MemorySegment.copy(memory, 0, larger, 0, FRAME);
            arena.close();
            arena = next;
            memory = larger;
        }
    }

    int kind() {
        return memory.get(ValueLayout.JAVA_INT, KIND);
    }

    /** What is said. */
    MemorySegment content() {
        return memory.asSlice(HEADER, length());
    }

    private int length() {
        return memory.get(ValueLayout.JAVA_INT, LENGTH);
    }

    /** Says it to all others. */
    void tell(Collective others) {
        others.broadcast(frame(), others.rank());
        if (hasRest()) {
            others.broadcast(rest(), others.rank());
        }
    }

    /** Waits until a rank says something, however long that takes. */
    void await(Collective others, int from) {
        others.awaitBroadcast(frame(), from);
        reserve(HEADER + (long) length());
        if (hasRest()) {
            others.broadcast(rest(), from);
        }
    }

    private MemorySegment frame() {
        return memory.asSlice(0, FRAME);
    }

    private boolean hasRest() {
        return HEADER + length() > FRAME;
    }

    private MemorySegment rest() {
        return memory.asSlice(FRAME, HEADER + (long) length() - FRAME);
    }

    @Override
    public void close() {
        arena.close();
    }
}
