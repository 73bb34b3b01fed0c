package dev.skein.gateway.json;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Writes JSON as UTF-8 into a buffer that grows and is used again; commas come by themselves. A lone surrogate becomes
 * U+FFFD.
 *
 * <p>The caller keeps the nesting right. Not thread-safe.
 */
public final class JsonWriter {
    private static final byte[] HEX = "0123456789abcdef".getBytes(ISO_8859_1);

    private static final int KEPT = 1 << 20;

    private byte[] bytes = new byte[1024];
    private int length;
    private boolean comma;

    /** Forgets all that was written. */
    public JsonWriter reset() {
        if (bytes.length > KEPT) {
            bytes = new byte[1024];
        }
        length = 0;
        comma = false;
        return this;
    }

    public int length() {
        return length;
    }

    /** A copy of what was written. */
    public byte[] toBytes() {
        return Arrays.copyOf(bytes, length);
    }

    /** Bytes as they are, with no comma before and none expected after. */
    public JsonWriter raw(byte[] ascii) {
        room(ascii.length);
        System.arraycopy(ascii, 0, bytes, length, ascii.length);
        length += ascii.length;
        comma = false;
        return this;
    }

    public JsonWriter beginObject() {
        return open('{');
    }

    public JsonWriter endObject() {
        return close('}');
    }

    public JsonWriter beginArray() {
        return open('[');
    }

    public JsonWriter endArray() {
        return close(']');
    }

    /** A field's name; its value follows. */
    public JsonWriter name(String name) {
        string(name);
        put(':');
        comma = false;
        return this;
    }

    public JsonWriter value(@Nullable String value) {
        return value == null ? nul() : string(value);
    }

    public JsonWriter value(long value) {
        separate();
        digits(Long.toString(value));
        return this;
    }

    /** Not-a-number and infinity, which JSON lacks, become null. */
    public JsonWriter value(double value) {
        if (!Double.isFinite(value)) {
            return nul();
        }
        separate();
        digits(Double.toString(value));
        return this;
    }

    /** The shortest digits that give this float again. */
    public JsonWriter value(float value) {
        if (!Float.isFinite(value)) {
            return nul();
        }
        separate();
        digits(Float.toString(value));
        return this;
    }

    public JsonWriter value(boolean value) {
        separate();
        digits(value ? "true" : "false");
        return this;
    }

    public JsonWriter nul() {
        separate();
        digits("null");
        return this;
    }

    public JsonWriter field(String name, @Nullable String value) {
        return name(name).value(value);
    }

    public JsonWriter field(String name, long value) {
        return name(name).value(value);
    }

    public JsonWriter field(String name, boolean value) {
        return name(name).value(value);
    }

    public JsonWriter nulField(String name) {
        return name(name).nul();
    }

    /** What {@link JsonReader} reads: maps, lists, strings, numbers, booleans, null. */
    public JsonWriter any(@Nullable Object value) {
        return switch (value) {
            case null -> nul();
            case String text -> string(text);
            case Boolean flag -> value(flag.booleanValue());
            case Double number -> value(number.doubleValue());
            case Float number -> value(number.floatValue());
            case Number number -> {
                separate();
                digits(number.toString());
                yield this;
            }
            case Map<?, ?> map -> object(map);
            case List<?> list -> array(list);
            default -> throw new IllegalArgumentException("no JSON for " + value.getClass());
        };
    }

    /** A string in quotes. */
    public JsonWriter string(CharSequence text) {
        separate();
        int count = text.length();
        room(count + 2);
        put('"');
        for (int i = 0; i < count; i++) {
            char c = text.charAt(i);
            if (c < 0x80) {
                ascii(c);
            } else if (Character.isHighSurrogate(c) && i + 1 < count && Character.isLowSurrogate(text.charAt(i + 1))) {
                wide(Character.toCodePoint(c, text.charAt(++i)));
            } else {
                wide(Character.isSurrogate(c) ? 0xFFFD : c);
            }
        }
        put('"');
        return this;
    }

    private JsonWriter object(Map<?, ?> map) {
        beginObject();
        map.forEach((name, value) -> name(String.valueOf(name)).any(value));
        return endObject();
    }

    private JsonWriter array(List<?> list) {
        beginArray();
        list.forEach(this::any);
        return endArray();
    }

    private void ascii(char c) {
        if (c >= ' ' && c != '"' && c != '\\') {
            put(c);
            return;
        }
        put('\\');
        switch (c) {
            case '"', '\\' -> put(c);
            case '\n' -> put('n');
            case '\r' -> put('r');
            case '\t' -> put('t');
            default -> {
                put('u');
                put('0');
                put('0');
                put(HEX[c >> 4]);
                put(HEX[c & 15]);
            }
        }
    }

    private void wide(int c) {
        if (c < 0x800) {
            put(0xC0 | c >> 6);
        } else {
            if (c < 0x10000) {
                put(0xE0 | c >> 12);
            } else {
                put(0xF0 | c >> 18);
                put(0x80 | c >> 12 & 0x3F);
            }
            put(0x80 | c >> 6 & 0x3F);
        }
        put(0x80 | c & 0x3F);
    }

    private void digits(String ascii) {
        room(ascii.length());
        for (int i = 0; i < ascii.length(); i++) {
            bytes[length++] = (byte) ascii.charAt(i);
        }
    }

    private JsonWriter open(char bracket) {
        separate();
        put(bracket);
        comma = false;
        return this;
    }

    private JsonWriter close(char bracket) {
        room(1);
        put(bracket);
        comma = true;
        return this;
    }

    private void separate() {
        room(2);
        if (comma) {
            put(',');
        }
        comma = true;
    }

    private void put(int b) {
        if (length == bytes.length) {
            room(1);
        }
        bytes[length++] = (byte) b;
    }

    private void room(int more) {
        if (bytes.length - length < more) {
            bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, Math.addExact(length, more)));
        }
    }
}
