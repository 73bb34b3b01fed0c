package dev.skein.gateway.text;

import java.util.Arrays;

/**
 * Bytes in, text out, an unfinished last character kept back. All that comes out equals the decoding of all bytes at
 * once, so U+FFFD stands only where the bytes are no UTF-8 at all: one for each longest part that could have begun a
 * character, as Unicode recommends and Python and Rust do (Java's own decoder treats surrogates otherwise).
 *
 * <p>Not thread-safe.
 */
final class Utf8Gate {
    private static final char REPLACEMENT = '\uFFFD';

    private byte[] buffer = new byte[64];
    private int kept;

    /** Appends to {@code out} the characters that {@code bytes} complete. */
    void accept(byte[] bytes, StringBuilder out) {
        int length = kept + bytes.length;
        if (length > buffer.length) {
            buffer = Arrays.copyOf(buffer, length * 2);
        }
        System.arraycopy(bytes, 0, buffer, kept, bytes.length);
        int settled = decode(length, out);
        kept = length - settled;
        System.arraycopy(buffer, settled, buffer, 0, kept);
    }

    /** Appends what is kept; no more bytes follow. */
    void finish(StringBuilder out) {
        if (kept > 0) {
            out.append(REPLACEMENT);
            kept = 0;
        }
    }

    /** @return where the unfinished last character begins; {@code length} if there is none */
    private int decode(int length, StringBuilder out) {
        int at = 0;
        while (at < length) {
            int lead = buffer[at] & 0xFF;
            int size = sizeOf(lead);
            int valid = size == 0 ? 1 : validFrom(at, lead, Math.min(size, length - at));
            if (valid == size) {
                append(at, lead, size, out);
            } else if (size > 0 && at + valid == length) {
                return at;
            } else {
                out.append(REPLACEMENT);
            }
            at += valid;
        }
        return at;
    }

    /** Bytes of the character that {@code lead} begins, 0 if it begins none. */
    private static int sizeOf(int lead) {
        if (lead < 0x80) {
            return 1;
        }
        if (lead < 0xC2 || lead > 0xF4) {
            return 0;
        }
        return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    }

    /** How many of {@code most} bytes from {@code at} on belong to one character. */
    private int validFrom(int at, int lead, int most) {
        int valid = 1;
        while (valid < most && continues(lead, valid, buffer[at + valid] & 0xFF)) {
            valid++;
        }
        return valid;
    }

    // The second byte's range depends on the first (Unicode, table 3-7): no overlong forms, no surrogates.
    private static boolean continues(int lead, int index, int next) {
        int lowest = 0x80;
        int highest = 0xBF;
        if (index == 1) {
            lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : lowest;
            highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : highest;
        }
        return next >= lowest && next <= highest;
    }

    private void append(int at, int lead, int size, StringBuilder out) {
        switch (size) {
            case 1 -> out.append((char) lead);
            case 2 -> out.append((char) ((lead & 0x1F) << 6 | low(at + 1)));
            case 3 -> out.append((char) ((lead & 0x0F) << 12 | low(at + 1) << 6 | low(at + 2)));
            default -> out.appendCodePoint((lead & 0x07) << 18 | low(at + 1) << 12 | low(at + 2) << 6 | low(at + 3));
        }
    }

    private int low(int at) {
        return buffer[at] & 0x3F;
    }
}
