package dev.skein.gateway.openai;

import dev.skein.gateway.text.TextStream;
import dev.skein.protocol.v1.SamplingParameters;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How the ids of a request are chosen and shown: what chat and completions share.
 *
 * @param model the name asked for; empty for whatever is served
 * @param n sequences of each prompt that are answered
 * @param bestOf sequences of each prompt that are generated: the n with the best mean logprob are answered
 * @param sampling for the first of them; the others' seeds count up from its seed
 * @param badWords texts that must not come out, as far as their usual ids say them
 * @param maxTokens output ids at most, as the request says; null where it does not
 * @param tokensOtherwise output ids at most where the request does not say, if the context holds them
 * @param rules how ids become text
 * @param show what of it goes into the answer
 * @param truncation how a long prompt is cut; null to refuse it
 * @param addSpecialTokens whether prompts get the ids that begin and end a text
 * @param cacheSalt only requests of the same salt share what is cached of their prompts; empty for none
 * @param requestId the client's own name for the request
 */
public record Decoding(
        String model,
        int n,
        int bestOf,
        SamplingParameters sampling,
        List<String> badWords,
        @Nullable Integer maxTokens,
        int tokensOtherwise,
        TextStream.Rules rules,
        Show show,
        @Nullable Truncation truncation,
        boolean addSpecialTokens,
        long priority,
        String cacheSalt,
        @Nullable String requestId) {

    /**
     * What goes into the answer.
     *
     * @param logprobs ids shown at each place beside the chosen one; null for no logprobs
     * @param promptLogprobs the same for the prompt
     * @param tokensAsIds whether logprobs name tokens as {@code token_id:ID}
     * @param usage whether a stream ends with a chunk of usage
     * @param continuousUsage whether every chunk has usage
     */
    public record Show(
            boolean stream,
            boolean usage,
            boolean continuousUsage,
            boolean echo,
            @Nullable Integer logprobs,
            @Nullable Integer promptLogprobs,
            boolean tokenIds,
            boolean tokensAsIds,
            boolean promptText) {}

    /**
     * @param tokens ids that stay; -1 for as many as the context holds
     * @param left whether the beginning is cut and the end stays
     */
    public record Truncation(int tokens, boolean left) {}

    /** The sampling parameters of sequence {@code index} of a prompt's. */
    public SamplingParameters sampling(int index) {
        return index == 0 || !sampling.hasSeed()
                ? sampling
                : sampling.toBuilder().setSeed(sampling.getSeed() + index).build();
    }
}
