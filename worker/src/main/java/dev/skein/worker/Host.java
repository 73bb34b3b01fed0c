package dev.skein.worker;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** This machine, as ranks must know it to see whether they share its memory. */
final class Host {
    private static final Path NAME = Path.of("/proc/sys/kernel/hostname");
    private static final Path BOOT = Path.of("/proc/sys/kernel/random/boot_id");

    private Host() {}

    /** Its name and its present life; containers of one machine have names of their own. */
    static String id() {
        return line(NAME) + " " + line(BOOT);
    }

    private static String line(Path file) {
        try {
            return Files.readString(file).strip();
        } catch (IOException elsewhere) {
            return "unknown";
        }
    }
}
