package dev.skein.worker.model;

import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;

/** A model in a folder as transformers saves it: its config.json, and its tokenizer beside that. */
public abstract sealed class FolderCheckpoint implements Checkpoint permits HuggingFaceFolder, DummyFolder {
    private final FolderConfig description;
    private final Optional<EmbeddingConfig> embedding;

    FolderCheckpoint(FolderConfig description) {
        this.description = description;
        embedding = SentenceTransformer.read(description);
    }

    @Override
    public final Path path() {
        return description.folder();
    }

    @Override
    public final String name() {
        return String.valueOf(path().toAbsolutePath().normalize().getFileName());
    }

    @Override
    public final ModelConfig config() {
        return description.config();
    }

    @Override
    public final Optional<EmbeddingConfig> embedding() {
        return embedding;
    }

    /** What turns text into ids and back. */
    public final HuggingFaceTokenizer tokenizer() {
        return new HuggingFaceTokenizer(path(), description.whole());
    }

    /** Those of config.json, of generation_config.json, and the tokenizer's. */
    @Override
    public final Set<Integer> endTokens() {
        return tokenizer().endTokens(config().vocabulary());
    }
}
