package dev.skein.gateway;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.skein.gateway.openai.ApiException;
import dev.skein.gateway.openai.EmbeddingsRequest;
import dev.skein.gateway.openai.RequestRules;
import dev.skein.gateway.openai.SamplingDefaults;
import dev.skein.gateway.template.ChatTemplate;
import dev.skein.gateway.template.TemplateException;
import dev.skein.gateway.text.Tokenizer;
import dev.skein.protocol.v1.EmbeddingCard;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.TokenizerModel;
import java.time.Instant;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The model as the gateway knows it: what it is called, how it speaks, what may be asked of it. Immutable.
 *
 * @param names requests may give any; answers carry the first
 * @param template null where the model has none that can be used; {@code noTemplate} says why
 * @param ends {@code bos_token} and {@code eos_token} for templates
 * @param created when it was first seen
 * @param fingerprint changes with version, file and backend
 */
record ServedModel(
        ModelCard card,
        List<String> names,
        Tokenizer tokenizer,
        @Nullable ChatTemplate template,
        String noTemplate,
        Map<String, String> ends,
        RequestRules rules,
        Instant created,
        String fingerprint) {
    private static final Logger log = LoggerFactory.getLogger(ServedModel.class);

    private record Template(@Nullable ChatTemplate parsed, String why) {}

    /**
     * Builds tokenizer and template; takes some tenths of a second.
     *
     * @throws dev.skein.gateway.text.TokenizerException if the vocabulary cannot be spoken
     * @throws GatewayException if the template that the options give cannot be parsed
     */
    static ServedModel of(ModelCard card, TokenizerModel speech, GatewayOptions options) {
        GatewayOptions.Api api = options.api();
        Template template = template(speech, api);
        List<String> names = api.servedModelNames().isEmpty() ? List.of(card.getName()) : api.servedModelNames();
        SamplingDefaults own = api.useGenerationConfig()
                ? SamplingDefaults.of(speech.getGenerationConfig())
                : SamplingDefaults.NEUTRAL;
        SamplingDefaults defaults = own.with(api.overrideGenerationConfig());
        Tokenizer tokenizer = Tokenizer.of(speech, options.cache());
        RequestRules rules = new RequestRules(
                defaults,
                tokenizer.vocabulary().size(),
                Set.copyOf(card.getEosTokenIdsList()),
                Math.min(api.maxLogprobs(), card.getMaxLogprobs() > 0 ? card.getMaxLogprobs() : api.maxLogprobs()),
                options.limits().sequences(),
                api.trustRequestChatTemplate(),
                api.returnTokensAsTokenIds(),
                api.enableForceIncludeUsage());
        return new ServedModel(
                card,
                names,
                tokenizer,
                template.parsed(),
                template.why(),
                ends(speech, tokenizer),
                rules,
                Instant.now(),
                fingerprint(card, options.version()));
    }

    private static Template template(TokenizerModel speech, GatewayOptions.Api api) {
        String given = api.chatTemplate();
        if (given != null) {
            try {
                return new Template(ChatTemplate.parse(given), "");
            } catch (TemplateException e) {
                throw new GatewayException("the chat template cannot be parsed: " + e.getMessage(), e);
            }
        }
        if (speech.getChatTemplate().isEmpty()) {
            return new Template(
                    null,
                    "the model has no chat template; give the server one with --chat-template, or use"
                            + " /v1/completions");
        }
        try {
            return new Template(ChatTemplate.parse(speech.getChatTemplate()), "");
        } catch (TemplateException e) {
            log.warn("the model's chat template cannot be parsed, chat is off: {}", e.getMessage());
            return new Template(
                    null,
                    "the model's chat template cannot be parsed (" + e.getMessage()
                            + "); give the server another with --chat-template");
        }
    }

    private static Map<String, String> ends(TokenizerModel speech, Tokenizer tokenizer) {
        Map<String, String> ends = new LinkedHashMap<>();
        ends.put("bos_token", speech.hasBosTokenId() ? tokenizer.vocabulary().piece(speech.getBosTokenId()) : "");
        ends.put("eos_token", speech.hasEosTokenId() ? tokenizer.vocabulary().piece(speech.getEosTokenId()) : "");
        return Map.copyOf(ends);
    }

    private static String fingerprint(ModelCard card, String version) {
        CRC32 sum = new CRC32();
        sum.update((card.getRoot() + '\n' + card.getQuantization() + '\n' + card.getBackend()).getBytes(UTF_8));
        return "skein-" + version + "-" + HexFormat.of().toHexDigits((int) sum.getValue());
    }

    String name() {
        return names.getFirst();
    }

    ServedModel named(List<String> others) {
        return new ServedModel(
                card, List.copyOf(others), tokenizer, template, noTemplate, ends, rules, created, fingerprint);
    }

    /** Whether it makes vectors of texts, and does not generate. */
    boolean embeds() {
        return card.hasEmbedding();
    }

    /** Which vectors it makes. */
    EmbeddingsRequest.Vectors vectors() {
        EmbeddingCard vectors = card.getEmbedding();
        return new EmbeddingsRequest.Vectors(
                name(), vectors.getDimensions(), vectors.getShortens(), vectors.getShorterList());
    }

    /** @throws ApiException if what is at {@code route} is not what the model does */
    void checkTask(Route route) {
        boolean generation = route == Route.CHAT || route == Route.COMPLETIONS;
        if (embeds() ? generation : route == Route.EMBEDDINGS) {
            throw ApiException.http(
                    404,
                    "Not Found",
                    embeds()
                            ? "The model `" + name() + "` makes embeddings and does not generate; use /v1/embeddings"
                            : "The model `" + name() + "` does not support embeddings; serve an embedding model");
        }
    }

    /** @throws ApiException if {@code asked} is neither empty nor one of the names */
    void checkName(String asked) {
        if (!asked.isEmpty() && !names.contains(asked)) {
            throw ApiException.unknownModel(asked, names);
        }
    }
}
