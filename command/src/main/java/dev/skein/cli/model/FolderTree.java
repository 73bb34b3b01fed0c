package dev.skein.cli.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/// A folder with all that is below it.
public final class FolderTree {
    private FolderTree() {}

    /// The folder and all below it, what is deeper first; nothing where it does not exist.
    public static List<Path> of(Path folder) throws IOException {
        try (Stream<Path> walk = Files.walk(folder)) {
            return walk.sorted(Comparator.reverseOrder()).toList();
        } catch (NoSuchFileException e) {
            return List.of();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /// Leaves nothing of it.
    public static void delete(Path folder) throws IOException {
        for (Path one : of(folder)) {
            Files.deleteIfExists(one);
        }
    }
}
