package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A GGUF file, mapped read-only. It owns the mapping: matrices handed out are views of it and die with {@link #close}.
 * Safe to read from several threads.
 */
public final class GgufFile implements AutoCloseable {
    private final Path path;
    private final Arena arena;
    private final MemorySegment bytes;
    private final GgufMetadata metadata;
    private final Map<String, GgufTensor> tensors;

    /** A file whose bytes are there already, in memory that dies with the arena. */
    GgufFile(Path path, Arena arena, MemorySegment bytes) {
        GgufHeader header = new GgufHeader(path, bytes);
        header.read();
        this.path = path;
        this.arena = arena;
        this.bytes = bytes;
        this.metadata = header.metadata();
        this.tensors = header.tensors();
    }

    /**
     * Maps a file and checks its whole header.
     *
     * @throws CheckpointException if it is missing, unreadable, damaged, or has tensors of a type that is not supported
     */
    public static GgufFile open(Path path) {
        if (!Files.isRegularFile(path)) {
            throw new CheckpointException(
                    path,
                    Files.exists(path) ? "%s is not a file".formatted(path) : "there is no file %s".formatted(path));
        }
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            return new GgufFile(path, arena, channel.map(MapMode.READ_ONLY, 0, channel.size(), arena));
        } catch (IOException unreadable) {
            arena.close();
            throw new CheckpointException(path, "cannot be read: %s".formatted(unreadable));
        } catch (RuntimeException | Error refused) {
            arena.close();
            throw refused;
        }
    }

    public Path path() {
        return path;
    }

    public GgufMetadata metadata() {
        return metadata;
    }

    public Collection<GgufTensor> tensors() {
        return tensors.values();
    }

    public Optional<GgufTensor> tensor(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    /** The tensor of that name, which must be `rows` rows of `columns`. */
    public HostMatrix matrix(String name, int rows, int columns) {
        GgufTensor tensor = required(name);
        boolean vector = rows == 1 && tensor.dimensions().size() == 1;
        long fileRows = vector
                ? 1
                : tensor.dimensions().size() == 2 ? tensor.dimensions().get(1) : -1;
        if (tensor.dimensions().getFirst() != columns || fileRows != rows) {
            throw new CheckpointException(
                    path,
                    "the shape of " + name,
                    tensor.dimensions(),
                    "the model's keys ask for [%d, %d]".formatted(columns, rows));
        }
        return new HostMatrix(name, tensor.type(), rows, columns, bytes.asSlice(tensor.offset(), tensor.bytes()));
    }

    /** One of `count` matrices that lie behind each other as one tensor, each `rows` rows of `columns`. */
    HostMatrix matrix(String name, int index, int count, int rows, int columns) {
        GgufTensor tensor = required(name);
        if (!tensor.dimensions().equals(List.of((long) columns, (long) rows, (long) count))) {
            throw new CheckpointException(
                    path,
                    "the shape of " + name,
                    tensor.dimensions(),
                    "the model's keys ask for [%d, %d, %d]".formatted(columns, rows, count));
        }
        long size = tensor.bytes() / count;
        return new HostMatrix(name, tensor.type(), rows, columns, bytes.asSlice(tensor.offset() + index * size, size));
    }

    /** The values of an F32 vector. */
    float[] floats(String name, int length) {
        HostMatrix vector = matrix(name, 1, length);
        if (vector.type() != ElementType.F32) {
            throw new CheckpointException(path, "the type of " + name, vector.type(), "it must be F32");
        }
        return vector.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN));
    }

    private GgufTensor required(String name) {
        return tensor(name)
                .orElseThrow(() -> new CheckpointException(path, "the tensor %s is missing".formatted(name)));
    }

    /** Ends the mapping; no matrix of this file may be in use. */
    @Override
    public void close() {
        arena.close();
    }
}
