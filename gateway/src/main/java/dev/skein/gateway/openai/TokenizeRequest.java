package dev.skein.gateway.openai;

import dev.skein.gateway.text.StopStrings;
import dev.skein.gateway.text.TextStream;
import dev.skein.protocol.v1.SamplingParameters;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A body of {@code /tokenize}: a text or a conversation.
 *
 * @param strings whether the tokens' own spelling is asked for
 */
public record TokenizeRequest(String model, What what, boolean addSpecialTokens, boolean strings) {
    public sealed interface What {}

    public record OfText(String text) implements What {}

    public record OfChat(ChatRequest request) implements What {}

    /** A body of {@code /detokenize}. */
    public record Back(String model, int[] ids) {}

    // A conversation that is only counted is decoded in no way.
    private static final Decoding NONE = new Decoding(
            "",
            1,
            1,
            SamplingParameters.getDefaultInstance(),
            List.of(),
            null,
            1,
            new TextStream.Rules(StopStrings.NONE, false, 0, Set.of(), true),
            new Decoding.Show(false, false, false, false, null, null, false, false, false),
            null,
            false,
            0,
            "",
            null);

    /** @throws ApiException if it cannot be served */
    public static TokenizeRequest read(@Nullable Object json, RequestRules rules) {
        Fields body = Fields.of(json);
        String model = body.text("model");
        boolean strings = body.flag("return_token_strs", false);
        boolean chat = body.has("messages");
        boolean special = body.flag("add_special_tokens", !chat);
        String prompt = body.text("prompt");
        if (!chat && !body.has("prompt")) {
            body.missing("prompt");
        }
        body.check();
        if (chat && body.has("tools")) {
            throw ApiException.refused("tools", "Calling tools");
        }
        What what = chat
                ? new OfChat(ChatRequest.conversation(body, NONE, rules.trustTemplates()))
                : new OfText(prompt == null ? "" : prompt);
        return new TokenizeRequest(model == null ? "" : model, what, special, strings);
    }

    /** @throws ApiException if it cannot be served */
    public static Back readBack(@Nullable Object json, RequestRules rules) {
        Fields body = Fields.of(json);
        String model = body.text("model");
        List<Long> tokens = body.integers("tokens");
        if (tokens == null) {
            body.missing("tokens");
        }
        body.check();
        int[] ids = new int[tokens == null ? 0 : tokens.size()];
        for (int i = 0; i < ids.length; i++) {
            long id = tokens == null ? 0 : tokens.get(i);
            if (id < 0 || id >= rules.vocabulary()) {
                throw ApiException.bad(
                        "tokens", "the token id " + id + " is not in the vocabulary, 0 to " + (rules.vocabulary() - 1));
            }
            ids[i] = (int) id;
        }
        return new Back(model == null ? "" : model, ids);
    }
}
