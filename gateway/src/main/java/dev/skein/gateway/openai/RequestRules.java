package dev.skein.gateway.openai;

import java.util.Set;

/**
 * What requests are read against: the model's sizes and defaults and the server's bounds.
 *
 * @param defaults for sampling fields that a request leaves out
 * @param vocabulary ids run from 0 to this, exclusive
 * @param eosIds ids that end a sequence by themselves
 * @param maxLogprobs most likely ids that may be asked for
 * @param maxSequences prompts times n of one request
 * @param trustTemplates whether a request may bring a chat template
 * @param tokensAsIds whether logprobs always name tokens by id
 * @param forceUsage whether streams always carry usage
 */
public record RequestRules(
        SamplingDefaults defaults,
        int vocabulary,
        Set<Integer> eosIds,
        int maxLogprobs,
        int maxSequences,
        boolean trustTemplates,
        boolean tokensAsIds,
        boolean forceUsage) {
    public RequestRules {
        eosIds = Set.copyOf(eosIds);
    }
}
