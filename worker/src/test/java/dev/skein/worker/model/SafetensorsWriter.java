package dev.skein.worker.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** Writes small safetensors files, right ones and, by their raw header, wrong ones. */
public final class SafetensorsWriter {
    private final List<String> entries = new ArrayList<>();
    private byte[] data = new byte[0];

    public SafetensorsWriter tensor(String name, String type, List<Integer> shape, byte[] bytes) {
        return entry("\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%d,%d]}"
                        .formatted(
                                name,
                                type,
                                shape.stream().map(String::valueOf).collect(Collectors.joining(",")),
                                data.length,
                                data.length + bytes.length))
                .data(bytes);
    }

    /** Any JSON as an entry. */
    public SafetensorsWriter entry(String json) {
        entries.add(json);
        return this;
    }

    public SafetensorsWriter data(byte[] bytes) {
        int at = data.length;
        data = Arrays.copyOf(data, at + bytes.length);
        System.arraycopy(bytes, 0, data, at, bytes.length);
        return this;
    }

    public byte[] bytes() {
        return file("{%s}".formatted(String.join(",", entries)), data);
    }

    /** Any header. */
    public static byte[] file(String header, byte[] data) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return file(json.length, json, data);
    }

    /** Any length of a header. */
    public static byte[] file(long length, byte[] header, byte[] data) {
        return ByteBuffer.allocate(Long.BYTES + header.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put(header)
                .put(data)
                .array();
    }

    public Path write(Path path) {
        try {
            return Files.write(path, bytes());
        } catch (IOException full) {
            throw new UncheckedIOException(full);
        }
    }
}
