package dev.skein.cli;

import dev.skein.protocol.tls.TlsFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// How this program is started once more as a worker: the same Java, the same class path, its own options.
final class JavaCommand {
    /// The file of Java's options and the folder of the ahead-of-time caches; set by the script that starts us.
    private static final String ARGUMENTS = "skein.java.args";

    private static final String CACHES = "skein.aot";

    /// What a worker makes of weights on their way to a device is memory of this kind, which else ends where -Xmx
    /// does: before the table of a model of 8B.
    private static final String UNBOUNDED = "-XX:MaxDirectMemorySize=1t";

    private JavaCommand() {}

    /// A worker that listens on an address of this machine.
    ///
    /// @param mark a word of the command line that is for whoever looks at it
    /// @param tls what it speaks with; null for nothing
    static List<String> worker(String host, String mark, @Nullable TlsFiles tls) {
        List<String> command = new ArrayList<>(worker());
        command.addAll(1, List.of("-D" + WorkerParameters.HOST + "=" + host, mark));
        command.addAll(1, tls == null ? List.of() : tls.properties());
        return command;
    }

    static List<String> worker() {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        // A Java machine that was started without the script takes Java's own defaults.
        Optional.ofNullable(System.getProperty(ARGUMENTS)).ifPresent(file -> command.add("@" + file));
        command.add("--enable-native-access=ALL-UNNAMED");
        cache().ifPresent(command::add);
        command.add(UNBOUNDED);
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
