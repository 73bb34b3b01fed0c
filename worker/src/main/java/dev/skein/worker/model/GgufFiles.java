package dev.skein.worker.model;

import dev.skein.compute.HostMatrix;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The files of one model: mostly one; or those that a model was split into, of which the first has the keys and all have
 * tensors. Parts are named {@code NAME-00001-of-00003.gguf} and say {@code split.no} and {@code split.count}, as
 * llama.cpp's gguf-split writes them.
 */
final class GgufFiles implements AutoCloseable {
    static final int MAX_PARTS = 1 << 10;

    private final List<GgufFile> parts;
    private final Map<String, GgufFile> tensors = new LinkedHashMap<>();

    /** All parts in order. They are this object's from now on. */
    GgufFiles(List<GgufFile> parts) {
        this.parts = List.copyOf(parts);
        for (GgufFile part : parts) {
            for (GgufTensor tensor : part.tensors()) {
                if (tensors.putIfAbsent(tensor.name(), part) != null) {
                    throw new CheckpointException(
                            part.path(), "the tensor %s is in another part too".formatted(tensor.name()));
                }
            }
        }
    }

    /** Opens a file, and with it the other parts if it is one of several. Any of them may be named. */
    static GgufFiles open(Path path) {
        List<GgufFile> parts = new ArrayList<>();
        try {
            for (Path each : paths(path)) {
                parts.add(GgufFile.open(each));
                checkPart(parts);
            }
            return new GgufFiles(parts);
        } catch (RuntimeException | Error refused) {
            parts.forEach(GgufFile::close);
            throw refused;
        }
    }

    /** The name of a part. */
    private record PartName(String model, int number, int count) {
        private static final Pattern FORM = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})\\.gguf");

        static Optional<PartName> of(Path file) {
            Matcher form = FORM.matcher(file.getFileName().toString());
            return form.matches()
                    ? Optional.of(new PartName(
                            form.group(1), Integer.parseInt(form.group(2)), Integer.parseInt(form.group(3))))
                    : Optional.empty();
        }

        Path sibling(Path file, int other) {
            return file.resolveSibling("%s-%05d-of-%05d.gguf".formatted(model, other, count));
        }
    }

    private static List<Path> paths(Path named) {
        Optional<PartName> part = PartName.of(named);
        return part.isEmpty() || !Files.exists(named) ? List.of(named) : paths(named, part.get());
    }

    private static List<Path> paths(Path named, PartName part) {
        int count = part.count;
        int number = part.number;
        if (count < 1 || count > MAX_PARTS || number < 1 || number > count) {
            throw new CheckpointException(
                    named,
                    "the name says part %d of %d; there may be %d parts, counted from 1"
                            .formatted(number, count, MAX_PARTS));
        }
        List<Path> all = new ArrayList<>();
        for (int i = 1; i <= count; i++) {
            all.add(part.sibling(named, i));
        }
        return all;
    }

    /** Whether the last of the parts so far says of itself what its name says. */
    private static void checkPart(List<GgufFile> parts) {
        GgufFile last = parts.getLast();
        int expected = PartName.of(last.path()).map(PartName::count).orElse(1);
        int count = last.metadata().integer("split.count", 0, MAX_PARTS).orElse(0);
        if (Math.max(1, count) != expected) {
            throw new CheckpointException(
                    last.path(),
                    "split.count",
                    count,
                    "the file's name says %d; parts are named NAME-00001-of-%05d.gguf".formatted(expected, count));
        }
        int number = last.metadata().integer("split.no", 0, MAX_PARTS).orElse(0);
        if (number != parts.size() - 1) {
            throw new CheckpointException(
                    last.path(),
                    "split.no",
                    number,
                    "by its name it is %d, counted from 0".formatted(parts.size() - 1));
        }
    }

    /** The first part's. */
    Path path() {
        return parts.getFirst().path();
    }

    /** The first part's. */
    GgufMetadata metadata() {
        return parts.getFirst().metadata();
    }

    Collection<String> names() {
        return tensors.keySet();
    }

    List<GgufTensor> tensors() {
        return parts.stream().flatMap(part -> part.tensors().stream()).toList();
    }

    Optional<GgufTensor> tensor(String name) {
        return Optional.ofNullable(tensors.get(name)).flatMap(part -> part.tensor(name));
    }

    HostMatrix matrix(String name, int rows, int columns) {
        return part(name).matrix(name, rows, columns);
    }

    HostMatrix matrix(String name, int index, int count, int rows, int columns) {
        return part(name).matrix(name, index, count, rows, columns);
    }

    float[] floats(String name, int length) {
        return part(name).floats(name, length);
    }

    private GgufFile part(String name) {
        GgufFile part = tensors.get(name);
        if (part == null) {
            throw new CheckpointException(path(), "the tensor %s is missing".formatted(name));
        }
        return part;
    }

    @Override
    public void close() {
        parts.forEach(GgufFile::close);
    }
}
