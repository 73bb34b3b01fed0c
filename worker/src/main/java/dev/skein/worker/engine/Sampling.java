package dev.skein.worker.engine;

import static dev.skein.worker.engine.EngineException.invalid;

import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * How a request's tokens are chosen. Values out of range are an {@link EngineException} with INVALID_ARGUMENT; what
 * depends on the model (ids, how many logprobs) is checked when the request is submitted.
 *
 * @param temperature 0 is greedy
 * @param topK 0 is off
 * @param topP over 0 to 1, which is off
 * @param minP 0 to 1; 0 is off
 * @param repetitionPenalty over 0; 1 is off
 * @param frequencyPenalty -2 to 2; 0 is off
 * @param presencePenalty -2 to 2; 0 is off
 * @param seed empty: drawn by the engine
 * @param logitBias finite numbers to add to the logits of ids
 * @param minTokens until so many ids are out, no end-of-sequence or stop id is sampled
 * @param logprobs likeliest ids wanted with each id; empty: not even the id's own logprob
 * @param promptLogprobs the same for each prompt id but the first
 * @param allowedTokenIds if not empty, no other id is sampled
 * @param badWords ids that do not come out one after the other, each at least one id
 */
public record Sampling(
        float temperature,
        int topK,
        float topP,
        float minP,
        float repetitionPenalty,
        float frequencyPenalty,
        float presencePenalty,
        OptionalLong seed,
        Map<Integer, Float> logitBias,
        int minTokens,
        boolean ignoreEos,
        List<Integer> stopTokenIds,
        OptionalInt logprobs,
        OptionalInt promptLogprobs,
        List<Integer> allowedTokenIds,
        List<List<Integer>> badWords) {

    /** The likeliest id, always. */
    public static final Sampling GREEDY = new Sampling(
            0,
            0,
            1,
            0,
            1,
            0,
            0,
            OptionalLong.empty(),
            Map.of(),
            0,
            false,
            List.of(),
            OptionalInt.empty(),
            OptionalInt.empty(),
            List.of(),
            List.of());

    public Sampling {
        logitBias = Map.copyOf(logitBias);
        stopTokenIds = List.copyOf(stopTokenIds);
        allowedTokenIds = List.copyOf(allowedTokenIds);
        badWords = badWords.stream().map(List::copyOf).toList();
        if (!(temperature >= 0 && temperature < Float.POSITIVE_INFINITY)) {
            throw invalid("temperature is %s; it must be 0 or more", temperature);
        }
        if (topK < 0) {
            throw invalid("top_k is %s; it must be 0 (off) or more", Integer.toUnsignedString(topK));
        }
        if (!(topP > 0 && topP <= 1)) {
            throw invalid("top_p is %s; it must be over 0 and at most 1", topP);
        }
        if (!(minP >= 0 && minP <= 1)) {
            throw invalid("min_p is %s; it must be from 0 to 1", minP);
        }
        if (!(repetitionPenalty > 0 && repetitionPenalty < Float.POSITIVE_INFINITY)) {
            throw invalid("repetition_penalty is %s; it must be over 0", repetitionPenalty);
        }
        penalty("frequency_penalty", frequencyPenalty);
        penalty("presence_penalty", presencePenalty);
        if (minTokens < 0) {
            throw invalid("min_tokens is %s; it is at most %d", Integer.toUnsignedString(minTokens), Integer.MAX_VALUE);
        }
        if (badWords.stream().anyMatch(List::isEmpty)) {
            throw invalid("one of bad_words has no ids; it must have at least one");
        }
        logitBias.forEach((id, bias) -> {
            if (!Float.isFinite(bias)) {
                throw invalid("logit_bias of id %d is %s; it must be a finite number", id, bias);
            }
        });
    }

    private static void penalty(String name, float value) {
        if (!(value >= -2 && value <= 2)) {
            throw invalid("%s is %s; it must be from -2 to 2", name, value);
        }
    }

    boolean repeats() {
        return repetitionPenalty != 1;
    }

    /** Whether the ids so far are wanted. */
    boolean penalises() {
        return repeats() || frequencyPenalty != 0 || presencePenalty != 0;
    }
}
