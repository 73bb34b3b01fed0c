package dev.skein.worker.service;

import dev.skein.compute.KvCache;
import dev.skein.protocol.v1.GgufVocabulary;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.TokenizerModel;
import dev.skein.worker.engine.EngineOptions;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.EndTokens;
import dev.skein.worker.model.GgufFile;
import dev.skein.worker.model.GgufMetadata;
import dev.skein.worker.model.GgufTensor;
import java.util.Comparator;
import java.util.Map;
import java.util.stream.Collectors;

/** The model card and the tokenizer message of a GGUF file. */
public final class Cards {
    private Cards() {}

    /** What is served, by what. */
    public static ModelCard card(
            GgufFile file, Architecture architecture, EngineOptions options, String backend, String version) {
        return ModelCard.newBuilder()
                .setName(file.metadata()
                        .text("general.name")
                        .orElse(file.path().getFileName().toString()))
                .setRoot(file.path().toString())
                .setArchitecture(architecture.name())
                .setVocabularySize(architecture.vocabularySize())
                .setMaxModelLen(options.maxModelLen())
                .addAllEosTokenIds(options.eosTokenIds().stream().sorted().toList())
                .setParameters(file.parameters())
                .setQuantization(mostBytes(file))
                .setBackend(backend)
                .setBlockSize(KvCache.BLOCK_SIZE)
                .setBlocks(options.blocks())
                .setMaxLogprobs(options.maxLogprobs())
                .setVersion(version)
                .build();
    }

    /** The type of most bytes outside the embedding and the head, which are often kept finer. */
    private static String mostBytes(GgufFile file) {
        Map<String, Long> bytes = file.tensors().stream()
                .filter(tensor -> tensor.name().startsWith("blk."))
                .collect(Collectors.groupingBy(
                        tensor -> tensor.type().name(), Collectors.summingLong(GgufTensor::bytes)));
        return bytes.entrySet().stream()
                .max(Comparator.comparingLong(Map.Entry::getValue))
                .map(Map.Entry::getKey)
                .orElse("");
    }

    /** The file's vocabulary and template. */
    public static TokenizerModel tokenizer(GgufFile file) {
        GgufMetadata keys = file.metadata();
        TokenizerModel.Builder message = TokenizerModel.newBuilder()
                .setGguf(vocabulary(keys))
                .setChatTemplate(keys.text("tokenizer.chat_template").orElse(""))
                .setAddBos(keys.flag("tokenizer.ggml.add_bos_token").orElse(false))
                .setAddEos(keys.flag("tokenizer.ggml.add_eos_token").orElse(false));
        EndTokens.id(keys, "bos").ifPresent(message::setBosTokenId);
        EndTokens.id(keys, "eos").ifPresent(message::setEosTokenId);
        EndTokens.id(keys, "unknown").ifPresent(message::setUnknownTokenId);
        EndTokens.id(keys, "padding").ifPresent(message::setPaddingTokenId);
        return message.build();
    }

    private static GgufVocabulary vocabulary(GgufMetadata keys) {
        GgufVocabulary.Builder message = GgufVocabulary.newBuilder()
                .setModel(keys.text("tokenizer.ggml.model").orElse(""))
                .setPre(keys.text("tokenizer.ggml.pre").orElse(""))
                .addAllTokens(keys.texts("tokenizer.ggml.tokens", EndTokens.MAX_VOCABULARY))
                .addAllMerges(keys.texts("tokenizer.ggml.merges", 2 * EndTokens.MAX_VOCABULARY))
                .setAddSpacePrefix(keys.flag("tokenizer.ggml.add_space_prefix").orElse(true));
        for (int type : keys.integers("tokenizer.ggml.token_type", EndTokens.MAX_VOCABULARY)) {
            message.addTypes(type);
        }
        for (float score : keys.numbers("tokenizer.ggml.scores", EndTokens.MAX_VOCABULARY)) {
            message.addScores(score);
        }
        return message.build();
    }
}
