package dev.skein.gateway.openai;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.gateway.text.Vocabulary;
import dev.skein.protocol.v1.Token;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** {@code chat.completion} and {@code chat.completion.chunk}. */
final class ChatAnswers implements Answers {
    private final Head head;
    private final Decoding.Show show;
    private final Opening opening;
    private final Framing framing;
    private final LogprobsWriter logprobs;

    ChatAnswers(Head head, Decoding decoding, Vocabulary vocabulary, Opening opening) {
        this.head = head;
        this.show = decoding.show();
        this.opening = opening;
        this.framing = new Framing(head, "chat.completion.chunk");
        this.logprobs = new LogprobsWriter(vocabulary, show.tokensAsIds());
    }

    @Override
    public void opening(JsonWriter out, int choices, PromptIds prompt) {
        for (int index = 0; index < choices; index++) {
            framing.begin(out);
            out.beginObject().field("index", index);
            out.name("delta").beginObject();
            out.field("role", opening.role()).field("content", "").endObject();
            out.nulField("logprobs").nulField("finish_reason").endObject().endArray();
            promptFields(out, prompt);
            usageField(out, show.continuousUsage() ? new Usage(prompt.ids().length, 0, -1) : null);
            Framing.end(out);
        }
        for (int index = 0; index < choices && !opening.echo().isEmpty(); index++) {
            framing.begin(out);
            out.beginObject().field("index", index);
            out.name("delta").beginObject().field("content", opening.echo()).endObject();
            out.nulField("logprobs").nulField("finish_reason").endObject().endArray();
            usageField(out, show.continuousUsage() ? new Usage(prompt.ids().length, 0, -1) : null);
            Framing.end(out);
        }
    }

    @Override
    public void chunk(JsonWriter out, Piece piece, PromptIds.Scored prompt, boolean first, @Nullable Usage usage) {
        framing.begin(out);
        Ending ending = piece.ending();
        out.beginObject().field("index", piece.index());
        out.name("delta").beginObject().name("content").string(piece.text()).endObject();
        logprobs(out, piece.tokens());
        out.field("finish_reason", ending == null ? null : ending.finishReason());
        if (ending != null) {
            ending.writeStopReason(out);
        }
        tokenIds(out, piece.tokens());
        out.endObject().endArray();
        usageField(out, usage);
        if (ending != null && !show.usage()) {
            out.field("system_fingerprint", head.fingerprint());
        }
        Framing.end(out);
    }

    @Override
    public void usage(JsonWriter out, Usage usage) {
        framing.begin(out);
        out.endArray();
        usageField(out, usage);
        out.field("system_fingerprint", head.fingerprint());
        Framing.end(out);
    }

    @Override
    public void body(JsonWriter out, Whole whole) {
        out.beginObject();
        Framing.head(out, head, "chat.completion");
        out.name("choices").beginArray();
        whole.pieces().forEach(piece -> choice(out, piece));
        out.endArray();
        out.nulField("service_tier").field("system_fingerprint", head.fingerprint());
        out.name("usage");
        whole.usage().write(out, true);
        PromptIds.Scored prompt = whole.prompts().getFirst();
        out.name("prompt_logprobs");
        if (show.promptLogprobs() == null) {
            out.nul();
        } else {
            logprobs.prompt(out, prompt);
        }
        promptFields(out, prompt.prompt());
        out.nulField("kv_transfer_params").endObject();
    }

    private void choice(JsonWriter out, Piece piece) {
        out.beginObject().field("index", piece.index());
        out.name("message").beginObject();
        out.field("role", opening.role()).field("content", opening.echo() + piece.text());
        out.nulField("refusal").nulField("annotations").nulField("audio").nulField("function_call");
        out.nulField("reasoning").endObject();
        logprobs(out, piece.tokens());
        Ending ending = piece.ending();
        out.field("finish_reason", ending == null ? null : ending.finishReason());
        if (ending == null) {
            out.nulField("stop_reason");
        } else {
            ending.writeStopReason(out);
        }
        tokenIds(out, piece.tokens());
        out.endObject();
    }

    private void logprobs(JsonWriter out, List<Token> tokens) {
        out.name("logprobs");
        if (show.logprobs() == null) {
            out.nul();
        } else {
            logprobs.chat(out, tokens);
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

    private void promptFields(JsonWriter out, PromptIds prompt) {
        out.name("prompt_token_ids");
        if (show.tokenIds()) {
            Framing.ids(out, prompt.ids());
        } else {
            out.nul();
        }
        out.field("prompt_text", show.promptText() ? prompt.text() : null);
    }

    private static void usageField(JsonWriter out, @Nullable Usage usage) {
        if (usage != null) {
            out.name("usage");
            usage.write(out, false);
        }
    }
}
