package dev.skein.gateway.openai;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.gateway.text.Vocabulary;
import dev.skein.protocol.v1.Logprobs;
import dev.skein.protocol.v1.Token;
import java.util.List;

/** Writes logprobs in the three shapes that clients know: of chat, of completions, and of prompts. */
final class LogprobsWriter {
    // JSON has no infinity: vLLM's floor for an id that cannot be.
    private static final float FLOOR = -9999;

    private final Vocabulary vocabulary;
    private final boolean asIds;

    LogprobsWriter(Vocabulary vocabulary, boolean asIds) {
        this.vocabulary = vocabulary;
        this.asIds = asIds;
    }

    /** {@code {"content": [{token, logprob, bytes, top_logprobs}]}}. */
    void chat(JsonWriter out, List<Token> tokens) {
        out.beginObject().name("content").beginArray();
        for (Token token : tokens) {
            Logprobs logprobs = token.getLogprobs();
            out.beginObject();
            chatEntry(out, token.getId(), logprobs.getLogprob());
            out.name("top_logprobs").beginArray();
            for (int i = 0; i < logprobs.getTopIdsCount(); i++) {
                out.beginObject();
                chatEntry(out, logprobs.getTopIds(i), logprobs.getTopLogprobs(i));
                out.endObject();
            }
            out.endArray().endObject();
        }
        out.endArray().endObject();
    }

    private void chatEntry(JsonWriter out, int id, float logprob) {
        out.field("token", name(id));
        out.name("logprob").value(floor(logprob));
        out.name("bytes").beginArray();
        for (byte b : vocabulary.utf8(id)) {
            out.value(b & 0xFFL);
        }
        out.endArray();
    }

    /**
     * {@code {text_offset, token_logprobs, tokens, top_logprobs}} of {@code prompt}, which may be empty, and {@code
     * tokens}.
     *
     * @param offset of the first in the choice's text
     * @return the offset after the last
     */
    int completion(JsonWriter out, PromptIds.Scored prompt, List<Token> tokens, int offset) {
        int[] ids = prompt.prompt().ids();
        out.beginObject();
        out.name("text_offset").beginArray();
        for (int id : ids) {
            out.value(offset);
            offset += vocabulary.characters(id);
        }
        for (Token token : tokens) {
            out.value(offset);
            offset += vocabulary.characters(token.getId());
        }
        out.endArray().name("token_logprobs").beginArray();
        for (int i = 0; i < ids.length; i++) {
            logprob(out, prompt.logprobs(), i);
        }
        tokens.forEach(token -> out.value(floor(token.getLogprobs().getLogprob())));
        out.endArray().name("tokens").beginArray();
        for (int id : ids) {
            out.value(name(id));
        }
        tokens.forEach(token -> out.value(name(token.getId())));
        out.endArray().name("top_logprobs").beginArray();
        for (int i = 0; i < ids.length; i++) {
            if (i == 0 || i > prompt.logprobs().size()) {
                out.nul();
            } else {
                top(out, ids[i], prompt.logprobs().get(i - 1));
            }
        }
        tokens.forEach(token -> top(out, token.getId(), token.getLogprobs()));
        out.endArray().endObject();
        return offset;
    }

    private static void logprob(JsonWriter out, List<Logprobs> logprobs, int i) {
        if (i == 0 || i > logprobs.size()) {
            out.nul();
        } else {
            out.value(floor(logprobs.get(i - 1).getLogprob()));
        }
    }

    // The chosen id first, then the likeliest, each once: up to k + 1 entries.
    private void top(JsonWriter out, int id, Logprobs logprobs) {
        out.beginObject();
        out.name(name(id)).value(floor(logprobs.getLogprob()));
        for (int i = 0; i < logprobs.getTopIdsCount(); i++) {
            if (logprobs.getTopIds(i) != id) {
                out.name(name(logprobs.getTopIds(i))).value(floor(logprobs.getTopLogprobs(i)));
            }
        }
        out.endObject();
    }

    /** {@code [null, {"ID": {logprob, rank, decoded_token}}, ...]}. */
    void prompt(JsonWriter out, PromptIds.Scored prompt) {
        out.beginArray();
        int[] ids = prompt.prompt().ids();
        for (int i = 0; i < ids.length; i++) {
            if (i == 0 || i > prompt.logprobs().size()) {
                out.nul();
            } else {
                promptEntries(out, ids[i], prompt.logprobs().get(i - 1));
            }
        }
        out.endArray();
    }

    private void promptEntries(JsonWriter out, int id, Logprobs logprobs) {
        out.beginObject();
        promptEntry(out, id, logprobs.getLogprob(), logprobs.getRank());
        for (int i = 0; i < logprobs.getTopIdsCount(); i++) {
            if (logprobs.getTopIds(i) != id) {
                promptEntry(out, logprobs.getTopIds(i), logprobs.getTopLogprobs(i), i + 1);
            }
        }
        out.endObject();
    }

    private void promptEntry(JsonWriter out, int id, float logprob, int rank) {
        out.name(Integer.toString(id)).beginObject();
        out.name("logprob").value(floor(logprob));
        out.field("rank", rank).field("decoded_token", vocabulary.text(id)).endObject();
    }

    private String name(int id) {
        return asIds ? "token_id:" + id : vocabulary.text(id);
    }

    private static float floor(float logprob) {
        return logprob > FLOOR ? logprob : FLOOR;
    }
}
