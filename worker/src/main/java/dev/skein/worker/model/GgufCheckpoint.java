package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A model in the GGUF format: one file, or the parts that it was split into. */
public final class GgufCheckpoint implements Checkpoint {
    private final GgufFiles files;
    private final ModelConfig config;
    private final Optional<EmbeddingConfig> embedding;

    /** Takes the files over. */
    GgufCheckpoint(GgufFiles files) {
        this.files = files;
        GgufConfig described = new GgufConfig(files);
        config = described.read();
        embedding = described.embedding();
    }

    /**
     * Maps a file, or all parts if it is one of several, and checks their headers.
     *
     * @throws CheckpointException if one is missing, damaged or not supported
     */
    public static GgufCheckpoint open(Path path) {
        GgufFiles files = GgufFiles.open(path);
        try {
            return new GgufCheckpoint(files);
        } catch (RuntimeException | Error refused) {
            files.close();
            throw refused;
        }
    }

    @Override
    public Path path() {
        return files.path();
    }

    @Override
    public String name() {
        return metadata()
                .text("general.name")
                .orElseGet(() -> path().getFileName().toString());
    }

    /** Keys and values, of the first part if there are several. */
    public GgufMetadata metadata() {
        return files.metadata();
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public Optional<EmbeddingConfig> embedding() {
        return embedding;
    }

    @Override
    public Set<Integer> endTokens() {
        return EndTokens.of(metadata());
    }

    @Override
    public Set<String> tensors() {
        Set<String> names = new LinkedHashSet<>(files.names());
        names.remove(GgufRope.FACTORS);
        if (embedding.isPresent()) {
            names.remove("output.weight");
        }
        return names;
    }

    @Override
    public String holder(String name) {
        ExpertTensors.Place place = place(name);
        return place == null ? name : place.tensor();
    }

    private ExpertTensors.@Nullable Place place(String name) {
        return config.experts() == null || files.tensor(name).isPresent() ? null : ExpertTensors.place(name);
    }

    @Override
    public ElementType type(String name, int rows, int columns) {
        return find(name, rows, columns).type();
    }

    @Override
    public HostMatrix matrix(String name, int rows, int columns, Arena made) {
        return find(name, rows, columns);
    }

    private HostMatrix find(String name, int rows, int columns) {
        ModelConfig.Experts experts = config.experts();
        ExpertTensors.Place place = place(name);
        return experts == null || place == null
                ? files.matrix(name, rows, columns)
                : files.matrix(place.tensor(), place.index(), experts.count(), rows, columns);
    }

    @Override
    public long parameters() {
        return files.tensors().stream().mapToLong(GgufTensor::elements).sum();
    }

    @Override
    public long tensorBytes() {
        return files.tensors().stream().mapToLong(GgufTensor::bytes).sum();
    }

    @Override
    public String quantization() {
        return MostBytes.of(
                files.tensors().stream().filter(tensor -> tensor.name().startsWith("blk.")),
                tensor -> tensor.type().name(),
                GgufTensor::bytes);
    }

    @Override
    public void close() {
        files.close();
    }
}
