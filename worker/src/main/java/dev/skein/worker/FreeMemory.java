package dev.skein.worker;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.stream.Stream;

/**
 * Memory that this process may still take: what Linux calls available, or less where a control group (version 2) sets a
 * limit. Elsewhere, what the JVM says is free.
 */
public final class FreeMemory {
    private static final Path MEMORY = Path.of("/proc/meminfo");
    private static final Path GROUP = Path.of("/sys/fs/cgroup");
    private static final long KIBIBYTE = 1024;

    private FreeMemory() {}

    /** Of this moment. */
    public static long bytes() {
        OptionalLong available = field(MEMORY, "MemAvailable:");
        long machine = available.isPresent() ? available.getAsLong() * KIBIBYTE : reportedByJvm();
        OptionalLong limit = field(GROUP.resolve("memory.max"), "");
        OptionalLong used = field(GROUP.resolve("memory.current"), "");
        if (limit.isEmpty() || used.isEmpty()) {
            return machine;
        }
        // Cached file pages count as used and give way when memory is wanted.
        long cached = field(GROUP.resolve("memory.stat"), "file ").orElse(0);
        return Math.clamp(limit.getAsLong() - used.getAsLong() + cached, 0, machine);
    }

    private static long reportedByJvm() {
        return java.lang.management.ManagementFactory.getOperatingSystemMXBean()
                        instanceof com.sun.management.OperatingSystemMXBean system
                ? system.getFreeMemorySize()
                : Runtime.getRuntime().maxMemory();
    }

    /** The number after a prefix at a line's start; empty if the file, the line or the number is not there ("max"). */
    private static OptionalLong field(Path file, String prefix) {
        if (!Files.isReadable(file)) {
            return OptionalLong.empty();
        }
        try (Stream<String> lines = Files.lines(file)) {
            return lines.filter(line -> line.startsWith(prefix))
                    .map(line -> line.substring(prefix.length()).strip().split(" ")[0])
                    .filter(number -> !number.isEmpty() && number.chars().allMatch(Character::isDigit))
                    .mapToLong(Long::parseLong)
                    .findFirst();
        } catch (IOException unreadable) {
            return OptionalLong.empty();
        }
    }
}
