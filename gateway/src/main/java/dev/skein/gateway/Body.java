package dev.skein.gateway;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** The bytes of a body as they arrive: memory is taken for what has come, never for what is announced. */
final class Body {
    private static final int FIRST_ALLOCATION = 64 << 10;
    private static final int SHORTEST = 256;

    private final int most;
    private byte @Nullable [] bytes;
    private int length;

    /**
     * @param announced the length that the client told, below 0 for none
     * @param most bytes that will be added at most
     */
    Body(long announced, int most) {
        this.most = announced >= 0 && announced <= most ? (int) announced : most;
        this.bytes = new byte[(int) Math.clamp(announced, SHORTEST, FIRST_ALLOCATION)];
    }

    /** Appends {@code chunk}, unless the body was taken. */
    void add(byte[] chunk) {
        byte[] held = bytes;
        if (held == null) {
            return;
        }
        int needed = length + chunk.length;
        if (needed > held.length) {
            held = Arrays.copyOf(held, Math.max(needed, (int) Math.min(most, held.length * 2L)));
            bytes = held;
        }
        System.arraycopy(chunk, 0, held, length, chunk.length);
        length = needed;
    }

    /** All of it, which is not held here any more: a body may be large and its answer may take long. */
    byte[] take() {
        byte[] held = bytes == null ? new byte[0] : bytes;
        bytes = null;
        return held.length == length ? held : Arrays.copyOf(held, length);
    }
}
