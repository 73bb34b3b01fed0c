package dev.skein.worker;

import dev.skein.worker.model.Checkpoint;
import dev.skein.worker.model.DummyFolder;
import java.nio.file.Path;
import java.util.Locale;

/** Where weights come from. */
public enum LoadFormat {
    /** The model's files, of whatever format. */
    AUTO,
    /** Random numbers, of the shape that a folder's config.json says. */
    DUMMY;

    /**
     * The format that a flag names.
     *
     * @throws IllegalArgumentException if it is none of them
     */
    public static LoadFormat named(String name) {
        return switch (name) {
            case "auto" -> AUTO;
            case "dummy" -> DUMMY;
            default ->
                throw new IllegalArgumentException("--load-format is %s; it may be auto or dummy".formatted(name));
        };
    }

    /** Its name as {@link #named} knows it. */
    String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    Checkpoint open(Path model) {
        return switch (this) {
            case AUTO -> Checkpoint.open(model);
            case DUMMY -> DummyFolder.open(model);
        };
    }
}
