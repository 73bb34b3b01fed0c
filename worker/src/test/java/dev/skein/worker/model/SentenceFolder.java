package dev.skein.worker.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes what sentence-transformers writes beside a model. */
public final class SentenceFolder {
    private static final String POOLING = """
            {"word_embedding_dimension": 64, "pooling_mode_cls_token": %s, "pooling_mode_mean_tokens": %s,
            "pooling_mode_max_tokens": false, "pooling_mode_mean_sqrt_len_tokens": false,
            "pooling_mode_weightedmean_tokens": false, "pooling_mode_lasttoken": %s, "include_prompt": true}
            """;

    private SentenceFolder() {}

    /** @param pooling mean, cls or last */
    public static void write(Path folder, String pooling, boolean normalised) {
        modules(folder, """
                [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}%s]
                """.formatted(
                        normalised
                                ? ", {\"idx\": 2, \"name\": \"2\", \"path\": \"2_Normalize\","
                                        + " \"type\": \"sentence_transformers.models.Normalize\"}"
                                : ""));
        pooling(folder, POOLING.formatted(pooling.equals("cls"), pooling.equals("mean"), pooling.equals("last")));
    }

    /** Any modules.json. */
    public static void modules(Path folder, String json) {
        put(folder.resolve("modules.json"), json);
    }

    /** Any config of the pooling. */
    public static void pooling(Path folder, String json) {
        put(folder.resolve("1_Pooling").resolve("config.json"), json);
    }

    /** Puts something more into config.json. */
    public static void config(Path folder, String more) {
        try {
            String before = Files.readString(folder.resolve("config.json"));
            put(folder.resolve("config.json"), before.replaceFirst("\\{", "{" + more + ","));
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    /** Gives a key of config.json another value. */
    public static void replace(Path folder, String key, String value) {
        try {
            String before = Files.readString(folder.resolve("config.json"));
            put(folder.resolve("config.json"), before.replaceFirst("(\"%s\":)[^,}]+".formatted(key), "$1" + value));
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    public static void put(Path file, String text) {
        try {
            Files.createDirectories(file.getParent());
            Files.writeString(file, text);
        } catch (IOException full) {
            throw new UncheckedIOException(full);
        }
    }
}
