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

    /// Weights and caches lie outside of the heap, which holds only requests. The optimising compiler comes late, so
    /// that it
    /// does not compete with the loading of the weights.
    private static final List<String> OPTIONS = List.of(
            "-XX:+UseSerialGC",
            "-Xms24m",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-XX:+UnlockDiagnosticVMOptions",
            "-XX:-AOTReplayTraining",
            "-XX:Tier4InvocationThreshold=50000",
            "-XX:Tier4MinInvocationThreshold=6000",
            "-XX:Tier4CompileThreshold=150000",
            "-XX:Tier4BackEdgeThreshold=400000",
            "-Xlog:aot=off",
            "-Xlog:cds=off");

    private JavaCommand() {}

    static List<String> worker() {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(OPTIONS);
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
