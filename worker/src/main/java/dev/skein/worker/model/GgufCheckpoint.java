package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A model in the GGUF format: one file, or the parts that it was split into. The matrices of a layer's experts lie behind
 * each other as one tensor, or in old files each by itself.
 */
public final class GgufCheckpoint implements Checkpoint {
    private static final Pattern STACKED = Pattern.compile("(blk\\.\\d+\\.ffn_(?:gate|up|down))_exps\\.weight");
    private static final Pattern EXPERT = Pattern.compile("(blk\\.\\d+\\.ffn_(?:gate|up|down))\\.(\\d+)\\.weight");

    private final GgufFiles files;
    private final ModelConfig config;

    /** Takes the files over. */
    GgufCheckpoint(GgufFiles files) {
        this.files = files;
        config = new GgufConfig(files).read();
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
    public Set<Integer> endTokens() {
        return EndTokens.of(metadata());
    }

    @Override
    public Set<String> tensors() {
        Set<String> names = new LinkedHashSet<>();
        for (String name : files.names()) {
            Matcher stacked = STACKED.matcher(name);
            if (stacked.matches()) {
                for (int expert = 0; expert < experts(); expert++) {
                    names.add("%s.%d.weight".formatted(stacked.group(1), expert));
                }
            } else if (!name.equals(GgufRope.FACTORS)) {
                names.add(name);
            }
        }
        return names;
    }

    private int experts() {
        ModelConfig.Experts experts = config.experts();
        return experts == null ? 1 : experts.count();
    }

    @Override
    public ElementType type(String name, int rows, int columns) {
        return matrix(name, rows, columns).type();
    }

    @Override
    public HostMatrix matrix(String name, int rows, int columns) {
        Matcher expert = EXPERT.matcher(name);
        return expert.matches() && files.tensor(name).isEmpty()
                ? files.matrix(
                        expert.group(1) + "_exps.weight", Integer.parseInt(expert.group(2)), experts(), rows, columns)
                : files.matrix(name, rows, columns);
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
        Map<String, Long> bytes = files.tensors().stream()
                .filter(tensor -> tensor.name().startsWith("blk."))
                .collect(Collectors.groupingBy(
                        tensor -> tensor.type().name(), Collectors.summingLong(GgufTensor::bytes)));
        return bytes.entrySet().stream()
                .max(Comparator.comparingLong(Map.Entry::getValue))
                .map(Map.Entry::getKey)
                .orElse("");
    }

    @Override
    public void close() {
        files.close();
    }
}
