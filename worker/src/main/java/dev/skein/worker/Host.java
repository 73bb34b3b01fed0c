package dev.skein.worker;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The machine of a rank, as the others of its group must know it.
 *
 * @param id the same for ranks that share memory
 * @param address where ranks of other hosts reach it; empty for the one from which it reaches its leader
 */
record Host(String id, String address) {
    /** Names the address where another than the one towards the leader is wanted. */
    static final String ADDRESS = "SKEIN_RANK_ADDRESS";

    private static final Path NAME = Path.of("/proc/sys/kernel/hostname");
    private static final Path BOOT = Path.of("/proc/sys/kernel/random/boot_id");
    private static final Path MEMORY = Path.of("/dev/shm");

    /** This one. */
    static Host here() {
        return new Host(
                line(NAME) + " " + line(BOOT) + " " + device(),
                System.getenv().getOrDefault(ADDRESS, "").strip());
    }

    private static String line(Path file) {
        try {
            return Files.readString(file).strip();
        } catch (IOException elsewhere) {
            return "unknown";
        }
    }

    /** Containers of one machine may have its name, and yet each a memory of its own to share. */
    private static String device() {
        try {
            return Files.getAttribute(MEMORY, "unix:dev").toString();
        } catch (IOException | UnsupportedOperationException | IllegalArgumentException elsewhere) {
            return "unknown";
        }
    }
}
