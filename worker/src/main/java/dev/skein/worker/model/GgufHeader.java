package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Walks a header once and checks all of it: magic, version, keys and values, tensor records, and that the tensors' data
 * lies inside the file, aligned, without overlap. Bounds that the format leaves open are the constants here.
 */
final class GgufHeader {
    static final int MAGIC = 0x46554747; // "GGUF", little endian
    static final int MAX_KEYS = 1 << 16;
    static final int MAX_TENSORS = 1 << 16;
    static final int MAX_KEY_BYTES = (1 << 16) - 1;
    static final int MAX_NAME_BYTES = 64;
    static final int MAX_DIMENSIONS = 4;
    static final int MAX_NESTING = 4;
    static final int MAX_ALIGNMENT = 1 << 16;
    static final int DEFAULT_ALIGNMENT = 32;

    /** Shortest key: length, one byte, type, one byte of value. */
    private static final int KEY_BYTES = 8 + 1 + 4 + 1;
    /** Shortest tensor record: length, one byte, dimension count, one dimension, type, offset. */
    private static final int TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8;

    private final Path file;
    private final MemorySegment bytes;
    private final GgufCursor cursor;
    private final Map<String, GgufMetadata.Entry> entries = new LinkedHashMap<>();
    private final Map<String, GgufTensor> tensors = new LinkedHashMap<>();

    GgufHeader(Path file, MemorySegment bytes) {
        this.file = file;
        this.bytes = bytes;
        this.cursor = new GgufCursor(file, bytes);
    }

    GgufMetadata metadata() {
        return new GgufMetadata(file, bytes, entries);
    }

    Map<String, GgufTensor> tensors() {
        return tensors;
    }

    void read() {
        magicAndVersion();
        long tensorCount = count("tensor count", TENSOR_BYTES, MAX_TENSORS);
        long keyCount = count("key count", KEY_BYTES, MAX_KEYS);
        for (long i = 0; i < keyCount; i++) {
            cursor.at("key", i);
            key();
        }
        int alignment = alignment();
        List<TensorRecord> records = new ArrayList<>();
        for (long i = 0; i < tensorCount; i++) {
            cursor.at("tensor", i);
            records.add(tensorRecord());
        }
        place(records, alignment);
    }

    private void magicAndVersion() {
        int magic = cursor.int32("magic number");
        if (magic != MAGIC) {
            throw cursor.refused(
                    "magic number", "0x%08x".formatted(magic), "a GGUF file starts with 0x%08x".formatted(MAGIC));
        }
        int version = cursor.int32("version");
        if (version != 3 && version != 2) {
            throw cursor.refused(
                    "version",
                    Integer.toUnsignedString(version),
                    Integer.reverseBytes(version) == 3
                            ? "big-endian files are not supported"
                            : "2 and 3 are supported");
        }
    }

    private long count(String what, int leastBytes, long most) {
        long fits = Math.min(most, cursor.remaining() / leastBytes);
        return cursor.count(what, 0, fits, "the file can hold");
    }

    private void key() {
        String key = cursor.string("name", 1, MAX_KEY_BYTES);
        GgufValueType type = valueType();
        long start = cursor.position();
        GgufMetadata.Entry entry = type == GgufValueType.ARRAY
                ? array(1)
                : new GgufMetadata.Entry(type, type, 1, start, skipValues(type, 1, 1));
        if (entries.putIfAbsent(key, entry) != null) {
            throw new CheckpointException(file, "the key %s is there twice".formatted(key));
        }
    }

    private GgufValueType valueType() {
        int number = cursor.int32("value type");
        return GgufValueType.numbered(number)
                .orElseThrow(() -> cursor.refused(
                        "value type", Integer.toUnsignedString(number), "types are numbered from 0 to 12"));
    }

    private GgufMetadata.Entry array(int depth) {
        if (depth > MAX_NESTING) {
            throw cursor.refused("depth of arrays", depth, "it may be %d at most".formatted(MAX_NESTING));
        }
        GgufValueType element = valueType();
        long least = element.bytes() > 0 ? element.bytes() : element == GgufValueType.STRING ? 8 : 12;
        long count = cursor.count("array length", 0, cursor.remaining() / least, "the file can hold");
        long start = cursor.position();
        return new GgufMetadata.Entry(GgufValueType.ARRAY, element, count, start, skipValues(element, count, depth));
    }

    /** Returns where the values end. */
    private long skipValues(GgufValueType type, long count, int depth) {
        if (type.bytes() > 0) {
            cursor.skip(count * type.bytes(), "value");
        } else {
            for (long i = 0; i < count; i++) {
                if (type == GgufValueType.STRING) {
                    cursor.skipString("string");
                } else {
                    array(depth + 1);
                }
            }
        }
        return cursor.position();
    }

