package dev.skein.worker.model;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.function.ObjIntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The keys and values of a GGUF file. Values are read from the mapping when asked for; a value of another type, or out
 * of the caller's bounds, is a {@link CheckpointException} that names the key.
 */
public final class GgufMetadata {
    /** All strings of an array together. The vocabularies of today are some 3 MB. */
    private static final long MAX_TEXT_BYTES = 1 << 28;

    private static final VarHandle LENGTH = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final Path file;
    private final MemorySegment bytes;
    private final Map<String, Entry> entries;

    /**
     * Where a value lies; an array's first element.
     *
     * @param element the elements' type in an array; the type itself otherwise
     */
    record Entry(GgufValueType type, GgufValueType element, long count, long offset, long end) {}

    GgufMetadata(Path file, MemorySegment bytes, Map<String, Entry> entries) {
        this.file = file;
        this.bytes = bytes;
        this.entries = Collections.unmodifiableMap(entries);
    }

    public Set<String> keys() {
        return entries.keySet();
    }

    public boolean has(String key) {
        return entries.containsKey(key);
    }

    public Optional<String> text(String key) {
        return entry(key, "a string", GgufValueType.STRING).map(entry -> stringAt(key, entry.offset));
    }

    public String requiredText(String key) {
        return text(key).orElseThrow(() -> missing(key));
    }

    public Optional<Boolean> flag(String key) {
        return entry(key, "a boolean", GgufValueType.BOOL)
                .map(entry -> bytes.get(ValueLayout.JAVA_BYTE, entry.offset) != 0);
    }

    /** An integer of any width from `least` to `most`. */
    public OptionalInt integer(String key, int least, int most) {
        Entry entry = entries.get(key);
        if (entry == null) {
            return OptionalInt.empty();
        }
        if (!entry.type.integer()) {
            throw wrongType(key, entry, "an integer");
        }
        long value = integerAt(entry.type, entry.offset);
        if (value < least || value > most) {
            throw new CheckpointException(
                    file, key, entry.type.print(value), "it may be from %d to %d".formatted(least, most));
        }
        return OptionalInt.of((int) value);
    }

    public int requiredInteger(String key, int least, int most) {
        return integer(key, least, most).orElseThrow(() -> missing(key));
    }

    /** A finite number from `least` to `most`. */
    public Optional<Float> number(String key, double least, double most) {
        return entry(key, "a number", GgufValueType.FLOAT32, GgufValueType.FLOAT64)
                .map(entry -> {
                    double value = numberAt(entry.type, entry.offset);
                    if (!(value >= least && value <= most)) {
                        throw new CheckpointException(
                                file, key, value, "it may be from %s to %s".formatted(least, most));
                    }
                    return (float) value;
                });
    }

    public float requiredNumber(String key, double least, double most) {
        return number(key, least, most).orElseThrow(() -> missing(key));
    }

    /** An array of strings; empty where the key is missing. */
    public List<String> texts(String key, int most) {
        List<String> texts = new ArrayList<>((int) Math.min(most, count(key)));
        texts(key, most, _ -> true, (text, _) -> texts.add(text));
        return Collections.unmodifiableList(texts);
    }

    /**
     * Those strings of an array whose index is wanted, in order. Vocabularies are read while a worker starts, on cold
     * code: so the array is copied out of the mapping once, and strings are cut from the copy.
     */
    public void texts(String key, int most, IntPredicate wanted, ObjIntConsumer<String> each) {
        Entry entry = array(key, "strings", most, GgufValueType.STRING);
        if (entry == null) {
            return;
        }
        long size = entry.end - entry.offset;
        if (size > MAX_TEXT_BYTES) {
            throw new CheckpointException(
                    file, "the size of " + key, size, "it may be %d at most".formatted(MAX_TEXT_BYTES));
        }
        byte[] copy = bytes.asSlice(entry.offset, size).toArray(ValueLayout.JAVA_BYTE);
        int at = 0;
        for (int i = 0; i < entry.count; i++) {
            int length = (int) (long) LENGTH.get(copy, at);
            if (wanted.test(i)) {
                each.accept(text(key, copy, at + Long.BYTES, length), i);
            }
            at += Long.BYTES + length;
        }
    }

