package dev.skein.cli.settings;

import dev.skein.cli.CommandException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.yaml.YAMLFactory;
import tools.jackson.dataformat.yaml.YAMLMapper;

/// Reads settings from a YAML file: a mapping of names to values or lists of values.
final class ConfigFile {
    private static final String NO = "no-";

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
            String name = entry.getKey().replace('_', '-');
            Setting<?> setting = negated(name);
            List<String> texts;
            if (setting == null) {
                setting = setting(file, name);
                texts = texts(file, setting, entry.getValue());
            } else {
                texts = List.of(opposite(file, name, text(file, setting, entry.getValue())));
            }
            if (given.put(setting.name(), texts) != null) {
                throw CommandException.usage(file + " says " + setting.name() + " twice");
            }
        });
        return given;
    }

    private static String opposite(Path file, String name, String text) {
        try {
            return Boolean.toString(!Readers.bool(text));
        } catch (IllegalArgumentException e) {
            throw CommandException.usage(file + ": " + name + " " + e.getMessage());
        }
    }

    private static JsonNode parse(Path file) {
        try {
            return YAMLMapper.builder(YAMLFactory.builder()
                            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                            .build())
                    .build()
                    .readTree(file.toFile());
        } catch (JacksonException e) {
            String where =
                    e.getLocation() == null ? "" : " at line " + e.getLocation().getLineNr();
            throw CommandException.usage(file + " is not YAML" + where + ": " + firstLine(e.getOriginalMessage()));
        }
    }

    private static String firstLine(String text) {
        return text.lines().findFirst().orElse(text);
    }

    /// The switch of which `name` is the `no-` form.
    private @Nullable Setting<?> negated(String name) {
        Setting<?> setting = name.startsWith(NO) ? find(name.substring(NO.length())) : null;
        return setting != null && setting.isSwitch() ? setting : null;
    }

    private @Nullable Setting<?> find(String name) {
        return known.stream()
                .filter(setting -> setting.name().equals(name) && setting != ServeSettings.CONFIG)
                .findFirst()
                .orElse(null);
    }

    private Setting<?> setting(Path file, String name) {
        Setting<?> setting = find(name);
        if (setting == null) {
            throw CommandException.usage(file + " has the key '" + name + "', which is no setting"
                    + NearestName.of(name, known.stream().map(Setting::name).toList())
                            .map(nearest -> "; the nearest is " + nearest)
                            .orElse(""));
        }
        return setting;
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
