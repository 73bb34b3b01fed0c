package dev.skein.cli.model.hub;

import dev.skein.cli.CommandException;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A model that is whole on this machine, and the text in which that is written down.
///
/// @param name without a quantization
/// @param commit which files these are, for ever
/// @param revisions what led to the commit, such as `main`, and when that was looked up last
/// @param variant the quantization of GGUF files; empty for a folder of safetensors
/// @param byDefault whether it is what the name without a quantization stands for
/// @param entry the file that a server opens; empty for the folder
/// @param used when it was last served
public record KeptModel(
        HubName name,
        String commit,
        Map<String, Instant> revisions,
        String variant,
        boolean byDefault,
        String entry,
        List<HubFile> files,
        Instant used) {
    private static final String HEAD = "skein model 1";
    private static final int SHORT_COMMIT = 7;

    public KeptModel {
        if (!commit.matches("[0-9a-f]+") || variant.contains("/") || !entry.isEmpty() && !has(files, entry)) {
            throw new IllegalArgumentException("commit " + commit + ", variant " + variant + ", entry " + entry);
        }
        revisions = Map.copyOf(revisions);
        files = List.copyOf(files);
    }

    private static boolean has(List<HubFile> files, String path) {
        return files.stream().anyMatch(file -> file.path().equals(path));
    }

    /// When its name was looked up last.
    public Instant pulled() {
        return revisions.values().stream().max(Comparator.naturalOrder()).orElse(Instant.EPOCH);
    }

    /// Bytes of all files.
    public long size() {
        return files.stream().mapToLong(HubFile::size).sum();
    }

    /// As `skein serve` takes it.
    public String title() {
        return variant.isEmpty() ? name.id() : name.id() + ":" + variant;
    }

    /// When that revision last led here; also for this commit or its beginning. Nothing if it never did.
    public Optional<Instant> isAt(String revision) {
        boolean named = revision.length() >= SHORT_COMMIT && commit.startsWith(revision);
        return Optional.ofNullable(revisions.getOrDefault(revision, named ? pulled() : null));
    }

    /// Whether it is of that quantization.
    public boolean isQuant(String quant) {
        return !entry.isEmpty() && Selection.matches(entry, quant);
    }

    /// Whether it is of that quantization, or for none what the name alone stands for.
    boolean is(@Nullable String quant) {
        return quant == null ? byDefault : isQuant(quant);
    }

    /// Key and value in each line: what a reader of the folder understands too.
    String text() {
        StringBuilder text = new StringBuilder(HEAD).append('\n');
        line(text, "name", name.id());
        line(text, "commit", commit);
        new TreeMap<>(revisions).forEach((revision, looked) -> line(text, "revision", looked + " " + revision));
        line(text, "variant", variant);
        line(text, "default", Boolean.toString(byDefault));
        line(text, "entry", entry);
        for (HubFile file : files) {
            line(text, "file", file.size() + " " + hash(file) + " " + file.path());
        }
        return text.toString();
    }

    private static String hash(HubFile file) {
        Checksum checksum = file.checksum();
        return checksum == null ? "-" : checksum.hex();
    }

    private static void line(StringBuilder text, String key, String value) {
        text.append(key).append(' ').append(value).append('\n');
    }

    /// Nothing if it is no such text, as of a version to come.
    static Optional<KeptModel> parse(String text, Instant used) {
        List<String> lines = text.lines().toList();
        if (lines.isEmpty() || !lines.getFirst().equals(HEAD)) {
            return Optional.empty();
        }
        try {
            HubName name = HubName.of(value(lines, "name")).orElseThrow(IllegalArgumentException::new);
            Map<String, Instant> revisions = new HashMap<>();
            values(lines, "revision")
                    .map(value -> value.split(" ", 2))
                    .forEach(words -> revisions.put(words[1], Instant.parse(words[0])));
            return Optional.of(new KeptModel(
                    name,
                    value(lines, "commit"),
                    revisions,
                    value(lines, "variant"),
                    Boolean.parseBoolean(value(lines, "default")),
                    value(lines, "entry"),
                    values(lines, "file").map(KeptModel::file).toList(),
                    used));
        } catch (IllegalArgumentException | IndexOutOfBoundsException | DateTimeException | CommandException damaged) {
            return Optional.empty();
        }
    }

    private static String value(List<String> lines, String key) {
        return values(lines, key).findFirst().orElseThrow(IllegalArgumentException::new);
    }

    private static Stream<String> values(List<String> lines, String key) {
        return lines.stream().filter(line -> line.startsWith(key + " ")).map(line -> line.substring(key.length() + 1));
    }

    private static HubFile file(String text) {
        String[] words = text.split(" ", 3);
        return new HubFile(
                words[2], Long.parseLong(words[0]), Checksum.of(words[1]).orElse(null));
    }

    /// What a server opens.
    ///
    /// @param snapshot the folder of the files
    Path entry(Path snapshot) {
        return entry.isEmpty() ? snapshot : snapshot.resolve(entry);
    }
}
