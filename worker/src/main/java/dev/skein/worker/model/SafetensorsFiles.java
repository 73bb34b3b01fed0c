package dev.skein.worker.model;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The safetensors files of a folder: those that model.safetensors.index.json names, or model.safetensors, or the only one
 * there is.
 */
final class SafetensorsFiles implements AutoCloseable {
    static final int MAX_FILES = 1 << 12;

    private static final String INDEX = "model.safetensors.index.json";
    private static final String SINGLE = "model.safetensors";
    private static final Pattern FILE_NAME = Pattern.compile("[\\w.-]{1,200}\\.safetensors");

    private final Path folder;
    private final List<SafetensorsFile> files;
    private final Map<String, SafetensorsFile> where = new LinkedHashMap<>();

    private SafetensorsFiles(Path folder, List<SafetensorsFile> files) {
        this.folder = folder;
        this.files = files;
        for (SafetensorsFile file : files) {
            for (SafetensorsTensor tensor : file.tensors()) {
                if (where.putIfAbsent(tensor.name(), file) != null) {
                    throw new CheckpointException(
                            file.path(), "the tensor %s is in another file too".formatted(tensor.name()));
                }
            }
        }
    }

    static SafetensorsFiles open(Path folder) {
        Path index = folder.resolve(INDEX);
        JsonNode map = Files.exists(index) ? weightMap(index) : null;
        List<SafetensorsFile> files = new ArrayList<>();
        try {
            for (String name : map == null ? Set.of(single(folder)) : names(index, map)) {
                files.add(SafetensorsFile.open(folder.resolve(name)));
            }
            SafetensorsFiles all = new SafetensorsFiles(folder, files);
            all.checkIndex(index, map);
            return all;
        } catch (RuntimeException | Error refused) {
            files.forEach(SafetensorsFile::close);
            throw refused;
        }
    }

    private static JsonNode weightMap(Path index) {
        JsonNode map = JsonFiles.object(index).path("weight_map");
        if (!map.isObject() || map.size() > SafetensorsHeader.MAX_TENSORS) {
            throw new CheckpointException(
                    index,
                    "weight_map",
                    map.isObject() ? "an object of %d".formatted(map.size()) : map.getNodeType(),
                    "it must be an object of %d names at most".formatted(SafetensorsHeader.MAX_TENSORS));
        }
        return map;
    }

    private static Set<String> names(Path index, JsonNode map) {
        Set<String> names = new TreeSet<>();
        for (JsonNode file : map.values()) {
            if (!file.isString() || !FILE_NAME.matcher(file.stringValue()).matches()) {
                String text = file.toString();
                throw new CheckpointException(
                        index,
                        "a file in weight_map",
                        text.substring(0, Math.min(80, text.length())),
                        "it must be the name of a .safetensors file beside the index");
            }
            names.add(file.stringValue());
        }
        if (names.isEmpty() || names.size() > MAX_FILES) {
            throw new CheckpointException(
                    index, "the number of files", names.size(), "it may be from 1 to %d".formatted(MAX_FILES));
        }
        return names;
    }

    private static String single(Path folder) {
        if (Files.exists(folder.resolve(SINGLE))) {
            return SINGLE;
        }
        List<String> found = new ArrayList<>();
        try (DirectoryStream<Path> all = Files.newDirectoryStream(folder, "*.safetensors")) {
            all.forEach(file -> found.add(file.getFileName().toString()));
        } catch (IOException unreadable) {
            throw new CheckpointException(folder, "cannot be read: %s".formatted(unreadable));
        }
        if (found.size() != 1) {
            throw new CheckpointException(
                    folder,
                    "has %s; weights are read from %s, or from the files that %s names"
                            .formatted(
                                    found.isEmpty()
                                            ? "no .safetensors file"
                                            : "several .safetensors files and no index",
                                    SINGLE,
                                    INDEX));
        }
        return found.getFirst();
    }

    private void checkIndex(Path index, @Nullable JsonNode map) {
        if (map == null) {
            return;
        }
        map.forEachEntry((name, file) -> {
            SafetensorsFile holds = where.get(name);
            if (holds == null || !holds.path().getFileName().toString().equals(file.stringValue())) {
                throw new CheckpointException(
                        index,
                        "weight_map says that %s is in %s, and it is not. A file is missing or of another model"
                                .formatted(name.substring(0, Math.min(120, name.length())), file.stringValue()));
            }
        });
    }

    Set<String> names() {
        return where.keySet();
    }

    boolean has(String name) {
        return where.containsKey(name);
    }

    /**
     * The tensor of that name.
     *
     * @throws CheckpointException if it is missing
     */
    SafetensorsTensor tensor(String name) {
        return file(name).tensor(name).orElseThrow();
    }

    MemorySegment data(SafetensorsTensor tensor) {
        return file(tensor.name()).data(tensor);
    }

    /** The file that holds a tensor. */
    Path path(String name) {
        return file(name).path();
    }

    private SafetensorsFile file(String name) {
        SafetensorsFile file = where.get(name);
        if (file == null) {
            throw new CheckpointException(folder, "the tensor %s is missing".formatted(name));
        }
        return file;
    }

    List<SafetensorsTensor> tensors() {
        return files.stream().flatMap(file -> file.tensors().stream()).toList();
    }

    @Override
    public void close() {
        files.forEach(SafetensorsFile::close);
    }
}
