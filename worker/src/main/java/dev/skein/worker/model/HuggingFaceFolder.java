package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** A model as transformers saves it: a folder of config.json and safetensors files, with its tokenizer beside them. */
public final class HuggingFaceFolder extends FolderCheckpoint {
    /** Rows and columns that share a scale in a matrix of 8-bit floats. */
    private static final int BLOCK = 128;
    /** What sees, what follows from the config, and scales of activations, which are not made smaller here. */
    private static final Pattern BESIDE = Pattern.compile(
            "(model\\.)?(vision_tower|multi_modal_projector)\\..*|.*\\.rotary_emb\\.inv_freq|.*\\.(input|k|v)_scale");

    /** What an encoder was trained with and its states do not need. */
    private static final Pattern BESIDE_BERT =
            Pattern.compile("(bert\\.)?pooler\\..*|cls\\..*|(bert\\.)?embeddings\\.position_ids");

    private final SafetensorsFiles files;
    private final HuggingFaceNames names;

    private HuggingFaceFolder(Path folder, SafetensorsFiles files) {
        super(FolderConfig.read(folder));
        this.files = files;
        names = names();
    }

    /**
     * Maps a folder's safetensors files, and checks their headers and config.json.
     *
     * @throws CheckpointException if one is missing, damaged or not supported
     */
    public static HuggingFaceFolder open(Path folder) {
        FolderConfig.file(folder);
        SafetensorsFiles files = SafetensorsFiles.open(folder);
        try {
            return new HuggingFaceFolder(folder, files);
        } catch (RuntimeException | Error refused) {
            files.close();
            throw refused;
        }
    }

    /** Where a model also sees, the names of its text model's tensors have more in front. */
    private HuggingFaceNames names() {
        Family family = config().family();
        if (family == Family.BERT) {
            return new HuggingFaceNames(
                    family, files.has("bert.embeddings.word_embeddings.weight") ? "bert." : "", "none");
        }
        if (files.has("embed_tokens.weight")) {
            return new HuggingFaceNames(family, "", "lm_head.weight");
        }
        if (files.has("language_model.model.embed_tokens.weight")) {
            return new HuggingFaceNames(family, "language_model.model.", "language_model.lm_head.weight");
        }
        return files.has("model.language_model.embed_tokens.weight")
                ? new HuggingFaceNames(family, "model.language_model.", "lm_head.weight")
                : new HuggingFaceNames(family, "model.", "lm_head.weight");
    }

    @Override
    public Set<String> tensors() {
        Set<String> all = new LinkedHashSet<>();
        for (String name : files.names()) {
            String ours =
                    names.ours(name.replaceFirst("\\.qweight$", ".weight")).orElse(name);
            if (!beside(name) && !(headless() && ours.equals("output.weight"))) {
                all.add(ours);
            }
        }
        return all;
    }

    private boolean headless() {
        return config().tied() || embedding().isPresent();
    }

    /** Whether a text model is computed without a tensor, or it belongs to another that is read with it. */
    private boolean beside(String name) {
        return BESIDE.matcher(name).matches()
                || config().family() == Family.BERT && BESIDE_BERT.matcher(name).matches()
                || name.endsWith(".qzeros") && files.has(name.replace(".qzeros", ".qweight"))
                || name.endsWith(".scales") && files.has(name.replace(".scales", ".qweight"))
                || name.endsWith(".weight_scale") && files.has(name.replace("_scale", ""))
                || name.endsWith(".weight_scale_inv") && files.has(name.replace("_scale_inv", ""));
    }

    @Override
    public ElementType type(String name, int rows, int columns) {
        if (packed(name)) {
            Awq.of(files, stem(name), rows, columns);
            return ElementType.Q4_1;
        }
        return element(tensor(name, rows, columns));
    }

    private boolean packed(String name) {
        return name.endsWith(".weight") && Awq.holds(files, stem(name));
    }

