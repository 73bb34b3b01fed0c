package dev.skein.scheduler.cluster;

import dev.skein.scheduler.DurableFile;
import dev.skein.scheduler.agent.Ledger;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// What an agent must not forget, in a file.
final class KeptFile {
    private final Path file;
    private Ledger.Kept written = Ledger.Kept.NOTHING;

    KeptFile(Path file) {
        this.file = file;
    }

    /// @throws IllegalStateException if the file holds something else
    Ledger.Kept read() {
        if (!Files.exists(file)) {
            return Ledger.Kept.NOTHING;
        }
        try {
            JsonObject json = new JsonObject(Files.readString(file));
            return new Ledger.Kept(json.getLong("boot"), json.getLong("term"), json.getString("driver"));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file, e);
        } catch (DecodeException | ClassCastException | NullPointerException e) {
            throw new IllegalStateException(
                    file + " does not say what this machine has promised; if none of its ranks runs, delete it", e);
        }
    }

    /// Writes what changed; returns when it is on the disk.
    void write(Ledger.Kept kept) {
        if (kept.equals(written)) {
            return;
        }
        DurableFile.write(file, json(kept).encode().getBytes(StandardCharsets.UTF_8));
        written = kept;
    }

    private static JsonObject json(Ledger.Kept kept) {
        return new JsonObject()
                .put("boot", kept.boot())
                .put("term", kept.term())
                .put("driver", kept.driver());
    }
}
