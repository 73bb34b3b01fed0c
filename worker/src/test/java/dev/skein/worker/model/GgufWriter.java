package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Writes small GGUF files, right ones and, by its raw parts, wrong ones. */
public final class GgufWriter {
    private static final int ALIGNMENT = 32;

    private final List<Key> keys = new ArrayList<>();
    private final List<Tensor> tensors = new ArrayList<>();
    private final List<Integer> boundaries = new ArrayList<>();

    private record Key(String name, byte[] bytes) {}

    private record Tensor(String name, int type, long[] dimensions, byte[] data) {}

    public GgufWriter text(String key, String value) {
        return key(key, 8, string(value));
    }

    public GgufWriter uint32(String key, int value) {
        return key(key, 4, int32(value));
    }

    public GgufWriter float32(String key, float value) {
        return key(key, 6, int32(Float.floatToRawIntBits(value)));
    }

    public GgufWriter flag(String key, boolean value) {
        return key(key, 7, new byte[] {(byte) (value ? 1 : 0)});
    }

    public GgufWriter texts(String key, List<String> values) {
        return key(key, 9, array(8, values.stream().map(GgufWriter::string).toList()));
    }

    public GgufWriter int32s(String key, List<Integer> values) {
        return key(key, 9, array(5, values.stream().map(GgufWriter::int32).toList()));
    }

    public GgufWriter float32s(String key, List<Float> values) {
        return key(
                key,
                9,
                array(
                        6,
                        values.stream()
                                .map(each -> int32(Float.floatToRawIntBits(each)))
                                .toList()));
    }

    /** Any type number and any bytes. */
    public GgufWriter key(String key, int type, byte[] value) {
        keys.add(new Key(key, join(string(key), int32(type), value)));
        return this;
    }

    public GgufWriter without(String key) {
        keys.removeIf(each -> each.name.equals(key));
        return this;
    }

    public GgufWriter tensor(String name, ElementType type, byte[] data, long... dimensions) {
        return tensor(name, TensorTypes.number(type), data, dimensions);
    }

    /** Any type number. */
    public GgufWriter tensor(String name, int type, byte[] data, long... dimensions) {
        tensors.add(new Tensor(name, type, dimensions, data));
        return this;
    }

    public byte[] bytes() {
        boundaries.clear();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        put(out, int32(GgufHeader.MAGIC));
        put(out, int32(3));
        put(out, int64(tensors.size()));
        put(out, int64(keys.size()));
        keys.forEach(key -> put(out, key.bytes));
        long offset = 0;
        for (Tensor tensor : tensors) {
            put(out, string(tensor.name));
            put(out, int32(tensor.dimensions.length));
            for (long dimension : tensor.dimensions) {
                put(out, int64(dimension));
            }
            put(out, int32(tensor.type));
            put(out, int64(offset));
            offset += (tensor.data.length + ALIGNMENT - 1) & -ALIGNMENT;
        }
        for (Tensor tensor : tensors) {
            put(out, new byte[-out.size() & (ALIGNMENT - 1)]);
            put(out, tensor.data);
        }
        return out.toByteArray();
    }

    /** Where the parts of the bytes made last end. */
    public List<Integer> boundaries() {
        return boundaries;
    }

    public Path write(Path path) {
        try {
            return Files.write(path, bytes());
        } catch (IOException full) {
            throw new UncheckedIOException(full);
        }
    }

    private void put(ByteArrayOutputStream out, byte[] part) {
        out.writeBytes(part);
        boundaries.add(out.size());
    }

    public static byte[] string(String value) {
        byte[] text = value.getBytes(StandardCharsets.UTF_8);
        return join(int64(text.length), text);
    }

    public static byte[] array(int elementType, List<byte[]> elements) {
        return join(int32(elementType), int64(elements.size()), join(elements.toArray(byte[][]::new)));
    }

    public static byte[] int32(int value) {
        return ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array();
    }

    public static byte[] int64(long value) {
        return ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array();
    }

    public static byte[] join(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }
}
