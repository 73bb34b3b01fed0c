package dev.skein.worker.model;

import dev.skein.worker.model.EmbeddingConfig.Pooling;
import dev.skein.worker.model.EmbeddingConfig.Shortening;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the sentence-transformers library writes into a folder beside a model: modules.json names what its tokens' states
 * go through, one of which is a pooling with its own folder; sentence_bert_config.json bounds a text's length. A module
 * that is not known is refused, as it would change every vector.
 */
final class SentenceTransformer {
    private static final Logger log = LoggerFactory.getLogger(SentenceTransformer.class);

    private static final Pattern FOLDER = Pattern.compile("\\w[\\w.-]{0,63}");
    private static final String PREFIX = "pooling_mode_";
    private static final Map<String, Pooling> MODES = Map.of(
            "mean_tokens", Pooling.MEAN,
            "mean", Pooling.MEAN,
            "cls_token", Pooling.CLS,
            "cls", Pooling.CLS,
            "lasttoken", Pooling.LAST);

    private final Path folder;
    private final FolderConfig description;

    private SentenceTransformer(FolderConfig description) {
        this.description = description;
        folder = description.folder();
    }

    /**
     * How a folder's model embeds; empty where it generates. An encoder that is told nothing about takes the first token,
     * as vLLM has it.
     *
     * @throws CheckpointException if it does so in a way that is not known
     */
    static Optional<EmbeddingConfig> read(FolderConfig description) {
        SentenceTransformer files = new SentenceTransformer(description);
        Path modules = description.folder().resolve("modules.json");
        if (Files.exists(modules)) {
            return Optional.of(files.config(modules));
        }
        if (description.config().encoding() == null) {
            return Optional.empty();
        }
        log.warn("pooling=cls reason=\"{} has no modules.json\"", description.folder());
        return Optional.of(files.config(Pooling.CLS, true));
    }

    private EmbeddingConfig config(Path modules) {
        Optional<Pooling> pooling = Optional.empty();
        boolean normalised = false;
        for (ConfigObject module : ConfigObject.readAll(modules)) {
            String type = module.text("type").orElseThrow(() -> module.missing("type"));
            String path = module.text("path").orElse("");
            switch (type.substring(type.lastIndexOf('.') + 1)) {
                case "Transformer" -> requireHere(module, path);
                case "Pooling" -> pooling = Optional.of(pooling(module, path));
                case "Normalize" -> normalised = true;
                default -> throw module.refused("type", type, "only Transformer, Pooling and Normalize are supported");
            }
        }
        return config(
                pooling.orElseThrow(() -> new CheckpointException(modules, "names no module Pooling")), normalised);
    }

    private static void requireHere(ConfigObject module, String path) {
        if (!path.isEmpty()) {
            throw module.refused("path", path, "the transformer must be in the folder itself");
        }
    }

    /** The one mode that is on; those of several would be put behind each other. */
    private Pooling pooling(ConfigObject module, String path) {
        if (!FOLDER.matcher(path).matches()) {
            throw module.refused("path", path, "it must be the name of a folder beside it");
        }
        ConfigObject config = ConfigObject.read(folder.resolve(path).resolve("config.json"));
        List<String> on = new ArrayList<>();
        config.text("pooling_mode").ifPresent(on::add);
        for (String key : config.node().propertyNames()) {
            if (key.startsWith(PREFIX) && config.flag(key).orElse(false)) {
                on.add(key.substring(PREFIX.length()));
            }
        }
        if (on.size() != 1 || !MODES.containsKey(on.getFirst())) {
            throw config.refused("pooling_mode", on, "one of mean, cls and lasttoken is supported");
        }
        return MODES.get(on.getFirst());
    }

    private EmbeddingConfig config(Pooling pooling, boolean normalised) {
        return new EmbeddingConfig(pooling, normalised, longest(), shortening());
    }

    private OptionalInt longest() {
        Path file = folder.resolve("sentence_bert_config.json");
        if (!Files.exists(file)) {
            return OptionalInt.empty();
        }
        ConfigObject config = ConfigObject.read(file);
        if (config.flag("do_lower_case").orElse(false)) {
            throw config.refused("do_lower_case", true, "the tokenizer itself must say what it makes lower case");
        }
        return config.integer("max_seq_length", 1, Setting.CONTEXT.most());
    }

    private Shortening shortening() {
        ConfigObject config = description.whole();
        int hidden = description.config().hidden();
        List<Integer> lengths = config.integers("matryoshka_dimensions", 1, hidden);
        boolean possible = !lengths.isEmpty() || config.flag("is_matryoshka").orElse(false);
        return new Shortening(possible, lengths);
    }
}
