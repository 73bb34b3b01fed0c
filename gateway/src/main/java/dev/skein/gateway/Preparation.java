package dev.skein.gateway;

import dev.skein.gateway.openai.Answers;
import dev.skein.gateway.openai.ApiException;
import dev.skein.gateway.openai.ChatRequest;
import dev.skein.gateway.openai.CompletionRequest;
import dev.skein.gateway.openai.Decoding;
import dev.skein.gateway.openai.EmbeddingsRequest;
import dev.skein.gateway.openai.Prompt;
import dev.skein.gateway.openai.PromptIds;
import dev.skein.gateway.template.ChatTemplate;
import dev.skein.gateway.template.TemplateException;
import dev.skein.protocol.v1.BadWord;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * From a request's JSON to ids that a group can go on from. Blocks its thread for as long as tokenizing takes, and
 * touches nothing but the model: the same request gives the same ids on any thread.
 */
final class Preparation {
    /** A text of more for each of a context's tokens is refused uncounted; unknown words are one token however long. */
    private static final int MOST_CHARACTERS = 256;

    private final ServedModel model;
    private final String responseRole;
    private final Clock clock;

    Preparation(ServedModel model, String responseRole, Clock clock) {
        this.model = model;
        this.responseRole = responseRole;
        this.clock = clock;
    }

    Preparation of(ServedModel other) {
        return new Preparation(other, responseRole, clock);
    }

    /** @throws ApiException if it cannot be served */
    Prepared chat(@Nullable Object json) {
        ChatRequest request = ChatRequest.read(json, model.rules());
        Decoding decoding = request.decoding();
        model.checkName(decoding.model());
        String text = render(request);
        int[] ids = encode(text, decoding, "messages");
        int maxTokens = room(ids.length, decoding, "messages");
        String role = request.generationPrompt() ? responseRole : request.lastRole();
        String echo = decoding.show().echo() && request.lastRole().equals(role) ? request.lastContent() : "";
        return new Prepared(
                true,
                decoding,
                List.of(new PromptIds(ids, decoding.show().promptText() ? text : "")),
                List.of(maxTokens),
                badWords(decoding),
                new Answers.Opening(role, echo));
    }

    /** @throws ApiException if it cannot be served */
    Prepared completion(@Nullable Object json) {
        CompletionRequest request = CompletionRequest.read(json, model.rules());
        Decoding decoding = request.decoding();
        model.checkName(decoding.model());
        List<PromptIds> prompts = new ArrayList<>();
        List<Integer> maxTokens = new ArrayList<>();
        for (Prompt given : request.prompts()) {
            PromptIds prompt = count(given, decoding);
            prompts.add(prompt);
            maxTokens.add(room(prompt.ids().length, decoding, "prompt"));
        }
        return new Prepared(
                false, decoding, prompts, maxTokens, badWords(decoding), new Answers.Opening(responseRole, ""));
    }

    private PromptIds count(Prompt given, Decoding decoding) {
        int[] ids = switch (given) {
            case Prompt.Text text -> encode(text.text(), decoding, "prompt");
            case Prompt.Ids list -> cut(list.ids(), decoding.truncation(), 0, 0);
        };
        String text = "";
        if (decoding.show().echo()) {
            text = given instanceof Prompt.Text whole && decoding.truncation() == null
                    ? whole.text()
                    : model.tokenizer().vocabulary().decode(ids, true);
        }
        return new PromptIds(ids, text);
    }

    /** @throws ApiException if it cannot be served */
    PreparedEmbeddings embeddings(@Nullable Object json) {
        EmbeddingsRequest request =
                EmbeddingsRequest.read(json, model.vectors(), model.card().getVocabularySize());
        model.checkName(request.model());
        List<int[]> texts = new ArrayList<>();
        for (int i = 0; i < request.inputs().size(); i++) {
            texts.add(count(request, i));
        }
        return new PreparedEmbeddings(request, texts);
    }

    private int[] count(EmbeddingsRequest request, int index) {
        String which = request.inputs().size() == 1 ? "the input" : "input " + index;
        int[] ids = switch (request.inputs().get(index)) {
            case Prompt.Ids list -> cut(list.ids(), request.truncation(), 0, 0);
            case Prompt.Text text -> count(request, text.text(), which);
        };
        if (ids.length == 0) {
            throw ApiException.bad("input", which + " is empty; give at least one token");
        }
        if (ids.length > context()) {
            throw tooLongInput(which, Integer.toString(ids.length), "tokens");
        }
        return ids;
    }

    private int[] count(EmbeddingsRequest request, String text, String which) {
        long most = (long) context() * MOST_CHARACTERS;
        if (request.truncation() == null && text.length() > most) {
            throw tooLongInput(which, Integer.toString(text.length()), "characters");
        }
        int[] ids = model.tokenizer().encode(text, request.addSpecialTokens());
        if (ids.length <= most(request.truncation())) {
            return ids;
        }
        int[] ends = request.addSpecialTokens() ? model.tokenizer().encode("", true) : new int[0];
        int before = 0;
        while (before < Math.min(ends.length, ids.length) && ends[before] == ids[before]) {
            before++;
        }
        return cut(ids, request.truncation(), before, ends.length - before);
    }

