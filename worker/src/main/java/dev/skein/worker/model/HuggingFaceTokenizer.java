package dev.skein.worker.model;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/**
 * The files of a Hugging Face folder that are about text. Each is read when it is asked for; only tokenizer.json must be
 * there.
 */
public final class HuggingFaceTokenizer {
    private static final int MAX_TOKENIZER_BYTES = 1 << 28;
    private static final int MAX_TEMPLATE_BYTES = 1 << 22;

    private final Path folder;
    private final ConfigObject config;
    private final ConfigObject settings;

    /** @param config the folder's config.json */
    HuggingFaceTokenizer(Path folder, ConfigObject config) {
        this.folder = folder;
        this.config = config;
        Path file = folder.resolve("tokenizer_config.json");
        settings = Files.exists(file) ? ConfigObject.read(file) : config.nothing();
    }

    /** The whole of tokenizer.json, unread. */
    public byte[] tokenizerJson() {
        Path file = folder.resolve("tokenizer.json");
        if (!Files.exists(file)) {
            throw new CheckpointException(
                    folder, "has no tokenizer.json; save its tokenizer with transformers' save_pretrained");
        }
        return JsonFiles.bytes(file, MAX_TOKENIZER_BYTES);
    }

    /** The whole of generation_config.json; empty where there is none. */
    public String generationConfig() {
        Path file = folder.resolve("generation_config.json");
        return Files.exists(file) ? JsonFiles.text(file, JsonFiles.MAX_BYTES) : "";
    }

    /**
     * The chat template: chat_template.jinja, or that of chat_template.json, or that of tokenizer_config.json, where of
     * several the one called default counts. Empty where there is none.
     */
    public String chatTemplate() {
        Path jinja = folder.resolve("chat_template.jinja");
        if (Files.exists(jinja)) {
            return JsonFiles.text(jinja, MAX_TEMPLATE_BYTES);
        }
        Path json = folder.resolve("chat_template.json");
        if (Files.exists(json)) {
            return ConfigObject.read(json).text("chat_template").orElse("");
        }
        JsonNode template = settings.node().path("chat_template");
        return template.isArray()
                ? named(template)
                : settings.text("chat_template").orElse("");
    }

    private static String named(JsonNode templates) {
        return templates.values().stream()
                .filter(each -> each.path("name").asString("").equals("default"))
                .map(each -> each.path("template").asString(""))
                .findFirst()
                .orElse("");
    }

    /** A flag of tokenizer_config.json; false where it is missing. */
    public boolean flag(String name) {
        return settings.flag(name).orElse(false);
    }

    /** The id of a special token such as "bos": the tokenizer's, or else that of config.json. */
    public OptionalInt id(String kind) {
        Optional<String> text = content(settings.node().path(kind + "_token"));
        OptionalInt known = text.isEmpty() ? OptionalInt.empty() : added(text.get());
        return known.isPresent()
                ? known
                : config.integers(kind + "_token_id", 0, Integer.MAX_VALUE).stream()
                        .mapToInt(Integer::intValue)
                        .findFirst();
    }

    /** A special token is a string, or an object that has one. */
    private static Optional<String> content(JsonNode token) {
        JsonNode text = token.isObject() ? token.path("content") : token;
        return text.isString() ? Optional.of(text.stringValue()) : Optional.empty();
    }

    private OptionalInt added(String text) {
        return settings.node().path("added_tokens_decoder").properties().stream()
                .filter(each -> content(each.getValue()).equals(Optional.of(text)))
                .filter(each -> each.getKey().matches("\\d{1,9}"))
                .mapToInt(each -> Integer.parseInt(each.getKey()))
                .findFirst();
    }

    /** Ids below the vocabulary's size that end a text: of all files that name some. */
    Set<Integer> endTokens(int vocabulary) {
        Set<Integer> ids = new LinkedHashSet<>(config.integers("eos_token_id", 0, Integer.MAX_VALUE));
        Path generation = folder.resolve("generation_config.json");
        List<Integer> more = Files.exists(generation)
                ? ConfigObject.read(generation).integers("eos_token_id", 0, Integer.MAX_VALUE)
                : List.of();
        ids.addAll(more);
        id("eos").ifPresent(ids::add);
        ids.removeIf(id -> id >= vocabulary);
        return ids;
    }
}
