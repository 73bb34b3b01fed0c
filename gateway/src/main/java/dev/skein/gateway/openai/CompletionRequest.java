package dev.skein.gateway.openai;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** A body of {@code /v1/completions} that can be served, as far as can be said without counting ids. */
public record CompletionRequest(Decoding decoding, List<Prompt> prompts) {

    /** @throws ApiException if it cannot be served */
    public static CompletionRequest read(@Nullable Object json, RequestRules rules) {
        Fields body = Fields.of(json);
        Refusals.checkCompletion(body);
        Decoding decoding = new DecodingFields(body, rules, false).read();
        List<Prompt> prompts = Prompt.read(body, rules.vocabulary());
        body.check();
        if ((long) prompts.size() * decoding.bestOf() > rules.maxSequences()) {
            throw ApiException.bad(
                    decoding.bestOf() > decoding.n() ? "best_of" : "n",
                    prompts.size() + " prompts times " + decoding.bestOf() + " sequences of each is more than "
                            + rules.maxSequences() + " sequences; ask in several requests");
        }
        return new CompletionRequest(decoding, prompts);
    }
}
