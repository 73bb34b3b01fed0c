package dev.skein.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// How this program is started once more as a worker: the same Java, the same class path, its own options.
final class JavaCommand {
    /// The folder of the ahead-of-time caches; set by the script that starts us.
    private static final String CACHES = "skein.aot";

    private JavaCommand() {}

    static List<String> worker() {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        // Weights and caches lie outside of the heap, which holds only requests.
        command.add("-XX:+UseSerialGC");
        command.add("-Xms24m");
        command.add("-Xshare:auto");
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("--sun-misc-unsafe-memory-access=allow");
        cache().ifPresent(command::add);
        command.addAll(words(System.getenv().getOrDefault("SKEIN_WORKER_JAVA_OPTS", "")));
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(Skein.class.getName());
        command.add("worker");
        return command;
    }

    private static Optional<String> cache() {
        return Optional.ofNullable(System.getProperty(CACHES))
                .map(folder -> Path.of(folder, "worker.aot"))
                .filter(Files::exists)
                .map(file -> "-XX:AOTCache=" + file);
    }

    private static List<String> words(String text) {
        return text.isBlank() ? List.of() : List.of(text.strip().split("\\s+"));
    }
}
