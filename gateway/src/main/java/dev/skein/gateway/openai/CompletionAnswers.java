package dev.skein.gateway.openai;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.gateway.text.Vocabulary;
import dev.skein.protocol.v1.Token;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** {@code text_completion}, whole and in chunks. Choice i belongs to prompt i / n. */
final class CompletionAnswers implements Answers {
    private static final PromptIds.Scored NO_PROMPT = new PromptIds.Scored(new PromptIds(new int[0], ""), List.of());

    private final Head head;
    private final Decoding.Show show;
    private final int n;
    private final Framing framing;
    private final LogprobsWriter logprobs;
    private final Map<Integer, Integer> offsets = new HashMap<>();

    CompletionAnswers(Head head, Decoding decoding, Vocabulary vocabulary) {
        this.head = head;
        this.show = decoding.show();
        this.n = decoding.n();
        this.framing = new Framing(head, "text_completion");
        this.logprobs = new LogprobsWriter(vocabulary, show.tokensAsIds());
    }

    @Override
    public void opening(JsonWriter out, int choices, PromptIds prompt) {
        // A completion begins with its text.
    }

    @Override
    public void chunk(JsonWriter out, Piece piece, PromptIds.Scored prompt, boolean first, @Nullable Usage usage) {
        framing.begin(out);
        out.beginObject();
        choice(out, piece, first && show.echo() ? prompt : NO_PROMPT);
        out.name("prompt_token_ids");
        if (first && show.tokenIds()) {
            Framing.ids(out, prompt.prompt().ids());
        } else {
            out.nul();
        }
        tokenIds(out, piece.tokens());
        out.endObject().endArray();
        if (usage != null) {
            out.name("usage");
            usage.write(out, false);
        }
        Framing.end(out);
    }

    @Override
    public void usage(JsonWriter out, Usage usage) {
        framing.begin(out);
        out.endArray().name("usage");
        usage.write(out, false);
        out.field("system_fingerprint", head.fingerprint());
        Framing.end(out);
    }

    @Override
    public void body(JsonWriter out, Whole whole) {
        out.beginObject();
        Framing.head(out, head, "text_completion");
        out.name("choices").beginArray();
        for (Piece piece : whole.pieces()) {
            PromptIds.Scored prompt = whole.prompts().get(piece.index() / n);
            out.beginObject();
            choice(out, piece, show.echo() ? prompt : NO_PROMPT);
            tokenIds(out, piece.tokens());
            out.name("prompt_logprobs");
            if (show.promptLogprobs() == null) {
                out.nul();
            } else {
                logprobs.prompt(out, prompt);
            }
            out.name("prompt_token_ids");
            if (show.tokenIds()) {
                Framing.ids(out, prompt.prompt().ids());
            } else {
                out.nul();
            }
            out.endObject();
        }
        out.endArray().nulField("service_tier").field("system_fingerprint", head.fingerprint());
        out.name("usage");
        whole.usage().write(out, true);
        out.nulField("kv_transfer_params").endObject();
    }

    private void choice(JsonWriter out, Piece piece, PromptIds.Scored echoed) {
        out.field("index", piece.index());
        out.name("text");
        if (echoed.prompt().text().isEmpty()) {
            out.string(piece.text());
        } else {
            out.string(echoed.prompt().text() + piece.text());
        }
        out.name("logprobs");
        if (show.logprobs() == null) {
            out.nul();
        } else {
            int offset = offsets.getOrDefault(piece.index(), 0);
            offsets.put(piece.index(), logprobs.completion(out, echoed, piece.tokens(), offset));
        }
        Ending ending = piece.ending();
        out.field("finish_reason", ending == null ? null : ending.finishReason());
        if (ending == null) {
            out.nulField("stop_reason");
        } else {
            ending.writeStopReason(out);
        }
    }

    private void tokenIds(JsonWriter out, List<Token> tokens) {
        out.name("token_ids");
        if (!show.tokenIds()) {
            out.nul();
            return;
        }
        out.beginArray();
        tokens.forEach(token -> out.value(token.getId()));
        out.endArray();
    }
}
