package dev.skein.worker.model;

import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A folder's config.json.
 *
 * @param whole all of it
 * @param config what computing needs of it
 */
record FolderConfig(Path folder, ConfigObject whole, ModelConfig config) {

    /** @throws CheckpointException if it is missing, damaged, or of a model that is not supported */
    static FolderConfig read(Path folder) {
        ConfigObject whole = ConfigObject.read(file(folder));
        return new FolderConfig(folder, whole, new HuggingFaceConfig(whole).read());
    }

    /** The config.json of a folder, which is there. */
    static Path file(Path folder) {
        Path file = folder.resolve("config.json");
        if (!Files.isRegularFile(file)) {
            throw new CheckpointException(folder, "has no config.json: a folder is read as transformers saves a model");
        }
        return file;
    }
}
