package dev.skein.gateway.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;

/**
 * Bytes in, text out, an unfinished last character kept back. All that comes out equals the decoding of all bytes at
 * once, so U+FFFD stands only where the bytes are no UTF-8 at all.
 *
 * <p>Not thread-safe.
 */
final class Utf8Gate {
    private static final int LONGEST_KEPT = 3;

    private byte[] buffer = new byte[64];
    private int kept;

    /** Appends to {@code out} the characters that {@code bytes} complete. */
    void accept(byte[] bytes, StringBuilder out) {
        if (kept == 0 && isAscii(bytes)) {
            appendAscii(bytes, out);
            return;
        }
        int length = kept + bytes.length;
        if (length > buffer.length) {
            buffer = Arrays.copyOf(buffer, length * 2);
        }
        System.arraycopy(bytes, 0, buffer, kept, bytes.length);
        int settled = length - unfinished(buffer, length);
        out.append(new String(buffer, 0, settled, UTF_8));
        kept = length - settled;
        System.arraycopy(buffer, settled, buffer, 0, kept);
    }

    /** Appends what is kept; no more bytes follow. */
    void finish(StringBuilder out) {
        out.append(new String(buffer, 0, kept, UTF_8));
        kept = 0;
    }

    private static boolean isAscii(byte[] bytes) {
        for (byte b : bytes) {
            if (b < 0) {
                return false;
            }
        }
        return true;
    }

    private static void appendAscii(byte[] bytes, StringBuilder out) {
        for (byte b : bytes) {
            out.append((char) b);
        }
    }

    /** Length of the tail that is the true beginning of a character, 0 to 3. */
    private static int unfinished(byte[] bytes, int length) {
        for (int tail = 1; tail <= Math.min(LONGEST_KEPT, length); tail++) {
            int lead = bytes[length - tail] & 0xFF;
            if (lead < 0x80) {
                return 0;
            }
            if (lead >= 0xC0) {
                return tail < lengthOf(lead) && startsCharacter(lead, bytes, length - tail + 1, tail - 1) ? tail : 0;
            }
        }
        return 0;
    }

    private static int lengthOf(int lead) {
        if (lead < 0xC2 || lead > 0xF4) {
            return 0;
        }
        return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    }

    // The second byte's range depends on the first (Unicode 15, table 3-7): no overlong forms, no surrogates.
    private static boolean startsCharacter(int lead, byte[] bytes, int from, int count) {
        if (count == 0) {
            return true;
        }
        int second = bytes[from] & 0xFF;
        int lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        int highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        return second >= lowest && second <= highest;
    }
}
