package dev.skein.worker.engine;

import static dev.skein.worker.engine.EngineException.invalid;

/**
 * One sequence to generate.
 *
 * @param id names it in logs
 * @param prompt never empty
 * @param resumed how many ids at the prompt's end are output of an earlier attempt: they count as output and are not
 *     handed out again
 * @param maxTokens output ids at most, resumed ones included
 * @param priority lower is earlier, where the engine goes by it
 * @param cacheSalt only requests of the same salt share what is cached of their prompts
 */
public record GenerationRequest(
        String id, int[] prompt, int resumed, Sampling sampling, int maxTokens, long priority, String cacheSalt) {
    /** One of ordinary priority that shares what is cached with all others like it. */
    public GenerationRequest(String id, int[] prompt, int resumed, Sampling sampling, int maxTokens) {
        this(id, prompt, resumed, sampling, maxTokens, 0, "");
    }

    public GenerationRequest {
        prompt = prompt.clone();
        if (prompt.length == 0) {
            throw invalid("the prompt is empty; it must have at least one id");
        }
        if (resumed < 0 || resumed >= prompt.length) {
            throw invalid(
                    "%s of %d prompt ids are resumed; at least one must not be",
                    Integer.toUnsignedString(resumed), prompt.length);
        }
        if (maxTokens < 0) {
            throw invalid("max_tokens is %s; it is at most %d", Integer.toUnsignedString(maxTokens), Integer.MAX_VALUE);
        }
        if (sampling.minTokens() > maxTokens) {
            throw invalid("min_tokens is %d; it is at most max_tokens, %d", sampling.minTokens(), maxTokens);
        }
    }

    @Override
    public int[] prompt() {
        return prompt.clone();
    }

    /** Ids of the prompt as the client gave it. */
    int promptLength() {
        return prompt.length - resumed;
    }
}
