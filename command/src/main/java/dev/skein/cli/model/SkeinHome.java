package dev.skein.cli.model;

import java.nio.file.Path;
import java.util.Map;

/// The folder of what is kept between runs: `SKEIN_HOME`, else `skein` under the user's cache folder.
public record SkeinHome(Path folder) {

    public static SkeinHome of(Map<String, String> environment) {
        String given = environment.getOrDefault("SKEIN_HOME", "");
        if (!given.isEmpty()) {
            return new SkeinHome(Path.of(given).toAbsolutePath());
        }
        String cache = environment.getOrDefault("XDG_CACHE_HOME", "");
        Path base = cache.isEmpty() ? Path.of(System.getProperty("user.home"), ".cache") : Path.of(cache);
        return new SkeinHome(base.resolve("skein").toAbsolutePath());
    }

    public Path models() {
        return folder.resolve("models");
    }

    /// Models from hubs, by organization and name.
    public Path hub() {
        return folder.resolve("hub");
    }

    /// Where running servers say how their user can reach them.
    public Path servers() {
        return folder.resolve("servers");
    }

    /// Where agents keep what their machine has promised.
    public Path machines() {
        return folder.resolve("machines");
    }

    /// Where native libraries are unpacked.
    public Path libraries() {
        return folder.resolve("lib");
    }
}
