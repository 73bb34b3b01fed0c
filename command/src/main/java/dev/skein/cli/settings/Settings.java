package dev.skein.cli.settings;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/// The values of one command. Every text was read once before, so that reading it again cannot fail.
public final class Settings {
    private static final String SECRET = ServeSettings.API_KEY.name();

    private final List<Setting<?>> known;
    private final Map<String, List<String>> given;

    /// @param given texts by setting name, only of settings that were given
    /// @throws IllegalArgumentException naming the first setting whose text cannot be read
    Settings(List<Setting<?>> known, Map<String, List<String>> given) {
        this.known = known;
        this.given = given;
        known.forEach(setting -> given.getOrDefault(setting.name(), List.of()).forEach(setting::read));
    }

    /// @throws java.util.NoSuchElementException if it was not given and has no default
    public <T> T get(Setting<T> setting) {
        return find(setting).orElseThrow();
    }

    /// The value given last, else the default, else nothing.
    public <T> Optional<T> find(Setting<T> setting) {
        List<String> texts = given.getOrDefault(setting.name(), List.of());
        Optional<String> text =
                texts.isEmpty() ? Optional.ofNullable(setting.fallback()) : Optional.of(texts.getLast());
        return text.map(setting::read);
    }

    /// All values given, in order.
    public <T> List<T> all(Setting<T> setting) {
        return given.getOrDefault(setting.name(), List.of()).stream()
                .map(setting::read)
                .toList();
    }

    public boolean has(Setting<?> setting) {
        return given.containsKey(setting.name());
    }

    /// What holds, given or not, for the log: no secrets.
    @Override
    public String toString() {
        return known.stream()
                .filter(setting -> has(setting) || setting.fallback() != null && means(setting))
                .map(setting -> setting.name() + "=" + shown(setting))
                .collect(Collectors.joining(" "));
    }

    private static boolean means(Setting<?> setting) {
        return setting.section() != Setting.Section.ACCEPTED && setting.section() != Setting.Section.FIXED;
    }

    private String shown(Setting<?> setting) {
        List<String> texts = given.getOrDefault(setting.name(), List.of());
        if (setting.name().equals(SECRET)) {
            return "(" + texts.size() + " hidden)";
        }
        return texts.isEmpty() ? String.valueOf(setting.fallback()) : String.join(",", texts);
    }
}
