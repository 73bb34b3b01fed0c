package dev.skein.cli;

import dev.skein.cli.client.Table;
import dev.skein.cli.model.hub.HubCache;
import dev.skein.cli.model.hub.KeptModel;
import dev.skein.cli.model.hub.Words;
import dev.skein.worker.model.Checkpoint;
import dev.skein.worker.model.CheckpointException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// What `skein model show` says of a model.
final class ModelSheet {
    private static final int SHORT_COMMIT = 12;
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm", Locale.ROOT).withZone(ZoneId.systemDefault());

    private ModelSheet() {}

    /// Of a file or a folder.
    ///
    /// @throws CommandException if this version cannot open it
    static String of(Path path) {
        try {
            List<List<String>> rows = new ArrayList<>(opened(path));
            rows.add(List.of("path", path.toString()));
            return Table.text(rows);
        } catch (CheckpointException e) {
            throw CommandException.failed(e.getMessage());
        }
    }

    /// Of a model of a hub, also of one that this version cannot open.
    static String of(HubCache cache, KeptModel kept) {
        List<List<String>> rows = new ArrayList<>();
        rows.add(List.of("model", kept.title()));
        kept.revisions().entrySet().stream()
                .sorted(Map.Entry.comparingByKey())
                .forEach(each -> rows.add(List.of("revision", each.getKey() + ", pulled " + time(each.getValue()))));
        rows.add(List.of("commit", kept.commit()));
        rows.add(List.of("used", time(kept.used())));
        try {
            rows.addAll(opened(cache.entry(kept)));
        } catch (CheckpointException e) {
            rows.add(List.of("cannot be served", String.valueOf(e.getMessage())));
        }
        rows.add(List.of("size", size(kept.size())));
        rows.add(List.of("path", cache.entry(kept).toString()));
        kept.files().forEach(file -> rows.add(List.of("file", file.path() + " (" + size(file.size()) + ")")));
        return Table.text(rows);
    }

    private static List<List<String>> opened(Path path) {
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            return List.of(
                    List.of("architecture", checkpoint.config().family().label()),
                    List.of("parameters", count(checkpoint.parameters())),
                    List.of("quantization", checkpoint.quantization()),
                    List.of("context", checkpoint.config().context() + " tokens"),
                    List.of("layers", String.valueOf(checkpoint.config().layers())),
                    List.of("vocabulary", String.valueOf(checkpoint.config().vocabulary())));
        }
    }

    static String size(long bytes) {
        return Words.size(bytes);
    }

    static String time(Instant instant) {
        return TIME.format(instant);
    }

    static String shortened(String commit) {
        return commit.substring(0, Math.min(SHORT_COMMIT, commit.length()));
    }

    private static String count(long parameters) {
        return parameters >= 1_000_000_000
                ? String.format(Locale.ROOT, "%.2f billion", parameters / 1e9)
                : String.format(Locale.ROOT, "%.1f million", parameters / 1e6);
    }
}
