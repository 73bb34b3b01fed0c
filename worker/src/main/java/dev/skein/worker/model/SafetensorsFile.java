package dev.skein.worker.model;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;

/**
 * A safetensors file, mapped read-only. It owns the mapping: segments handed out are views of it and die with
 * {@link #close}. Safe to read from several threads.
 */
final class SafetensorsFile implements AutoCloseable {
    private final Path path;
    private final Arena arena;
    private final MemorySegment bytes;
    private final Map<String, SafetensorsTensor> tensors;

    /** A file whose bytes are there already, in memory that dies with the arena. */
    SafetensorsFile(Path path, Arena arena, MemorySegment bytes) {
        this.path = path;
        this.arena = arena;
        this.bytes = bytes;
        tensors = new SafetensorsHeader(path, bytes).read();
    }

    /**
     * Maps a file and checks its whole header.
     *
     * @throws CheckpointException if it is missing, unreadable or damaged
     */
    static SafetensorsFile open(Path path) {
        if (!Files.isRegularFile(path)) {
            throw new CheckpointException(
                    path,
                    Files.exists(path) ? "%s is not a file".formatted(path) : "there is no file %s".formatted(path));
        }
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            return new SafetensorsFile(path, arena, channel.map(MapMode.READ_ONLY, 0, channel.size(), arena));
        } catch (IOException unreadable) {
            arena.close();
            throw new CheckpointException(path, "cannot be read: %s".formatted(unreadable));
        } catch (RuntimeException | Error refused) {
            arena.close();
            throw refused;
        }
    }

    Path path() {
        return path;
    }

    Collection<SafetensorsTensor> tensors() {
        return tensors.values();
    }

    Optional<SafetensorsTensor> tensor(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    /** The bytes of a tensor of this file. */
    MemorySegment data(SafetensorsTensor tensor) {
        return bytes.asSlice(tensor.offset(), tensor.bytes());
    }

    /** Ends the mapping; nothing of this file may be in use. */
    @Override
    public void close() {
        arena.close();
    }
}
