package dev.skein.gateway.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What each id stands for. Immutable.
 *
 * <p>Bytes are those that the id adds to a text; a special id (one that marks and does not say) has its own text as
 * bytes, to be left out where the caller wishes. An id without an entry has none.
 */
public final class Vocabulary {
    private static final byte[] NOTHING = {};

    private final byte[][] bytes;
    private final String[] pieces;
    private final boolean[] special;
    private final boolean leadingSpace;
    private final int longest;

    private Vocabulary(Builder builder) {
        int size = builder.pieces.size();
        bytes = new byte[size][];
        pieces = new String[size];
        special = new boolean[size];
        int most = 1;
        for (int id = 0; id < size; id++) {
            String piece = builder.pieces.get(id);
            pieces[id] = piece == null ? "" : piece;
            byte[] own = builder.bytes.get(id);
            bytes[id] = own == null ? NOTHING : own;
            special[id] = builder.special.get(id);
            most = Math.max(most, bytes[id].length);
        }
        longest = most;
        leadingSpace = builder.leadingSpace;
    }

    public int size() {
        return bytes.length;
    }

    /** The bytes of {@code id}, shared and not to be changed; none for an id that the vocabulary lacks. */
    byte[] bytes(int id) {
        return id >= 0 && id < bytes.length ? bytes[id] : NOTHING;
    }

    /** As the model file spells it, such as {@code Ġworld}. */
    public String piece(int id) {
        return id >= 0 && id < pieces.length ? pieces[id] : "";
    }

    public boolean isSpecial(int id) {
        return id >= 0 && id < special.length && special[id];
    }

    /** Bytes of the longest entry: a text of n bytes has at least n / longest ids. */
    public int longestBytes() {
        return longest;
    }

    /** The UTF-8 that {@code id} adds, a copy. */
    public byte[] utf8(int id) {
        return bytes(id).clone();
    }

    /** The text of {@code id} alone; {@code bytes:\xNN...} where it is only a part of a character. */
    public String text(int id) {
        byte[] own = bytes(id);
        String text = new String(own, UTF_8);
        if (text.indexOf('\uFFFD') < 0 || Arrays.equals(text.getBytes(UTF_8), own)) {
            return text;
        }
        StringBuilder escaped = new StringBuilder("bytes:");
        for (byte b : own) {
            escaped.append("\\x").append(HexFormat.of().toHexDigits(b));
        }
        return escaped.toString();
    }

    /** Characters that begin in {@code id}, as Python counts them: those of all ids are as many as their text has. */
    public int characters(int id) {
        int begun = 0;
        for (byte b : bytes(id)) {
            if ((b & 0xC0) != 0x80) {
                begun++;
            }
        }
        return begun;
    }

    /** The text of whole {@code ids}. */
    public String decode(int[] ids, boolean skipSpecial) {
        Utf8Gate gate = new Utf8Gate();
        StringBuilder text = new StringBuilder(ids.length * 4);
        for (int id : ids) {
            if (!skipSpecial || !isSpecial(id)) {
                gate.accept(bytes(id), text);
            }
        }
        gate.finish(text);
        if (leadingSpace && !text.isEmpty() && text.charAt(0) == ' ') {
            text.deleteCharAt(0);
        }
        return text.toString();
    }

    static final class Builder {
        private final List<@Nullable String> pieces = new ArrayList<>();
        private final List<byte @Nullable []> bytes = new ArrayList<>();
        private final List<Boolean> special = new ArrayList<>();
        private boolean leadingSpace;

        void put(int id, String piece, byte[] own, boolean isSpecial) {
            while (pieces.size() <= id) {
                pieces.add(null);
                bytes.add(null);
                special.add(false);
            }
            pieces.set(id, piece);
            bytes.set(id, own);
            special.set(id, isSpecial);
        }

        /** Whether the tokenizer puts a space before a text, which decoding takes away again. */
        void leadingSpace(boolean added) {
            leadingSpace = added;
        }

        Vocabulary build() {
            return new Vocabulary(this);
        }
    }
}
