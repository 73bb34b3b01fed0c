package dev.skein.cli.model.hub;

import dev.skein.cli.CommandException;
import dev.skein.cli.model.FolderTree;
import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/// The folder of models from hubs:
///
/// ```
/// ORG/NAME/COMMIT/...              the files, by their names on the hub
/// ORG/NAME/COMMIT.parts/...        what has come of files that are not whole
/// ORG/NAME/COMMIT.QUANT.kept       says that a model is whole; its time of change is when it was last used
/// ORG/NAME/.lock                   whoever changes something holds it
/// ```
///
/// Reading needs no lock: records appear and go in one step.
public final class HubCache {
    /// The revision that is meant where none is named.
    public static final String MAIN = "main";

    private static final String RECORD = ".kept";

    private final Path folder;

    public HubCache(Path folder) {
        this.folder = folder;
    }

    /// Where a model's commits lie.
    public Path folder(HubName model) {
        return folder.resolve(model.organization()).resolve(model.name());
    }

    /// Where the files of a commit lie.
    Path snapshot(HubName model, String commit) {
        return folder(model).resolve(commit);
    }

    /// Where files of a commit lie that are not whole.
    Path parts(HubName model, String commit) {
        return folder(model).resolve(commit + ".parts");
    }

    /// The folder of a kept model's files.
    public Path snapshot(KeptModel kept) {
        return snapshot(kept.name(), kept.commit());
    }

    /// What a server opens of a kept model.
    public Path entry(KeptModel kept) {
        return kept.entry(snapshot(kept));
    }

    /// All that is kept, by name, the newest of each first.
    public List<KeptModel> all() {
        return list(folder).stream()
                .flatMap(organization -> list(organization).stream())
                .flatMap(model -> records(model).stream())
                .sorted(Comparator.comparing(KeptModel::title).thenComparing(newest()))
                .toList();
    }

    /// All that is kept of a model, in any quantization and revision, the newest first.
    public List<KeptModel> all(HubName model) {
        return records(folder(model)).stream().sorted(newest()).toList();
    }

    /// The model that was pulled last under that name and revision, if all its files are there.
    public Optional<KeptModel> find(HubName model, String revision) {
        return all(model).stream()
                .filter(kept -> kept.isAt(revision).isPresent() && kept.is(model.quant()))
                .filter(this::isWhole)
                .max(Comparator.comparing(kept -> kept.isAt(revision).orElse(Instant.EPOCH)));
    }

    private static Comparator<KeptModel> newest() {
        return Comparator.comparing(KeptModel::pulled).reversed();
    }

    /// Sizes only: hashes were right when the files got their names.
    boolean isWhole(KeptModel kept) {
        return kept.files().stream().allMatch(file -> has(kept.name(), kept.commit(), file));
    }

    /// Whether a file of a commit has come whole.
    boolean has(HubName model, String commit, HubFile file) {
        try {
            return Files.size(snapshot(model, commit).resolve(file.path())) == file.size();
        } catch (IOException e) {
            return false;
        }
    }

    /// The same content under another name or commit.
    ///
    /// @param file with its checksum
    Optional<Path> twin(HubName model, HubFile file) {
        return all(model).stream()
                .flatMap(kept -> kept.files().stream()
                        .filter(other ->
                                Objects.equals(file.checksum(), other.checksum()) && has(model, kept.commit(), other))
                        .map(other -> snapshot(kept).resolve(other.path())))
                .findFirst();
    }

    /// Notes that a server opens it now. That this may fail, as in a folder that cannot be written, is no matter.
    public void touch(KeptModel kept) {
        try {
            Files.setLastModifiedTime(record(kept), FileTime.from(Instant.now()));
        } catch (IOException e) {
            // It stays with the time before.
        }
    }

    /// What is known of the same files.
    Optional<KeptModel> find(HubName model, String commit, String variant) {
        return all(model).stream()
                .filter(kept -> kept.commit().equals(commit) && kept.variant().equals(variant))
                .findFirst();
    }

    /// Makes a model known. What was known of the same commit and variant is forgotten. Call it under the lock.
    void write(KeptModel kept) throws IOException {
        Path record = record(kept);
        Path fresh = record.resolveSibling(record.getFileName() + ".new");
        Files.writeString(fresh, kept.text());
        Files.move(fresh, record, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /// Removes a model with those of its files that no other kept model needs. Call it under the lock.
    public void remove(KeptModel kept) throws IOException {
        Files.deleteIfExists(record(kept));
        List<KeptModel> others = all(kept.name()).stream()
                .filter(other -> other.commit().equals(kept.commit()))
                .toList();
        Set<String> needed = new HashSet<>();
        others.forEach(other -> other.files().forEach(file -> needed.add(file.path())));
        for (HubFile file : kept.files()) {
            if (!needed.contains(file.path())) {
                Files.deleteIfExists(snapshot(kept).resolve(file.path()));
            }
        }
        prune(snapshot(kept));
        if (others.isEmpty()) {
            FolderTree.delete(parts(kept.name(), kept.commit()));
        }
    }

    /// Removes folders in which nothing is.
    static void prune(Path folder) throws IOException {
        for (Path one : FolderTree.of(folder)) {
            try {
                if (Files.isDirectory(one)) {
                    Files.delete(one);
                }
            } catch (DirectoryNotEmptyException e) {
                // It is needed.
            }
        }
    }

    /// Removes all of a model, also what is not whole. Call it under the lock.
    public void removeAll(HubName model) throws IOException {
        for (KeptModel kept : all(model)) {
            Files.deleteIfExists(record(kept));
        }
        FolderTree.delete(folder(model));
        try {
            Files.deleteIfExists(folder.resolve(model.organization()));
        } catch (FileSystemException e) {
            // Others of that organization are kept.
        }
    }

    private Path record(KeptModel kept) {
        return folder(kept.name())
                .resolve(kept.commit() + (kept.variant().isEmpty() ? "" : "." + kept.variant()) + RECORD);
    }

    private static List<KeptModel> records(Path model) {
        return list(model).stream()
                .filter(path -> path.toString().endsWith(RECORD))
                .flatMap(path -> read(path).stream())
                .toList();
    }

    /// Nothing if it went away meanwhile or was left by somebody else.
    private static Optional<KeptModel> read(Path path) {
        try {
            return KeptModel.parse(
                    Files.readString(path), Files.getLastModifiedTime(path).toInstant());
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static List<Path> list(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        } catch (NoSuchFileException | NotDirectoryException e) {
            return List.of();
        } catch (IOException e) {
            throw CommandException.failed(
                    "the folder " + folder + " cannot be read: " + e.getMessage() + "; set SKEIN_HOME to one that can");
        }
    }
}
