package dev.skein.worker.model;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Reads a header front to back; nothing is read that is not there. What is being read is kept as a kind and a number
 * ({@link #at}), so that an error can name it and reading well-formed files builds no strings.
 */
final class GgufCursor {
    /** No string of a model file is longer; chat templates, the longest, are some ten thousand bytes. */
    static final long MAX_STRING_BYTES = 1 << 24;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path file;
    private final MemorySegment bytes;
    private long position;
    private String kind = "the header";
    private long number = -1;

    GgufCursor(Path file, MemorySegment bytes) {
        this.file = file;
        this.bytes = bytes;
    }

    /** Names what is read next: "key" 3, or with a negative number the kind alone. */
    void at(String kind, long number) {
        this.kind = kind;
        this.number = number;
    }

    long position() {
        return position;
    }

    void position(long to) {
        position = to;
    }

    long remaining() {
        return bytes.byteSize() - position;
    }

    int int32(String what) {
        require(Integer.BYTES, what);
        int value = bytes.get(INT, position);
        position += Integer.BYTES;
        return value;
    }

    long int64(String what) {
        require(Long.BYTES, what);
        long value = bytes.get(LONG, position);
        position += Long.BYTES;
        return value;
    }

    /** An unsigned 64-bit number from `least` to `most`. */
    long count(String what, long least, long most, String why) {
        long value = int64(what);
        if (value < least || value > most) {
            throw refused(what, Long.toUnsignedString(value), why + " " + (value > most || value < 0 ? most : least));
        }
        return value;
    }

    /** A length and that many bytes of UTF-8. */
    String string(String what, long least, long most) {
        long length = stringLength(what, least, most);
        String text = decode(file, subject(what), bytes, position, length);
        position += length;
        return text;
    }

    void skipString(String what) {
        long length = stringLength(what, 0, MAX_STRING_BYTES);
        position += length;
    }

    void skip(long count, String what) {
        require(count, what);
        position += count;
    }

    private long stringLength(String what, long least, long most) {
        long length = int64(what);
        if (length < 0 || length > remaining()) {
            throw refused(
                    "length of " + what,
                    Long.toUnsignedString(length),
                    "only %d bytes are left".formatted(remaining()));
        }
        if (length < least || length > most) {
            throw refused("length of " + what, length, "it may be from %d to %d".formatted(least, most));
        }
        return length;
    }

    private void require(long count, String what) {
        if (remaining() < count) {
            throw new CheckpointException(
                    file,
                    "the file ends within %s: %d bytes are wanted at %d of %d. It is cut short; fetch it again"
                            .formatted(subject(what), count, position, bytes.byteSize()));
        }
    }

    CheckpointException refused(String what, Object value, String bound) {
        return new CheckpointException(file, subject(what), value, bound);
    }

    private String subject(String what) {
        return number < 0 ? "%s of %s".formatted(what, kind) : "%s of %s %d".formatted(what, kind, number);
    }

    static String decode(Path file, String what, MemorySegment bytes, long position, long length) {
        ByteBuffer encoded = bytes.asSlice(position, length).asByteBuffer();
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(encoded).toString();
        } catch (CharacterCodingException notText) {
            throw new CheckpointException(file, "%s at byte %d is not UTF-8 text".formatted(what, position));
        }
    }
}