    private String text(String key, byte[] from, int at, int length) {
        String text = new String(from, at, length, StandardCharsets.UTF_8);
        // What is malformed is replaced by this character; a string that really holds it is looked at again.
        return text.indexOf('\ufffd') < 0
                ? text
                : GgufCursor.decode(file, key, MemorySegment.ofArray(from), at, length);
    }

    /** An array of 32-bit integers; empty where the key is missing. */
    public int[] integers(String key, int most) {
        Entry entry = array(key, "32-bit integers", most, GgufValueType.INT32, GgufValueType.UINT32);
        return entry == null
                ? new int[0]
                : bytes.asSlice(entry.offset, Integer.BYTES * entry.count)
                        .toArray(ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN));
    }

    /** An array of 32-bit floats; empty where the key is missing. */
    public float[] numbers(String key, int most) {
        Entry entry = array(key, "32-bit floats", most, GgufValueType.FLOAT32);
        return entry == null
                ? new float[0]
                : bytes.asSlice(entry.offset, Float.BYTES * entry.count)
                        .toArray(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN));
    }

    /** An array of booleans; empty where the key is missing. */
    public List<Boolean> flags(String key, int most) {
        Entry entry = array(key, "booleans", most, GgufValueType.BOOL);
        List<Boolean> flags = new ArrayList<>();
        for (long i = 0; entry != null && i < entry.count; i++) {
            flags.add(bytes.get(ValueLayout.JAVA_BYTE, entry.offset + i) != 0);
        }
        return Collections.unmodifiableList(flags);
    }

    /** How long an array is; 0 where the key is missing. */
    public long count(String key) {
        Entry entry = entries.get(key);
        return entry == null || entry.type != GgufValueType.ARRAY ? 0 : entry.count;
    }

    private CheckpointException missing(String key) {
        return new CheckpointException(file, "the key %s is missing".formatted(key));
    }

    private CheckpointException wrongType(String key, Entry entry, String wanted) {
        String found = entry.type == GgufValueType.ARRAY ? "an array of " + entry.element.label() : entry.type.label();
        return new CheckpointException(file, "the type of " + key, found, "it must be " + wanted);
    }

    private Optional<Entry> entry(String key, String wanted, GgufValueType... types) {
        Entry entry = entries.get(key);
        if (entry != null && !List.of(types).contains(entry.type)) {
            throw wrongType(key, entry, wanted);
        }
        return Optional.ofNullable(entry);
    }

    private @Nullable Entry array(String key, String wanted, int most, GgufValueType... elements) {
        Entry entry = entries.get(key);
        if (entry == null) {
            return null;
        }
        if (entry.type != GgufValueType.ARRAY || !List.of(elements).contains(entry.element)) {
            throw wrongType(key, entry, "an array of " + wanted);
        }
        if (entry.count > most) {
            throw new CheckpointException(
                    file, "the length of " + key, entry.count, "it may be %d at most".formatted(most));
        }
        return entry;
    }

    private String stringAt(String key, long offset) {
        return GgufCursor.decode(file, key, bytes, offset + Long.BYTES, lengthAt(offset));
    }

    private long lengthAt(long offset) {
        return bytes.get(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), offset);
    }

    private long integerAt(GgufValueType type, long offset) {
        byte[] raw = bytes.asSlice(offset, type.bytes()).toArray(ValueLayout.JAVA_BYTE);
        long value = type.signed() ? raw[raw.length - 1] >> 7 : 0;
        for (int i = raw.length - 1; i >= 0; i--) {
            value = value << 8 | (raw[i] & 0xff);
        }
        return value;
    }

    private double numberAt(GgufValueType type, long offset) {
        return type == GgufValueType.FLOAT32
                ? bytes.get(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), offset)
                : bytes.get(ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), offset);
    }
}
