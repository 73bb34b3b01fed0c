package dev.skein.cli.settings;

import dev.skein.cli.CommandException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Gathers the texts of settings: command line, then environment, then file; the first that names a setting wins.
public final class SettingsReader {
    private static final String NO = "--no-";

    /// Variables that others of us read: the script, the workers, the tests.
    private static final Set<String> OTHERS = Set.of(
            "SKEIN_HOME",
            "SKEIN_JAVA_OPTS",
            "SKEIN_WORKER_JAVA_OPTS",
            "SKEIN_FAST_START",
            "SKEIN_STARTED_MILLIS",
            "SKEIN_MODEL_FILE",
            "SKEIN_TLS_CA",
            "SKEIN_TLS_CERT",
            "SKEIN_TLS_KEY",
            "SKEIN_NVCC",
            "SKEIN_FATBIN",
            "SKEIN_LIBCUDA",
            "SKEIN_BASE_URL",
            "SKEIN_TEST_MODEL",
            "SKEIN_TEST_SEED");

    private final List<Setting<?>> known;
    private final Setting<String> positional;

    /// @param positional takes the word that is no flag
    public SettingsReader(List<Setting<?>> known, Setting<String> positional) {
        this.known = known;
        this.positional = positional;
    }

    /// @throws CommandException with exit code 2 for an unknown name or a text that cannot be read
    public Settings read(List<String> arguments, Map<String, String> environment) {
        try {
            Map<String, List<String>> given = fromArguments(arguments);
            fromEnvironment(environment).forEach(given::putIfAbsent);
            Optional.ofNullable(given.get(ServeSettings.CONFIG.name()))
                    .map(files -> new ConfigFile(known).read(Path.of(files.getLast())))
                    .ifPresent(file -> file.forEach(given::putIfAbsent));
            return new Settings(known, given);
        } catch (IllegalArgumentException e) {
            throw CommandException.usage(e.getMessage());
        }
    }

    /// Read by hand: a library for this cannot go into the ahead-of-time cache and would take a tenth of the start.
    private Map<String, List<String>> fromArguments(List<String> arguments) {
        Map<String, List<String>> given = new LinkedHashMap<>();
        List<String> words = new ArrayList<>();
        Deque<String> rest = new ArrayDeque<>(arguments);
        while (!rest.isEmpty()) {
            String argument = rest.pop();
            if (argument.startsWith("-") && argument.length() > 1) {
                takeFlag(argument, rest, given);
            } else {
                words.add(argument);
            }
        }
        if (words.size() > 1) {
            throw CommandException.usage(
                    "there is one model, and '" + words.get(1) + "' is a second word; flags begin with --");
        }
        // The word after the command wins over the flag of the same meaning.
        words.forEach(word -> given.put(positional.name(), List.of(word)));
        return given;
    }

    private void takeFlag(String argument, Deque<String> rest, Map<String, List<String>> given) {
        int equals = argument.indexOf('=');
        String name = (equals < 0 ? argument : argument.substring(0, equals)).replace('_', '-');
        Setting<?> negated = name.startsWith(NO) && equals < 0 ? find("--" + name.substring(NO.length())) : null;
        Setting<?> setting = negated != null && negated.isSwitch() ? negated : find(name);
        if (setting == null) {
            throw CommandException.usage(unknown(name));
        }
        List<String> values = given.computeIfAbsent(setting.name(), added -> new ArrayList<>());
        if (equals >= 0) {
            values.add(argument.substring(equals + 1));
        } else if (setting.isSwitch()) {
            values.add(Boolean.toString(setting != negated));
        } else {
            values.add(value(setting, rest));
        }
        // Only names may follow one flag in a row, as in vLLM: elsewhere the model would be taken for one more value.
        while (setting == ServeSettings.SERVED_MODEL_NAME
                && !rest.isEmpty()
                && !rest.peek().startsWith("-")) {
            values.add(rest.pop());
        }
    }

    /// A value may begin with one dash, as -1 does.
    private static String value(Setting<?> setting, Deque<String> rest) {
        if (rest.isEmpty() || rest.peek().startsWith("--")) {
            throw CommandException.usage(setting.flag() + " needs a value: " + setting.flag() + " " + setting.label());
        }
        return rest.pop();
    }

    private @Nullable Setting<?> find(String flag) {
        return known.stream()
                .filter(setting ->
                        setting.flag().equals(flag) || setting.shorts().contains(flag))
                .findFirst()
                .orElse(null);
    }

    private Map<String, List<String>> fromEnvironment(Map<String, String> environment) {
        Map<String, List<String>> given = new LinkedHashMap<>();
        for (Setting<?> setting : known) {
            Stream.of(setting.variable(), setting.variable().replaceFirst("SKEIN", "VLLM"))
                    .filter(name -> name.startsWith("SKEIN") || setting == ServeSettings.API_KEY)
                    .map(environment::get)
                    .filter(text -> text != null && !text.isEmpty())
                    .findFirst()
                    .ifPresent(text -> given.put(setting.name(), split(setting, text)));
        }
        return given;
    }

    /// Variables that look like settings and are none, each with the nearest that is one.
    public List<String> strangers(Map<String, String> environment) {
        List<String> names = known.stream().map(Setting::variable).toList();
        return environment.keySet().stream()
                .filter(name -> name.startsWith("SKEIN_") && !names.contains(name) && !OTHERS.contains(name))
                .sorted()
                .map(name -> name + " is no setting and changes nothing"
                        + NearestName.of(name, names)
                                .map(nearest -> "; the nearest is " + nearest)
                                .orElse(""))
                .toList();
    }

    /// A variable holds several values with commas between.
    private static List<String> split(Setting<?> setting, String text) {
        return setting.many() ? List.of(text.split(",")) : List.of(text);
    }

    private String unknown(String name) {
        List<String> names = known.stream().map(Setting::flag).toList();
        return "there is no flag " + name
                + NearestName.of(name, names)
                        .map(nearest -> "; the nearest is " + nearest)
                        .orElse("; see skein serve --help");
    }
}
