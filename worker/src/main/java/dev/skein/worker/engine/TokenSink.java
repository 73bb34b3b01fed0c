package dev.skein.worker.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Hears what comes of a request. All calls are made by the step loop's thread, which waits for each: an implementation
 * hands on and returns. After the last token, {@link #finished} or {@link #failed}, and soon after
 * {@link Generation#cancel}, no call follows.
 */
public interface TokenSink {

    /** Before all else, once, if prompt logprobs were asked for: one for each prompt id but the first. */
    void promptLogprobs(List<TokenLogprobs> logprobs);

    /**
     * The next id.
     *
     * @param completion with the last id, so that both can go out as one message; else null
     */
    void token(int id, @Nullable TokenLogprobs logprobs, @Nullable Completion completion);

    /** The end of a sequence that gets no further id. */
    void finished(Completion completion);

    void failed(EngineException reason);
}
