package dev.skein.gateway.openai;

import dev.skein.protocol.v1.Logprobs;
import java.util.List;

/**
 * A prompt once it is counted.
 *
 * @param ids not to be changed
 * @param text what they say, where the answer shows it; else empty
 */
public record PromptIds(int[] ids, String text) {
    /** With the logprobs that came for it: none, or one for each id but the first. */
    public record Scored(PromptIds prompt, List<Logprobs> logprobs) {}
}
