package dev.skein.worker.service;

import com.google.protobuf.UnsafeByteOperations;
import dev.skein.compute.KvCache;
import dev.skein.protocol.v1.EmbeddingCard;
import dev.skein.protocol.v1.GgufVocabulary;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.TokenizerModel;
import dev.skein.worker.engine.EmbeddingOptions;
import dev.skein.worker.engine.EngineOptions;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Checkpoint;
import dev.skein.worker.model.EmbeddingConfig;
import dev.skein.worker.model.EndTokens;
import dev.skein.worker.model.FolderCheckpoint;
import dev.skein.worker.model.GgufCheckpoint;
import dev.skein.worker.model.GgufMetadata;
import dev.skein.worker.model.HuggingFaceTokenizer;
import java.util.Locale;

/** The model card and the tokenizer message of a checkpoint. */
public final class Cards {
    private Cards() {}

    /** What generates, by what. */
    public static ModelCard card(
            Checkpoint checkpoint, Architecture architecture, EngineOptions options, String backend, String version) {
        return card(checkpoint, architecture, backend, version)
                .setMaxModelLen(options.maxModelLen())
                .addAllEosTokenIds(options.eosTokenIds().stream().sorted().toList())
                .setBlockSize(KvCache.BLOCK_SIZE)
                .setBlocks(options.blocks())
                .setMaxLogprobs(options.maxLogprobs())
                .build();
    }

    /** What makes vectors, of what length. */
    public static ModelCard card(
            Checkpoint checkpoint,
            Architecture architecture,
            EmbeddingConfig config,
            EmbeddingOptions options,
            String backend,
            String version) {
        return card(checkpoint, architecture, backend, version)
                .setMaxModelLen(options.maxModelLen())
                .setEmbedding(EmbeddingCard.newBuilder()
                        .setDimensions(architecture.hidden())
                        .setPooling(config.pooling().name().toLowerCase(Locale.ROOT))
                        .setNormalised(config.normalised())
                        .setShortens(config.shortening().possible())
                        .addAllShorter(config.shortening().lengths()))
                .build();
    }

    private static ModelCard.Builder card(
            Checkpoint checkpoint, Architecture architecture, String backend, String version) {
        return ModelCard.newBuilder()
                .setName(checkpoint.name())
                .setRoot(checkpoint.path().toString())
                .setArchitecture(architecture.name())
                .setVocabularySize(architecture.vocabularySize())
                .setParameters(checkpoint.parameters())
                .setQuantization(checkpoint.quantization())
                .setBackend(backend)
                .setVersion(version);
    }

    /** The vocabulary and template. */
    public static TokenizerModel tokenizer(Checkpoint checkpoint) {
        return switch (checkpoint) {
            case GgufCheckpoint gguf -> tokenizer(gguf.metadata());
            case FolderCheckpoint folder -> tokenizer(folder.tokenizer());
        };
    }

    private static TokenizerModel tokenizer(HuggingFaceTokenizer files) {
        TokenizerModel.Builder message = TokenizerModel.newBuilder()
                .setTokenizerJson(UnsafeByteOperations.unsafeWrap(files.tokenizerJson()))
                .setChatTemplate(files.chatTemplate())
                .setGenerationConfig(files.generationConfig())
                .setAddBos(files.flag("add_bos_token"))
                .setAddEos(files.flag("add_eos_token"));
        files.id("bos").ifPresent(message::setBosTokenId);
        files.id("eos").ifPresent(message::setEosTokenId);
        files.id("unk").ifPresent(message::setUnknownTokenId);
        files.id("pad").ifPresent(message::setPaddingTokenId);
        return message.build();
    }

    private static TokenizerModel tokenizer(GgufMetadata keys) {
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
