package dev.skein.cli.settings;

import dev.skein.cli.CommandException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.yaml.YAMLMapper;

/// Reads settings from a YAML file: a mapping of names to values or lists of values.
final class ConfigFile {
    private final List<Setting<?>> known;

    ConfigFile(List<Setting<?>> known) {
        this.known = known;
    }

    /// Texts by setting name.
    ///
    /// @throws CommandException with exit code 2 if the file cannot be read or holds what is not a setting
    Map<String, List<String>> read(Path file) {
        if (!Files.isRegularFile(file)) {
            throw CommandException.usage("--config: there is no file " + file);
        }
        JsonNode root = parse(file);
        if (root.isNull() || root.isMissingNode()) {
            return Map.of();
        }
        if (!root.isObject()) {
            throw CommandException.usage(file + " holds no settings; write lines such as 'port: 8000'");
        }
        Map<String, List<String>> given = new LinkedHashMap<>();
        root.properties().forEach(entry -> {
            Setting<?> setting = setting(file, entry.getKey().replace('_', '-'));
            given.put(setting.name(), texts(file, setting, entry.getValue()));
        });
        return given;
    }

    private static JsonNode parse(Path file) {
        try {
            return new YAMLMapper().readTree(file.toFile());
        } catch (JacksonException e) {
            String where =
                    e.getLocation() == null ? "" : " at line " + e.getLocation().getLineNr();
            throw CommandException.usage(file + " is not YAML" + where + ": " + firstLine(e.getOriginalMessage()));
        }
    }

    private static String firstLine(String text) {
        return text.lines().findFirst().orElse(text);
    }

    private Setting<?> setting(Path file, String name) {
        return known.stream()
                .filter(setting -> setting.name().equals(name) && setting != ServeSettings.CONFIG)
                .findFirst()
                .orElseThrow(() -> CommandException.usage(file + " has the key '" + name + "', which is no setting"
                        + NearestName.of(name, known.stream().map(Setting::name).toList())
                                .map(nearest -> "; the nearest is " + nearest)
                                .orElse("")));
    }

    private static List<String> texts(Path file, Setting<?> setting, JsonNode value) {
        if (value.isArray() && setting.many()) {
            return StreamSupport.stream(value.spliterator(), false)
                    .map(one -> text(file, setting, one))
                    .toList();
        }
        return List.of(text(file, setting, value));
    }

    private static String text(Path file, Setting<?> setting, JsonNode value) {
        if (!value.isValueNode() || value.isNull()) {
            throw CommandException.usage(file + ": " + setting.name() + " needs one value");
        }
        return value.asString();
    }
}
