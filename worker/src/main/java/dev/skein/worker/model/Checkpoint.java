package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;

/**
 * A model as it lies on disk: a configuration, and tensors by name. Architectures know this and no file format.
 *
 * <p>Names are those of GGUF's naming, which is one for all families: {@code token_embd.weight}, {@code
 * blk.3.attn_q.weight}, {@code output_norm.weight}. What a name stands for is also one: a norm's weight is what its row
 * is multiplied by, and the rows of queries and keys lie as {@link ModelConfig#rope} says.
 *
 * <p>Owns the mappings of its files: matrices that are views of them die with {@link #close}. Safe to read from several
 * threads.
 */
public sealed interface Checkpoint extends AutoCloseable permits GgufCheckpoint, FolderCheckpoint {

    /**
     * Maps a model's files and checks their headers and configuration.
     *
     * @param path a GGUF file, or one of those that a model was split into; or a Hugging Face folder
     * @throws CheckpointException if something is missing, damaged, or not supported
     */
    static Checkpoint open(Path path) {
        return Files.isDirectory(path) ? HuggingFaceFolder.open(path) : GgufCheckpoint.open(path);
    }

    /** Where it lies. */
    Path path();

    /** Its own name for itself. */
    String name();

    ModelConfig config();

    /** How it makes vectors of texts; empty where it generates. */
    Optional<EmbeddingConfig> embedding();

    /** Ids that end a sequence. */
    Set<Integer> endTokens();

    /** Names of all tensors that a model must make use of. */
    Set<String> tensors();

    /** Which of them holds a matrix: its own, unless experts lie together. */
    default String holder(String name) {
        return name;
    }

    /**
     * The type that {@link #matrix} has.
     *
     * @throws CheckpointException if it is not there, or not `rows` rows of `columns`
     */
    ElementType type(String name, int rows, int columns);

    /**
     * The tensor of that name: a view of its file, or what was made of it.
     *
     * @param made what is made of it lies there
     * @throws CheckpointException if it is not there, or not `rows` rows of `columns`
     */
    HostMatrix matrix(String name, int rows, int columns, Arena made);

    /** Elements of all tensors. */
    long parameters();

    /** Bytes of all tensors as they are computed with. */
    long tensorBytes();

    /** The type of most bytes outside the embedding and the head, which are often kept finer. */
    String quantization();

    @Override
    void close();
}
