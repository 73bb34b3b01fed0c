package dev.skein.cli.settings;

import dev.skein.cli.CommandException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;
import picocli.CommandLine.ParseResult;

/// Gathers the texts of settings: command line, then environment, then file; the first that names a setting wins.
public final class SettingsReader {
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

    private Map<String, List<String>> fromArguments(List<String> arguments) {
        CommandLine command = new CommandLine(spec());
        ParseResult result;
        try {
            result = command.parseArgs(normal(arguments).toArray(String[]::new));
        } catch (CommandLine.UnmatchedArgumentException e) {
            throw CommandException.usage(unknown(e.getUnmatched().getFirst()));
        } catch (CommandLine.ParameterException e) {
            throw CommandException.usage(e.getMessage());
        }
        Map<String, List<String>> given = new LinkedHashMap<>();
        for (OptionSpec option : result.matchedOptions()) {
            given.put(option.longestName().substring(2), option.getValue());
        }
        // The word after the command wins over the flag of the same meaning.
        for (PositionalParamSpec word : result.matchedPositionals()) {
            given.put(positional.name(), List.of(word.<String>getValue()));
        }
        return given;
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

    /// A variable holds several values with commas between.
    private static List<String> split(Setting<?> setting, String text) {
        return setting.many() ? List.of(text.split(",")) : List.of(text);
    }

    private CommandSpec spec() {
        CommandSpec spec = CommandSpec.create().name("skein serve");
        spec.addPositional(PositionalParamSpec.builder()
                .index("0")
                .arity("0..1")
                .type(String.class)
                .build());
        known.forEach(setting -> spec.addOption(option(setting)));
        spec.parser()
                .overwrittenOptionsAllowed(true)
                .unmatchedOptionsArePositionalParams(false)
                .unmatchedOptionsAllowedAsOptionParameters(false)
                .abbreviatedOptionsAllowed(false);
        return spec;
    }

    /// Texts are gathered here and read by [Setting], so that a wrong one gets the same message from every source.
    private static OptionSpec option(Setting<?> setting) {
        List<String> names = new ArrayList<>(setting.shorts());
        names.add(setting.flag());
        return OptionSpec.builder(names.toArray(String[]::new))
                .type(List.class)
                .auxiliaryTypes(String.class)
                .arity(arity(setting))
                .fallbackValue("true")
                .build();
    }

    /// Only names may follow one flag in a row, as in vLLM: elsewhere the model after the flag would be taken for a
    /// value.
    private static String arity(Setting<?> setting) {
        if (setting.isSwitch()) {
            return "0..1";
        }
        return setting == ServeSettings.SERVED_MODEL_NAME ? "1..*" : "1";
    }

    /// Underscores in names become dashes, and `--no-switch` becomes `--switch=false`.
    private List<String> normal(List<String> arguments) {
        return arguments.stream().map(this::normal).toList();
    }

    private String normal(String argument) {
        if (!argument.startsWith("--")) {
            return argument;
        }
        int equals = argument.indexOf('=');
        String name = (equals < 0 ? argument : argument.substring(0, equals)).replace('_', '-');
        if (name.startsWith("--no-") && equals < 0 && isSwitch(name.substring("--no-".length()))) {
            return "--" + name.substring("--no-".length()) + "=false";
        }
        if (equals < 0 && isSwitch(name.substring(2))) {
            // Said in full, so that a word after a switch is never taken for its value.
            return name + "=true";
        }
        return equals < 0 ? name : name + argument.substring(equals);
    }

    private boolean isSwitch(String name) {
        return known.stream()
                .anyMatch(setting -> setting.isSwitch() && setting.name().equals(name));
    }

    private String unknown(String argument) {
        if (!argument.startsWith("-")) {
            return "there is one model, and '" + argument + "' is a second word; flags begin with --";
        }
        String name = argument.split("=", 2)[0];
        List<String> names = known.stream().map(Setting::flag).toList();
        return "there is no flag " + name
                + NearestName.of(name, names)
                        .map(nearest -> "; the nearest is " + nearest)
                        .orElse("; see skein serve --help");
    }
}
