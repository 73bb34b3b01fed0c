package dev.skein.gateway;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.gateway.openai.TokenizeRequest;
import dev.skein.gateway.text.Vocabulary;
import org.jspecify.annotations.Nullable;

/** {@code /tokenize} and {@code /detokenize}. */
final class Tokens {
    private Tokens() {}

    static JsonWriter tokenize(Shared.Serving serving, @Nullable Object json) {
        ServedModel model = serving.model();
        TokenizeRequest request = TokenizeRequest.read(json, model.rules());
        model.checkName(request.model());
        String text = switch (request.what()) {
            case TokenizeRequest.OfText plain -> plain.text();
            case TokenizeRequest.OfChat chat -> serving.preparation().render(chat.request());
        };
        int[] ids = model.tokenizer().encode(text, request.addSpecialTokens());
        JsonWriter out = new JsonWriter();
        out.beginObject()
                .field("count", ids.length)
                .field("max_model_len", model.card().getMaxModelLen());
        out.name("tokens").beginArray();
        for (int id : ids) {
            out.value(id);
        }
        out.endArray().name("token_strs");
        if (request.strings()) {
            pieces(out, model.tokenizer().vocabulary(), ids);
        } else {
            out.nul();
        }
        return out.endObject();
    }

    private static void pieces(JsonWriter out, Vocabulary vocabulary, int[] ids) {
        out.beginArray();
        for (int id : ids) {
            out.value(vocabulary.piece(id));
        }
        out.endArray();
    }

    static JsonWriter detokenize(Shared.Serving serving, @Nullable Object json) {
        ServedModel model = serving.model();
        TokenizeRequest.Back request = TokenizeRequest.readBack(json, model.rules());
        model.checkName(request.model());
        String text = model.tokenizer().vocabulary().decode(request.ids(), false);
        return new JsonWriter().beginObject().field("prompt", text).endObject();
    }
}