    private String stem(String name) {
        String theirs = names.theirs(name);
        return theirs.substring(0, theirs.length() - ".weight".length());
    }

    @Override
    public HostMatrix matrix(String name, int rows, int columns, Arena made) {
        if (packed(name)) {
            return Awq.of(files, stem(name), rows, columns).toQ41(name, made);
        }
        SafetensorsTensor tensor = tensor(name, rows, columns);
        if (tensor.type() == SafetensorsType.F8_E4M3) {
            return Fp8.toBf16(tensor.name(), rows, columns, files.data(tensor), scale(tensor, rows, columns), made);
        }
        HostMatrix matrix = new HostMatrix(tensor.name(), element(tensor), rows, columns, files.data(tensor));
        // Gemma's norms multiply by one more than what its files hold.
        boolean shifted = config().family() == Family.GEMMA3 && name.endsWith("norm.weight");
        return shifted ? HostVectors.plusOne(matrix) : matrix;
    }

    /** What multiplies 8-bit floats: one number, or one for each row, or one for each square block. */
    private Fp8.Scale scale(SafetensorsTensor tensor, int rows, int columns) {
        String inverse = tensor.name() + "_scale_inv";
        SafetensorsTensor scale = files.tensor(files.has(inverse) ? inverse : tensor.name() + "_scale");
        float[] values = HostVectors.values(
                new HostMatrix(scale.name(), element(scale), 1, Math.toIntExact(scale.elements()), files.data(scale)));
        if (values.length == 1) {
            return (_, _) -> values[0];
        }
        if (values.length == rows && scale.shape().getFirst() == rows) {
            return (row, _) -> values[row];
        }
        int across = (columns + BLOCK - 1) / BLOCK;
        if (!scale.shape().equals(List.of((rows + BLOCK - 1L) / BLOCK, (long) across))) {
            throw new CheckpointException(
                    files.path(scale.name()),
                    "the shape of " + scale.name(),
                    scale.shape(),
                    "there may be one scale, one for each of %d rows, or one for each block of %d x %d"
                            .formatted(rows, BLOCK, BLOCK));
        }
        return (row, column) -> values[row / BLOCK * across + column / BLOCK];
    }

    private SafetensorsTensor tensor(String name, int rows, int columns) {
        SafetensorsTensor tensor = files.tensor(names.theirs(name));
        List<Long> shape = tensor.shape();
        boolean vector = rows == 1 && shape.equals(List.of((long) columns));
        if (!vector && !shape.equals(List.of((long) rows, (long) columns))) {
            throw new CheckpointException(
                    files.path(tensor.name()),
                    "the shape of " + tensor.name(),
                    shape,
                    "config.json asks for [%d, %d]".formatted(rows, columns));
        }
        return tensor;
    }

    private ElementType element(SafetensorsTensor tensor) {
        return tensor.type()
                .element()
                .orElseThrow(() -> new CheckpointException(
                        files.path(tensor.name()),
                        "the type of " + tensor.name(),
                        tensor.type(),
                        "F32, F16, BF16 and F8_E4M3 are supported"));
    }

    @Override
    public long parameters() {
        return files.tensors().stream()
                .filter(tensor -> !beside(tensor.name()))
                .mapToLong(tensor -> tensor.elements() * (tensor.name().endsWith(".qweight") ? Awq.PER_INT : 1))
                .sum();
    }

    @Override
    public long tensorBytes() {
        return files.tensors().stream()
                .mapToLong(tensor -> tensor.type() == SafetensorsType.F8_E4M3 ? 2 * tensor.bytes() : tensor.bytes())
                .sum();
    }

    @Override
    public String quantization() {
        if (files.names().stream().anyMatch(name -> name.endsWith(".qweight"))) {
            return "AWQ";
        }
        return MostBytes.of(files.tensors().stream(), tensor -> tensor.type().name(), SafetensorsTensor::bytes);
    }

    @Override
    public void close() {
        files.close();
    }
}
