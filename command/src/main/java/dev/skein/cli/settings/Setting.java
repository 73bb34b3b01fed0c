package dev.skein.cli.settings;

import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// One setting.
///
/// @param name its flag without the leading dashes, and its key in YAML
/// @param shorts short flags with their dash
/// @param label stands for the value in help; empty for a switch, which takes none
/// @param fallback the text taken where none is given; null for none
/// @param reader turns text into a value, or throws [IllegalArgumentException] whose message completes "--name ..."
/// @param many whether it may be given several times
/// @param section under which heading help shows it
public record Setting<T>(
        String name,
        List<String> shorts,
        String label,
        @Nullable String fallback,
        Function<String, T> reader,
        boolean many,
        Section section,
        String help) {

    /// Headings of the help text, in order.
    public enum Section {
        MODEL("Model"),
        SERVER("Server"),
        ACCESS("Access"),
        ENGINE("Engine"),
        TEMPLATE("Chat"),
        LOGGING("Logging"),
        FIXED("Accepted with the one value that holds here"),
        ACCEPTED("Accepted so that vLLM's command lines work; a warning says what they mean here");

        private final String heading;

        Section(String heading) {
            this.heading = heading;
        }

        public String heading() {
            return heading;
        }
    }

    static Setting<String> text(Section section, String name, String label, @Nullable String fallback, String help) {
        return of(section, name, label, fallback, Function.identity(), help);
    }

    static <T> Setting<T> of(
            Section section,
            String name,
            String label,
            @Nullable String fallback,
            Function<String, T> reader,
            String help) {
        return new Setting<>(name, List.of(), label, fallback, reader, false, section, help);
    }

    /// A switch that is off unless named; its `--no-` form turns it off again.
    static Setting<Boolean> off(Section section, String name, String help) {
        return new Setting<>(name, List.of(), "", "false", Readers::bool, false, section, help);
    }

    static Setting<Boolean> on(Section section, String name, String help) {
        return new Setting<>(name, List.of(), "", "true", Readers::bool, false, section, help);
    }

    /// A switch that can only be `value`; asking for its opposite is refused with `why`.
    static Setting<Boolean> fixed(Section section, String name, boolean value, String why) {
        Function<String, Boolean> reader = text -> {
            if (Readers.bool(text) != value) {
                throw new IllegalArgumentException("can only be " + value + ": " + why);
            }
            return value;
        };
        return new Setting<>(name, List.of(), "", Boolean.toString(value), reader, false, section, why);
    }

    Setting<T> several() {
        return new Setting<>(name, shorts, label, fallback, reader, true, section, help);
    }

    Setting<T> alias(String flag) {
        return new Setting<>(name, List.of(flag), label, fallback, reader, many, section, help);
    }

    public String flag() {
        return "--" + name;
    }

    /// Such as `SKEIN_MAX_MODEL_LEN`.
    public String variable() {
        return "SKEIN_" + name.toUpperCase(Locale.ROOT).replace('-', '_');
    }

    boolean isSwitch() {
        return label.isEmpty();
    }

    /// @throws IllegalArgumentException naming the flag, the text and what would do
    T read(String text) {
        try {
            return reader.apply(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(flag() + " " + e.getMessage(), e);
        }
    }
}
