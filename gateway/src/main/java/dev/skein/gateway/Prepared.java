package dev.skein.gateway;

import dev.skein.gateway.openai.Answers;
import dev.skein.gateway.openai.Decoding;
import dev.skein.gateway.openai.PromptIds;
import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.SamplingParameters;
import java.util.List;

/**
 * A request that is ready to be sent to a group.
 *
 * @param chat whether it is answered as chat
 * @param prompts one for chat
 * @param maxTokens output ids at most, for each prompt
 */
record Prepared(
        boolean chat, Decoding decoding, List<PromptIds> prompts, List<Integer> maxTokens, Answers.Opening opening) {

    /** Sequences in all; number i belongs to prompt i / n. */
    int sequences() {
        return prompts.size() * decoding.n();
    }

    PromptIds prompt(int sequence) {
        return prompts.get(sequence / decoding.n());
    }

    long promptTokens() {
        return prompts.stream().mapToLong(prompt -> prompt.ids().length).sum();
    }

    GenerateRequest request(String id, int sequence) {
        GenerateRequest.Builder request = GenerateRequest.newBuilder()
                .setRequestId(sequences() == 1 ? id : id + "-" + sequence)
                .setSampling(sampling(sequence))
                .setMaxTokens(maxTokens.get(sequence / decoding.n()))
                .setPriority(decoding.priority())
                .setCacheSalt(decoding.cacheSalt());
        for (int token : prompt(sequence).ids()) {
            request.addPrompt(token);
        }
        return request.build();
    }

    // An echoed prompt shows its logprobs as the answer does its own.
    private SamplingParameters sampling(int sequence) {
        SamplingParameters sampling = decoding.sampling(sequence % decoding.n());
        Decoding.Show show = decoding.show();
        if (chat || !show.echo() || show.logprobs() == null || sampling.hasPromptLogprobs()) {
            return sampling;
        }
        return sampling.toBuilder().setPromptLogprobs(show.logprobs()).build();
    }
}
