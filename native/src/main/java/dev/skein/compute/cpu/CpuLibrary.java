package dev.skein.compute.cpu;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Set;
import java.util.UUID;

/**
 * The library in this jar, brought to where the system can load it: a file in a folder of the user's own, named by its
 * content, written whole or not at all, and compared byte by byte before it is loaded.
 */
sealed interface CpuLibrary {
    /** It is there, with the functions of {@code skein_cpu.h}. */
    record Loaded(Path file, SymbolLookup symbols) implements CpuLibrary {}

    /** It is not, and why. */
    record Missing(String reason) implements CpuLibrary {}

    /** Loads it, the first time; always the same answer. */
    static CpuLibrary load() {
        return Once.LIBRARY;
    }

    /** Loads the library of a class path resource into a folder. */
    static CpuLibrary load(String resource, Path folder) {
        try (InputStream in = CpuLibrary.class.getResourceAsStream(resource)) {
            if (in == null) {
                return new Missing("built without it: gcc and make were missing when the build ran");
            }
            Path file = place(in.readAllBytes(), folder);
            return new Loaded(file, lookup(file));
        } catch (IOException | IllegalArgumentException e) {
            return new Missing("cannot be loaded: " + e);
        }
    }

    @SuppressWarnings("restricted")
    private static SymbolLookup lookup(Path file) {
        return SymbolLookup.libraryLookup(file, Arena.global());
    }

    /** Puts the bytes where their hash says, unless they are there. */
    static Path place(byte[] bytes, Path folder) throws IOException {
        Files.createDirectories(folder, PosixFilePermissions.asFileAttribute(OWNER_ONLY));
        Path file = folder.resolve("libskein_cpu-" + hash(bytes) + ".so");
        if (!Files.exists(file) || !Arrays.equals(Files.readAllBytes(file), bytes)) {
            Path part = Files.createTempFile(folder, "part", ".so");
            try {
                Files.write(part, bytes);
                Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
            } finally {
                Files.deleteIfExists(part);
            }
        }
        return file;
    }

    private static String hash(byte[] bytes) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes);
            return HexFormat.of().formatHex(digest, 0, 8);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    Set<PosixFilePermission> OWNER_ONLY = PosixFilePermissions.fromString("rwx------");

    /** Decides when it is first asked. */
    final class Once {
        private static final CpuLibrary LIBRARY = find();

        private Once() {}

        private static CpuLibrary find() {
            String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
            String processor = System.getProperty("os.arch");
            if (!system.equals("linux") || !processor.equals("amd64")) {
                return new Missing(
                        "there are kernels for Linux on x86-64, not for %s on %s".formatted(system, processor));
            }
            return load("/native/linux-x86_64/libskein_cpu.so", folder());
        }

        private static Path folder() {
            String home = System.getenv("SKEIN_HOME");
            Path base = home == null || home.isBlank()
                    ? Path.of(System.getProperty("user.home"), ".cache", "skein")
                    : Path.of(home);
            Path folder = base.resolve("native");
            return writable(folder) ? folder : Path.of(System.getProperty("java.io.tmpdir"), temporary());
        }

        private static boolean writable(Path folder) {
            try {
                Files.createDirectories(folder, PosixFilePermissions.asFileAttribute(OWNER_ONLY));
                return Files.isWritable(folder);
            } catch (IOException e) {
                return false;
            }
        }

        /** Nobody else can have made a folder of this name beforehand. */
        private static String temporary() {
            return "skein-" + UUID.randomUUID();
        }
    }
}
