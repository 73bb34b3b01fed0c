package dev.skein.worker.model;

import java.nio.file.Path;

/** For Jazzer: reads a config.json of a Hugging Face folder. Only {@link CheckpointException} may come out. */
public final class ConfigFuzz {
    private static final Path NAME = Path.of("config.json");

    private ConfigFuzz() {}

    public static void fuzzerTestOneInput(byte[] json) {
        try {
            new HuggingFaceConfig(new ConfigObject(NAME, "", JsonFiles.object(NAME, "the file", json))).read();
        } catch (CheckpointException refused) {
            Refusals.check(refused, NAME);
        }
    }
}
