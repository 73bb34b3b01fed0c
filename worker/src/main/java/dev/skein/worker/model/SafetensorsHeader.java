package dev.skein.worker.model;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/**
 * Checks a header whole, by the rules of the format (huggingface/safetensors, README "Format"): eight bytes of length,
 * so much JSON, then the tensors' data without overlap and without a gap up to the end of the file.
 */
final class SafetensorsHeader {
    /** The format's own bound. */
    static final int MAX_BYTES = 100_000_000;

    static final int MAX_TENSORS = 1 << 18;
    static final int MAX_NAME = 1 << 10;
    static final int MAX_DIMENSIONS = 8;

    private static final String METADATA = "__metadata__";
    private static final ValueLayout.OfLong LENGTH = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path file;
    private final MemorySegment bytes;

    SafetensorsHeader(Path file, MemorySegment bytes) {
        this.file = file;
        this.bytes = bytes;
    }

    Map<String, SafetensorsTensor> read() {
        int length = length();
        byte[] json = bytes.asSlice(LENGTH.byteSize(), length).toArray(ValueLayout.JAVA_BYTE);
        if (json[0] != '{') {
            throw refused("the first byte of the header", "0x%02x".formatted(json[0]), "it must be {");
        }
        JsonNode header = JsonFiles.object(file, "the header", json);
        if (header.size() > MAX_TENSORS) {
            throw refused("the number of tensors", header.size(), "it may be %d at most".formatted(MAX_TENSORS));
        }
        long start = LENGTH.byteSize() + length;
        Map<String, SafetensorsTensor> tensors = new LinkedHashMap<>();
        header.forEachEntry((name, value) -> {
            if (!name.equals(METADATA)) {
                tensors.put(name, tensor(name, value, start));
            }
        });
        refuseOverlapAndGaps(tensors, start);
        return tensors;
    }

    private int length() {
        if (bytes.byteSize() < LENGTH.byteSize()) {
            throw new CheckpointException(
                    file,
                    "the file ends within the header's length: it has %d bytes. It is cut short; fetch it again"
                            .formatted(bytes.byteSize()));
        }
        long length = bytes.get(LENGTH, 0);
        if (length < 2 || length > MAX_BYTES) {
            throw refused(
                    "the header's length",
                    Long.toUnsignedString(length),
                    "it may be from 2 to %d".formatted(MAX_BYTES));
        }
        if (length > bytes.byteSize() - LENGTH.byteSize()) {
            throw refused(
                    "the header's length",
                    length,
                    "only %d bytes are left. The file is cut short; fetch it again"
                            .formatted(bytes.byteSize() - LENGTH.byteSize()));
        }
        return (int) length;
    }

    private SafetensorsTensor tensor(String name, JsonNode value, long start) {
        if (name.isEmpty() || name.length() > MAX_NAME) {
            throw refused("the length of a tensor's name", name.length(), "it may be from 1 to %d".formatted(MAX_NAME));
        }
        requireObject(name, value);
        SafetensorsType type = type(name, value.path("dtype"));
        List<Long> shape = shape(name, value.path("shape"));
        long size = size(name, type, shape);
        long begin = offset(name, value.path("data_offsets"), 0);
        long end = offset(name, value.path("data_offsets"), 1);
        long room = bytes.byteSize() - start;
        if (begin > end || end > room) {
            throw refused(
                    "data_offsets of " + name,
                    "[%d, %d]".formatted(begin, end),
                    "the file has %d bytes of data. It is cut short or damaged; fetch it again".formatted(room));
        }
        if (end - begin != size) {
            throw refused("the size of " + name, end - begin, "%s of %s take %d bytes".formatted(shape, type, size));
        }
        return new SafetensorsTensor(name, type, shape, start + begin, size);
    }

    private void requireObject(String name, JsonNode value) {
        if (!value.isObject() || value.size() != 3) {
            throw new CheckpointException(
                    file, "the entry of %s is not an object of dtype, shape and data_offsets".formatted(name));
        }
    }

    private SafetensorsType type(String name, JsonNode dtype) {
        if (!dtype.isString()) {
            throw refused("dtype of " + name, dtype, "it must be a string");
        }
        return SafetensorsType.named(dtype.stringValue())
                .orElseThrow(() -> refused("dtype of " + name, cut(dtype.stringValue()), "no such type is known"));
    }

    private List<Long> shape(String name, JsonNode shape) {
        if (!shape.isArray() || shape.size() > MAX_DIMENSIONS) {
            throw refused(
                    "shape of " + name,
                    cut(shape.toString()),
                    "it must be an array of %d numbers at most".formatted(MAX_DIMENSIONS));
        }
        List<Long> dimensions = new ArrayList<>(shape.size());
        for (JsonNode dimension : shape.values()) {
            if (!dimension.isIntegralNumber() || !dimension.canConvertToInt() || dimension.intValue() < 0) {
                throw refused(
                        "a dimension of " + name,
                        cut(dimension.toString()),
                        "it must be an integer from 0 to %d".formatted(Integer.MAX_VALUE));
            }
            dimensions.add(dimension.longValue());
        }
        return dimensions;
    }

    private long size(String name, SafetensorsType type, List<Long> shape) {
        try {
            long total = type.bytes();
            for (long dimension : shape) {
                total = Math.multiplyExact(total, dimension);
            }
            return total;
        } catch (ArithmeticException overflow) {
            throw refused("the size of " + name, shape, "that is more bytes than 64 bits count");
        }
    }

    private long offset(String name, JsonNode offsets, int index) {
        JsonNode offset = offsets.path(index);
        if (!offsets.isArray()
                || offsets.size() != 2
                || !offset.isIntegralNumber()
                || !offset.canConvertToLong()
                || offset.longValue() < 0) {
            throw refused(
                    "data_offsets of " + name,
                    cut(offsets.toString()),
                    "they must be two numbers that are not negative");
        }
        return offset.longValue();
    }

    private void refuseOverlapAndGaps(Map<String, SafetensorsTensor> tensors, long start) {
        List<SafetensorsTensor> ordered = new ArrayList<>(tensors.values());
        ordered.sort(Comparator.comparingLong(SafetensorsTensor::offset).thenComparingLong(SafetensorsTensor::bytes));
        long at = start;
        for (SafetensorsTensor each : ordered) {
            if (each.offset() != at) {
                throw refused(
                        "data_offsets of " + each.name(),
                        each.offset() - start,
                        "the data before it ends at %d: tensors may neither overlap nor leave gaps"
                                .formatted(at - start));
            }
            at += each.bytes();
        }
        if (at != bytes.byteSize()) {
            throw refused("the size of the file", bytes.byteSize(), "its tensors end at %d".formatted(at));
        }
    }

    private static String cut(String text) {
        return text.length() <= 80 ? text : text.substring(0, 80) + "...";
    }

    private CheckpointException refused(String what, Object value, String bound) {
        return new CheckpointException(file, what, value, bound);
    }
}
