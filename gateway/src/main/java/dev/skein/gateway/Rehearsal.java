package dev.skein.gateway;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.skein.gateway.json.JsonReader;
import dev.skein.gateway.json.JsonWriter;
import dev.skein.gateway.openai.Answers;
import dev.skein.gateway.openai.ApiException;
import dev.skein.gateway.openai.Ending;
import dev.skein.gateway.openai.Piece;
import dev.skein.gateway.openai.PromptIds;
import dev.skein.gateway.openai.Usage;
import dev.skein.gateway.text.TextStream;
import dev.skein.protocol.v1.Token;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A chat that nobody asked for, from its JSON to its last chunk but for the group in between. It loads some hundred
 * classes while the weights load, which the first client would otherwise wait for.
 */
final class Rehearsal {
    private static final Logger log = LoggerFactory.getLogger(Rehearsal.class);
    private static final byte[] BODY =
            ("{\"messages\":[{\"role\":\"user\",\"content\":\"Is it 9 o'clock?\"}],\"temperature\":0.5,\"max_tokens\":9,"
                            + "\"stop\":[\"never\"],\"stream\":true,\"stream_options\":{\"include_usage\":true}}")
                    .getBytes(UTF_8);

    private Rehearsal() {}

    static void of(ServedModel model, Preparation preparation, JsonReader json) {
        try {
            perform(model, preparation.chat(json.read(BODY)));
        } catch (ApiException e) {
            // A template may refuse any conversation, a context may be too short for this one.
            log.debug("no rehearsal: {}", e.getMessage());
        }
    }

    private static void perform(ServedModel model, Prepared prepared) {
        PromptIds prompt = prepared.prompt(0);
        Answers answers = Answers.of(
                true,
                new Answers.Head("", 0, model.name(), model.fingerprint()),
                prepared.decoding(),
                model.tokenizer().vocabulary(),
                prepared.opening());
        JsonWriter out = new JsonWriter();
        answers.opening(out, 1, prompt);
        TextStream stream = new TextStream(
                model.tokenizer().vocabulary(), prepared.decoding().rules());
        StringBuilder text = new StringBuilder();
        List<Token> tokens = prepared.request("", 0).getPromptList().stream()
                .map(id -> Token.newBuilder().setId(id).build())
                .toList();
        tokens.forEach(token -> stream.accept(token.getId(), text));
        stream.finish(text);
        PromptIds.Scored scored = new PromptIds.Scored(prompt, List.of());
        answers.chunk(out, new Piece(0, text, tokens, Ending.LENGTH), scored, true, null);
        answers.usage(out, new Usage(tokens.size(), tokens.size(), -1));
        log.debug("rehearsed bytes={}", out.length());
    }
}
