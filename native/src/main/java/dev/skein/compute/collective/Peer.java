package dev.skein.compute.collective;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * The connection to another rank, from one end: what is still to be sent and what is still awaited, moved on by whoever
 * calls {@link #write} and {@link #read}, which never wait.
 *
 * <p>What goes over the wire are frames: a kind and a length of 4 bytes each, then the bytes. A call is announced by a frame
 * that says which, then come its bytes in frames of data. Frames are short, so between two of them an end can still say why
 * it fails. Bytes that come before the call they are for stay where they are.
 */
final class Peer {
    /** A frame and what is read at once: enough for the system's calls to cost little beside copying. */
    private static final int CAPACITY = 128 << 10;

    private static final int FRAME = 8;
    private static final int CALL = 1;
    private static final int DATA = 2;
    private static final int FAILED = 3;
    private static final int LEFT = 4;
    private static final int WAITING = 5;
    /** Whom a rank waits for that waits for nobody. */
    static final int NOBODY = -1;

    private static final int CALL_BYTES = 24;
    private static final int TEXT_BYTES = 1024;
    private static final MemorySegment NOTHING = MemorySegment.NULL;

    private final int rank;
    private final int self;
    private final Wire wire;
    private final ByteBuffer out = buffer();
    private final ByteBuffer in = buffer();
    private final MemorySegment outMemory = MemorySegment.ofBuffer(out);
    private final MemorySegment inMemory = MemorySegment.ofBuffer(in);

    private MemorySegment source = NOTHING;
    private long sourceAt;
    private long sourceEnd;

    private @Nullable Call due;
    private MemorySegment target = NOTHING;
    private long targetAt;
    private long targetEnd;
    /** Bytes of the frame of data that is being read. */
    private int frameLeft;

    private boolean isFlushed = true;
    private int waitsFor = NOBODY;
    private boolean hasLeft;
    /** Nothing can be sent any more. */
    private boolean isDeaf;
    /** Nothing can come any more. */
    private boolean isMute;

    Peer(int rank, int self, Wire wire) {
        this.rank = rank;
        this.self = self;
        this.wire = wire;
        out.flip();
        in.flip();
    }

    private static ByteBuffer buffer() {
        return ByteBuffer.allocateDirect(CAPACITY).order(ByteOrder.LITTLE_ENDIAN);
    }

    int rank() {
        return rank;
    }

    // What is to be done

    /** Sends bytes, after saying which call they belong to where that is new. All that was offered before is sent. */
    void offer(@Nullable Call call, MemorySegment bytes, long at, long length) {
        source = bytes;
        sourceAt = at;
        sourceEnd = at + length;
        out.clear();
        if (call != null) {
            out.putInt(CALL).putInt(CALL_BYTES);
            out.putLong(call.what()).putLong(call.bytes()).putLong(call.history());
        }
        fill();
    }

    /** Receives bytes, after the other has said that they belong to the same call where that is new. */
    void expect(@Nullable Call call, MemorySegment bytes, long at, long length) {
        due = call;
        target = bytes;
        targetAt = at;
        targetEnd = at + length;
    }

    boolean isSent() {
        return isFlushed && !out.hasRemaining();
    }

    boolean isDone() {
        return isSent() && isReceived();
    }

    private boolean isReceived() {
        return due == null && targetAt == targetEnd;
    }

    // Moving on

    /** Sends what the system takes now. Whether it took anything. */
    boolean write() {
        if (isSent() || isDeaf) {
            return false;
        }
        int written;
        try {
            written = wire.write(out);
            isFlushed = wire.flush();
        } catch (IOException e) {
            isDeaf = true;
            return false; // what the other said last may still be read
        }
        if (!out.hasRemaining() && sourceAt < sourceEnd) {
            out.clear();
            fill();
        }
        return written > 0 || isSent();
    }

    private void fill() {
        while (sourceAt < sourceEnd && out.remaining() > FRAME) {
            int length = (int) Math.min(sourceEnd - sourceAt, out.remaining() - FRAME);
            out.putInt(DATA).putInt(length);
            MemorySegment.copy(source, sourceAt, outMemory, out.position(), length);
            out.position(out.position() + length);
            sourceAt += length;
        }
        out.flip();
    }

    /**
     * Takes what has come. Whether anything had.
     *
     * @throws CollectiveException if the other says why it fails, or makes another call
     */
    boolean read() {
        boolean moved = parse();
        if (isReceived() || isMute) {
            return moved;
        }
        return take() && parse();
    }

    /** Sees whether the other is still there, though nothing is awaited of it. */
    void listen() {
        if (in.remaining() < CAPACITY / 2 && !isMute) {
            take();
        }
        parse();
    }

    /**
     * Takes all that the other sent before it went: the last of it may be the reason.
     *
     * @throws CollectiveException if it is
     */
    void hearOut() {
        boolean more = true;
        while (more && !isMute && in.remaining() < CAPACITY) {
            more = take();
            parse();
        }
    }

    private boolean take() {
        in.compact();
        try {
            int taken = wire.read(in);
            isMute |= taken < 0;
            return taken != 0;
        } catch (IOException e) {
            isMute = true;
            return true;
        } finally {
            in.flip();
        }
    }

    /** Whether anything was taken out of the buffer. */
    private boolean parse() {
        int start = in.position();
        while (frameLeft > 0 ? copyData() : in.remaining() >= FRAME && openFrame()) {
            // the next
        }
        return in.position() != start;
    }

    private boolean copyData() {
        int length = (int) Math.min(Math.min(frameLeft, in.remaining()), targetEnd - targetAt);
        MemorySegment.copy(inMemory, in.position(), target, targetAt, length);
        in.position(in.position() + length);
        targetAt += length;
        frameLeft -= length;
        return length > 0;
    }

    /** Goes into the next frame if it is its turn and enough of it is there. */
    private boolean openFrame() {
        int kind = in.getInt(in.position());
        int length = in.getInt(in.position() + 4);
        if (length < 0 || length > CAPACITY - FRAME) {
            throw nonsense("a frame of %d bytes".formatted(length));
        }
        return switch (kind) {
            case CALL -> due != null && isWhole(CALL_BYTES) && checkCall(due);
            case DATA -> due == null && targetAt < targetEnd && openData(length);
            case FAILED -> isWhole(length) && failed(length);
            case LEFT -> left();
            case WAITING -> isWhole(4) && waits();
            default -> throw nonsense("a frame of kind %d".formatted(kind));
        };
    }

    private boolean isWhole(int length) {
        return in.remaining() >= FRAME + length;
    }

    private boolean checkCall(Call mine) {
        in.position(in.position() + FRAME);
        long what = in.getLong();
        long bytes = in.getLong();
        if (!mine.sameAs(what, bytes, in.getLong())) {
            throw new CollectiveException(rank, mine.mismatch(rank, what, bytes, self));
        }
        due = null;
        return true;
    }

    private boolean openData(int length) {
        in.position(in.position() + FRAME);
        frameLeft = length;
        return true;
    }

    private boolean failed(int length) {
        if (length < 4) {
            throw nonsense("no reason");
        }
        in.position(in.position() + FRAME);
        int missing = in.getInt();
        byte[] text = new byte[length - 4];
        in.get(text);
        throw new CollectiveException(missing, new String(text, StandardCharsets.UTF_8));
    }

    private boolean left() {
        in.position(in.position() + FRAME);
        hasLeft = true;
        return true;
    }

    private boolean waits() {
        in.position(in.position() + FRAME);
        waitsFor = in.getInt();
        return true;
    }

    private CollectiveException nonsense(String what) {
        return new CollectiveException(rank, "rank %d sends %s, which is none of this protocol".formatted(rank, what));
    }

    /** Says whom this end has been waiting for since long, so that it is not to blame; {@link #NOBODY} takes it back. */
    void sayWaiting(int other) {
        if (isSent() && !isDeaf) {
            out.clear();
            out.putInt(WAITING).putInt(4).putInt(other).flip();
        }
    }

    int waitsFor() {
        return waitsFor;
    }

    // Ends

    /** Whether nothing more can come of it. */
    boolean isGone() {
        return isDeaf || isMute;
    }

    String whyGone() {
        return hasLeft ? "has left the group" : "is not connected any more: it died, or its host or the network failed";
    }

    /** Puts the reason behind what is being sent; it goes with the next {@link #write}s. */
    void sayFailed(int missing, String reason) {
        byte[] text = reason.getBytes(StandardCharsets.UTF_8);
        int length = Math.min(text.length, TEXT_BYTES);
        sourceEnd = sourceAt;
        out.compact();
        if (out.remaining() >= FRAME + 4 + length) {
            out.putInt(FAILED).putInt(4 + length).putInt(missing).put(text, 0, length);
        }
        out.flip();
    }

    void sayLeft() {
        sourceEnd = sourceAt;
        out.compact();
        if (out.remaining() >= FRAME) {
            out.putInt(LEFT).putInt(0);
        }
        out.flip();
    }

    /** Sends nothing more. */
    void finish() {
        isDeaf = true;
        try {
            wire.finish();
        } catch (IOException e) {
            isMute = true;
        }
    }

    /**
     * Throws away what the other still sends. A connection that is closed with bytes unread is cut, and what was sent on it
     * last may be lost. Whether the other has finished too.
     */
    boolean drain() {
        in.clear().flip();
        if (!isMute) {
            take();
        }
        return isMute;
    }

    void close() {
        isDeaf = true;
        isMute = true;
        try {
            wire.close();
        } catch (IOException e) {
            // gone is gone
        }
    }
}
