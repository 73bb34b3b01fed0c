package dev.skein.gateway.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;

/**
 * GPT-2's way of writing any bytes as printable text: the 188 bytes that print in Latin-1 stand for themselves, the 68
 * others are U+0100 and on, in order.
 */
final class ByteAlphabet {
    private static final char[] LETTERS = letters();
    private static final short[] BYTE_OF = byteOf();

    private ByteAlphabet() {}

    /** The bytes that {@code piece} writes; characters outside the alphabet give their own UTF-8. */
    static byte[] bytes(String piece) {
        byte[] bytes = new byte[piece.length()];
        for (int i = 0; i < bytes.length; i++) {
            char c = piece.charAt(i);
            if (c >= BYTE_OF.length || BYTE_OF[c] < 0) {
                return mixed(piece);
            }
            bytes[i] = (byte) BYTE_OF[c];
        }
        return bytes;
    }

    private static byte[] mixed(String piece) {
        byte[] bytes = new byte[piece.length() * 4];
        int length = 0;
        for (int i = 0; i < piece.length(); ) {
            int c = piece.codePointAt(i);
            i += Character.charCount(c);
            if (c < BYTE_OF.length && BYTE_OF[c] >= 0) {
                bytes[length++] = (byte) BYTE_OF[c];
            } else {
                byte[] own = Character.toString(c).getBytes(UTF_8);
                System.arraycopy(own, 0, bytes, length, own.length);
                length += own.length;
            }
        }
        return Arrays.copyOf(bytes, length);
    }

    /** The character that writes byte {@code b}. */
    static char letter(int b) {
        return LETTERS[b];
    }

    /** How the UTF-8 of {@code text} is written. */
    static String spelled(String text) {
        StringBuilder spelled = new StringBuilder(text.length());
        for (byte b : text.getBytes(UTF_8)) {
            spelled.append(LETTERS[b & 0xFF]);
        }
        return spelled.toString();
    }

    private static char[] letters() {
        char[] letters = new char[256];
        int next = 0x100;
        for (int b = 0; b < 256; b++) {
            letters[b] = (char) (prints(b) ? b : next++);
        }
        return letters;
    }

    private static short[] byteOf() {
        short[] map = new short[0x100 + 68];
        Arrays.fill(map, (short) -1);
        for (int b = 0; b < 256; b++) {
            map[LETTERS[b]] = (short) b;
        }
        return map;
    }

    private static boolean prints(int b) {
        return b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
    }
}
