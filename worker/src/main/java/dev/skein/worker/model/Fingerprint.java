package dev.skein.worker.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/**
 * What identifies a model's content on every machine that has it: a hash over the names and lengths of its files, their
 * beginnings, where headers are, and samples of the rest. A hundred gigabytes take some milliseconds, and two models, or
 * two quantisations of one, do not have the same; it is no proof that nobody changed a weight on purpose.
 */
public final class Fingerprint {
    private static final int BEGINNING = 1 << 20;
    private static final int SAMPLES = 64;
    private static final int SAMPLE = 4096;

    private Fingerprint() {}

    /** That of a file, or of a folder's safetensors files and what describes them. */
    public static String of(Path model) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (Path file : files(model)) {
                add(digest, file);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        } catch (NoSuchAlgorithmException impossible) {
            throw new AssertionError("every Java platform has SHA-256", impossible);
        }
    }

    private static List<Path> files(Path model) throws IOException {
        if (!Files.isDirectory(model)) {
            return List.of(model);
        }
        try (Stream<Path> files = Files.list(model)) {
            return files.filter(file -> file.toString().endsWith(".safetensors") || file.endsWith("config.json"))
                    .sorted()
                    .toList();
        }
    }

    private static void add(MessageDigest digest, Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            long size = channel.size();
            digest.update("%s %d\n".formatted(file.getFileName(), size).getBytes(StandardCharsets.UTF_8));
            add(digest, channel, 0, BEGINNING);
            for (int i = 1; i <= SAMPLES && size > BEGINNING; i++) {
                add(digest, channel, Math.max(0, size / SAMPLES * i - SAMPLE), SAMPLE);
            }
        }
    }

    private static void add(MessageDigest digest, FileChannel channel, long at, int length) throws IOException {
        ByteBuffer part = ByteBuffer.allocate(length);
        while (part.hasRemaining() && channel.read(part, at + part.position()) >= 0) {
            // Until the part or the file is at its end.
        }
        digest.update(part.flip());
    }
}
