package dev.skein.gateway;

import dev.skein.gateway.openai.Answers;
import dev.skein.gateway.openai.Decoding;
import dev.skein.gateway.openai.PromptIds;
import dev.skein.protocol.v1.BadWord;
import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.SamplingParameters;
import java.util.List;

/**
 * A request that is ready to be sent to a group.
 *
 * @param chat whether it is answered as chat
 * @param prompts one for chat
 * @param maxTokens output ids at most, for each prompt
 * @param badWords the ids of texts that must not come out
 */
record Prepared(
        boolean chat,
        Decoding decoding,
        List<PromptIds> prompts,
        List<Integer> maxTokens,
        List<BadWord> badWords,
        Answers.Opening opening) {

    /** Sequences in all; number i belongs to prompt i / bestOf. */
    int sequences() {
        return prompts.size() * decoding.bestOf();
    }

    PromptIds prompt(int sequence) {
        return prompts.get(sequence / decoding.bestOf());
    }

    long promptTokens() {
        return prompts.stream().mapToLong(prompt -> prompt.ids().length).sum();
    }

    GenerateRequest request(String id, int sequence) {
        GenerateRequest.Builder request = GenerateRequest.newBuilder()
                .setRequestId(sequences() == 1 ? id : id + "-" + sequence)
                .setSampling(sampling(sequence))
                .setMaxTokens(maxTokens.get(sequence / decoding.bestOf()))
                .setPriority(decoding.priority())
                .setCacheSalt(decoding.cacheSalt());
        for (int token : prompt(sequence).ids()) {
            request.addPrompt(token);
        }
        return request.build();
    }

    private SamplingParameters sampling(int sequence) {
        int index = sequence % decoding.bestOf();
        SamplingParameters.Builder sampling = decoding.sampling(index).toBuilder();
        Decoding.Show show = decoding.show();
        Integer shown = show.logprobs();
        // An echoed prompt shows its logprobs as the answer does its own.
        if (!chat && show.echo() && shown != null && !sampling.hasPromptLogprobs()) {
            sampling.setPromptLogprobs(shown);
        }
        // A body takes a prompt's from its first sequence, and who is scored cannot begin behind what is cached.
        if (index > 0 && !show.stream()) {
            sampling.clearPromptLogprobs();
        }
        if (decoding.bestOf() > decoding.n() && shown == null) {
            sampling.setLogprobs(0);
        }
        return sampling.addAllBadWords(badWords).build();
    }
}
