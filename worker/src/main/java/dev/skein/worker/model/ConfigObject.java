package dev.skein.worker.model;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.function.Predicate;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * An object in a JSON file, read by type and within bounds. A null is a missing value.
 *
 * @param file for complaints
 * @param path of the object in it, with a dot at its end; empty for the whole
 */
record ConfigObject(Path file, String path, JsonNode node) {
    private static final int MAX_LIST = 1 << 16;

    static ConfigObject read(Path file) {
        return new ConfigObject(file, "", JsonFiles.object(file));
    }

    /** The objects of a list, which is all that the file is. */
    static List<ConfigObject> readAll(Path file) {
        List<ConfigObject> all = new ArrayList<>();
        for (JsonNode each : JsonFiles.objects(file)) {
            all.add(new ConfigObject(file, all.size() + ".", each));
        }
        return all;
    }

    /** One that has nothing. */
    ConfigObject nothing() {
        return new ConfigObject(file, path, JsonNodeFactory.instance.objectNode());
    }

    boolean has(String key) {
        return node.hasNonNull(key);
    }

    Optional<ConfigObject> object(String key) {
        return value(key, JsonNode::isObject, "an object")
                .map(found -> new ConfigObject(file, path + key + ".", found));
    }

    Optional<String> text(String key) {
        return value(key, JsonNode::isString, "a string").map(JsonNode::stringValue);
    }

    Optional<Boolean> flag(String key) {
        return value(key, JsonNode::isBoolean, "true or false").map(JsonNode::booleanValue);
    }

    OptionalInt integer(String key, int least, int most) {
        Optional<JsonNode> found = value(key, JsonNode::isIntegralNumber, "an integer");
        return found.isEmpty() ? OptionalInt.empty() : OptionalInt.of(within(key, found.get(), least, most));
    }

    private int within(String key, JsonNode number, int least, int most) {
        if (!number.canConvertToInt() || number.intValue() < least || number.intValue() > most) {
            throw refused(key, number, "it may be from %d to %d".formatted(least, most));
        }
        return number.intValue();
    }

    OptionalDouble number(String key, double least, double most) {
        Optional<JsonNode> found = value(key, JsonNode::isNumber, "a number");
        if (found.isEmpty()) {
            return OptionalDouble.empty();
        }
        double number = found.get().doubleValue();
        if (!(number >= least && number <= most)) {
            throw refused(key, found.get(), "it may be from %s to %s".formatted(least, most));
        }
        return OptionalDouble.of(number);
    }

    /** Integers; one alone counts as a list of one. */
    List<Integer> integers(String key, int least, int most) {
        if (!has(key) || node.get(key).isIntegralNumber()) {
            return integer(key, least, most).stream().boxed().toList();
        }
        List<Integer> all = new ArrayList<>();
        for (JsonNode each : list(key, JsonNode::isIntegralNumber, "integers")) {
            all.add(within(key, each, least, most));
        }
        return all;
    }

    List<String> texts(String key) {
        return list(key, JsonNode::isString, "strings").stream()
                .map(JsonNode::stringValue)
                .toList();
    }

    private List<JsonNode> list(String key, Predicate<JsonNode> element, String wanted) {
        Optional<JsonNode> found = value(key, JsonNode::isArray, "an array");
        if (found.isEmpty()) {
            return List.of();
        }
        if (found.get().size() > MAX_LIST || !found.get().values().stream().allMatch(element)) {
            throw refused(
                    key,
                    "an array of %d".formatted(found.get().size()),
                    "it must be of %s, %d at most".formatted(wanted, MAX_LIST));
        }
        return List.copyOf(found.get().values());
    }

    private Optional<JsonNode> value(String key, Predicate<JsonNode> type, String wanted) {
        if (!has(key)) {
            return Optional.empty();
        }
        JsonNode found = node.get(key);
        if (!type.test(found)) {
            throw refused(key, found, "it must be " + wanted);
        }
        return Optional.of(found);
    }

    CheckpointException refused(String key, Object value, String bound) {
        String text = String.valueOf(value);
        return new CheckpointException(
                file, path + key, text.length() <= 80 ? text : text.substring(0, 80) + "...", bound);
    }

    CheckpointException missing(String key) {
        return new CheckpointException(file, "the key %s is missing".formatted(path + key));
    }
}