    /** Keeps the ids that begin and end a text, and cuts those between. */
    private int[] cut(int[] ids, Decoding.@Nullable Truncation truncation, int before, int after) {
        int most = most(truncation);
        if (truncation == null || ids.length <= most) {
            return ids;
        }
        if (most <= before + after) {
            return Arrays.copyOf(ids, most);
        }
        int[] kept = new int[most];
        int dropped = ids.length - most;
        int from = truncation.left() ? before + dropped : before;
        System.arraycopy(ids, 0, kept, 0, before);
        System.arraycopy(ids, from, kept, before, most - before - after);
        System.arraycopy(ids, ids.length - after, kept, most - after, after);
        return kept;
    }

    /** Ids that a cut leaves at most. */
    private int most(Decoding.@Nullable Truncation truncation) {
        if (truncation == null) {
            return Integer.MAX_VALUE;
        }
        return truncation.tokens() < 0 ? context() : truncation.tokens();
    }

    private ApiException tooLongInput(String which, String has, String unit) {
        return ApiException.bad(
                "input",
                "This model's maximum context length is " + context() + " tokens, and " + which + " has " + has + " "
                        + unit + "; shorten it, or let truncate_prompt_tokens cut it");
    }

    /** The prompt that the template makes of a conversation. */
    String render(ChatRequest request) {
        ChatTemplate template = request.template() == null ? model.template() : parse(request.template());
        if (template == null) {
            throw ApiException.bad("messages", model.noTemplate());
        }
        Map<String, @Nullable Object> variables = new HashMap<>();
        variables.put("tools", null);
        variables.put("documents", null);
        variables.putAll(request.variables());
        variables.putAll(model.ends());
        variables.put("messages", request.messages());
        variables.put("add_generation_prompt", request.generationPrompt());
        String text;
        try {
            text = template.render(variables, clock);
        } catch (TemplateException e) {
            throw ApiException.bad(
                    "messages",
                    e.raisedByTemplate()
                            ? "The chat template refuses these messages: " + e.reason()
                            : "The chat template cannot take these messages: " + e.getMessage());
        }
        return request.continueFinal() ? upTo(text, request.lastContent()) : text;
    }

    private static ChatTemplate parse(String source) {
        try {
            return ChatTemplate.parse(source);
        } catch (TemplateException e) {
            throw ApiException.bad("chat_template", "The chat_template cannot be parsed: " + e.getMessage());
        }
    }

    // What the template puts after the last message (its end marker) would end the answer before it begins. Templates
    // may strip a message, so it is looked for stripped, and cut after its own trailing spaces where they are there.
    private static String upTo(String text, String last) {
        String stripped = last.strip();
        int at = text.lastIndexOf(stripped);
        if (at < 0) {
            throw ApiException.bad(
                    "continue_final_message",
                    "The chat template changes the last message, so it cannot be continued; leave"
                            + " continue_final_message out");
        }
        String trailing = last.stripLeading();
        return text.substring(0, at + (text.startsWith(trailing, at) ? trailing.length() : stripped.length()));
    }

    private int[] encode(String text, Decoding decoding, String param) {
        int longest = model.tokenizer().vocabulary().longestBytes();
        if (decoding.truncation() == null && text.length() > (long) context() * longest) {
            throw ApiException.bad(param, tooLong("at least " + text.length() / longest, decoding));
        }
        return cut(model.tokenizer().encode(text, decoding.addSpecialTokens()), decoding.truncation(), 0, 0);
    }

    /** Each as it is written at the start of a text and, where that is another, after a space. */
    private List<BadWord> badWords(Decoding decoding) {
        Set<BadWord> words = new LinkedHashSet<>();
        for (String given : decoding.badWords()) {
            String word = given.stripLeading();
            for (String written : List.of(word, " " + word)) {
                BadWord.Builder ids = BadWord.newBuilder();
                for (int id : model.tokenizer().encode(written, false)) {
                    ids.addIds(id);
                }
                if (ids.getIdsCount() > 0) {
                    words.add(ids.build());
                }
            }
        }
        return List.copyOf(words);
    }

    /** Output ids that a prompt leaves room for and the request allows. */
    private int room(int promptTokens, Decoding decoding, String param) {
        if (promptTokens == 0) {
            throw ApiException.bad(param, "The prompt is empty; give at least one token");
        }
        int room = context() - promptTokens;
        Integer asked = decoding.maxTokens();
        if (asked == null ? room < 1 : room < asked) {
            String which = asked != null && room >= 1 ? "max_tokens" : param;
            throw ApiException.bad(which, tooLong(Integer.toString(promptTokens), decoding));
        }
        return asked == null ? Math.min(room, decoding.tokensOtherwise()) : asked;
    }

    private int context() {
        return model.card().getMaxModelLen();
    }

    private String tooLong(String promptTokens, Decoding decoding) {
        Integer asked = decoding.maxTokens();
        return "This model's maximum context length is " + context() + " tokens, and the prompt has " + promptTokens
                + " tokens" + (asked == null ? "" : " with " + asked + " more asked for as output")
                + "; shorten the prompt" + (asked == null ? "" : " or ask for less");
    }
}
