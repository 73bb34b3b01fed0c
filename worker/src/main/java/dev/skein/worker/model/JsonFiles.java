package dev.skein.worker.model;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Reads the JSON of model files, which is as hostile as the rest: bounded in size, depth, names and numbers. */
final class JsonFiles {
    /** Of a configuration; vocabularies are not read here. */
    static final int MAX_BYTES = 1 << 24;

    static final int MAX_NAME = 1 << 12;
    private static final int MAX_DEPTH = 32;
    private static final int MAX_NUMBER = 64;

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(MAX_DEPTH)
                            .maxNumberLength(MAX_NUMBER)
                            .maxNameLength(MAX_NAME)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .build())
            .build();

    private JsonFiles() {}

    /** An object in a file of {@link #MAX_BYTES} at most. */
    static JsonNode object(Path file) {
        return object(file, "the file", bytes(file, MAX_BYTES));
    }

    /** The objects of a list in a file of {@link #MAX_BYTES} at most. */
    static List<JsonNode> objects(Path file) {
        JsonNode node = any(file, "the file", bytes(file, MAX_BYTES));
        if (!node.isArray() || !node.values().stream().allMatch(JsonNode::isObject)) {
            throw new CheckpointException(file, "the file", node.getNodeType(), "it must be a JSON list of objects");
        }
        return List.copyOf(node.values());
    }

    /** An object in a part of a file. */
    static JsonNode object(Path file, String part, byte[] json) {
        JsonNode node = any(file, part, json);
        if (!node.isObject()) {
            throw new CheckpointException(file, part, node.getNodeType(), "it must be a JSON object");
        }
        return node;
    }

    private static JsonNode any(Path file, String part, byte[] json) {
        try {
            return MAPPER.readTree(json);
        } catch (JacksonException wrong) {
            throw new CheckpointException(
                    file,
                    "%s is not JSON: %s, at byte %d"
                            .formatted(
                                    part,
                                    wrong.getOriginalMessage(),
                                    wrong.getLocation() == null
                                            ? -1
                                            : wrong.getLocation().getByteOffset()));
        }
    }

    /** A whole small file. */
    static byte[] bytes(Path file, int most) {
        try {
            long size = Files.size(file);
            if (size > most) {
                throw new CheckpointException(file, "its size", size, "it may be %d bytes at most".formatted(most));
            }
            return Files.readAllBytes(file);
        } catch (IOException unreadable) {
            throw new CheckpointException(file, "cannot be read: %s".formatted(unreadable));
        }
    }

    /** A whole small text. */
    static String text(Path file, int most) {
        return new String(bytes(file, most), StandardCharsets.UTF_8);
    }
}