    private int alignment() {
        int alignment =
                metadata().integer("general.alignment", 8, MAX_ALIGNMENT).orElse(DEFAULT_ALIGNMENT);
        if (Integer.bitCount(alignment) != 1) {
            throw new CheckpointException(file, "general.alignment", alignment, "it must be a power of two");
        }
        return alignment;
    }

    private record TensorRecord(String name, ElementType type, List<Long> dimensions, long offset, long bytes) {}

    private TensorRecord tensorRecord() {
        String name = cursor.string("name", 1, MAX_NAME_BYTES);
        List<Long> dimensions = dimensions(name);
        ElementType type = elementType(name);
        long offset = cursor.int64("offset");
        return new TensorRecord(name, type, dimensions, offset, bytes(name, type, dimensions));
    }

    private List<Long> dimensions(String name) {
        int count = cursor.int32("number of dimensions");
        if (count < 1 || count > MAX_DIMENSIONS) {
            throw new CheckpointException(
                    file,
                    "the number of dimensions of " + name,
                    Integer.toUnsignedString(count),
                    "it may be from 1 to %d".formatted(MAX_DIMENSIONS));
        }
        List<Long> dimensions = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            dimensions.add(cursor.count("dimension", 1, Integer.MAX_VALUE, "it may go to"));
        }
        return dimensions;
    }

    private ElementType elementType(String name) {
        int number = cursor.int32("type");
        return TensorTypes.supported(number).orElseThrow(() -> {
            String type =
                    TensorTypes.unsupportedName(number).orElseGet(() -> "type " + Integer.toUnsignedString(number));
            return new CheckpointException(
                    file,
                    "%s of tensor %s is not supported yet; %s are"
                            .formatted(type, name, Arrays.toString(ElementType.values())));
        });
    }

    private long bytes(String name, ElementType type, List<Long> dimensions) {
        long columns = dimensions.getFirst();
        if (columns % type.blockElements() != 0) {
            throw new CheckpointException(
                    file,
                    "the row length of " + name,
                    columns,
                    "%s needs whole blocks of %d".formatted(type, type.blockElements()));
        }
        try {
            long total = type.rowBytes(columns);
            for (long dimension : dimensions.subList(1, dimensions.size())) {
                total = Math.multiplyExact(total, dimension);
            }
            return total;
        } catch (ArithmeticException overflow) {
            throw new CheckpointException(
                    file, "the size of " + name, dimensions, "that is more bytes than 64 bits count");
        }
    }

    private void place(List<TensorRecord> records, int alignment) {
        long start = (cursor.position() + alignment - 1) & -alignment;
        for (TensorRecord each : records) {
            GgufTensor tensor = new GgufTensor(
                    each.name, each.type, each.dimensions, start + inside(each, start, alignment), each.bytes);
            if (tensors.putIfAbsent(each.name, tensor) != null) {
                throw new CheckpointException(file, "the tensor %s is there twice".formatted(each.name));
            }
        }
        refuseOverlap();
    }

    private long inside(TensorRecord tensor, long start, int alignment) {
        if (tensor.offset % alignment != 0) {
            throw new CheckpointException(
                    file,
                    "the offset of " + tensor.name,
                    Long.toUnsignedString(tensor.offset),
                    "it must be a multiple of %d".formatted(alignment));
        }
        long room = bytes.byteSize() - start;
        if (tensor.offset < 0 || tensor.bytes > room || tensor.offset > room - tensor.bytes) {
            throw new CheckpointException(
                    file,
                    "the end of tensor %s would lie at %s + %d + %d, but the file ends at %d. It is cut short or damaged; fetch it again"
                            .formatted(
                                    tensor.name,
                                    Long.toUnsignedString(tensor.offset),
                                    tensor.bytes,
                                    start,
                                    bytes.byteSize()));
        }
        return tensor.offset;
    }

    private void refuseOverlap() {
        List<GgufTensor> ordered = new ArrayList<>(tensors.values());
        ordered.sort(Comparator.comparingLong(GgufTensor::offset));
        for (int i = 1; i < ordered.size(); i++) {
            GgufTensor before = ordered.get(i - 1);
            if (before.offset() + before.bytes() > ordered.get(i).offset()) {
                throw new CheckpointException(
                        file,
                        "the tensors %s and %s overlap"
                                .formatted(before.name(), ordered.get(i).name()));
            }
        }
    }
}
