package dev.skein.worker.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Hears what comes of a request. All calls are made by the step loop's thread, which waits for each: an implementation
 * hands on and returns. After {@link #finished} or {@link #failed}, and soon after {@link Generation#cancel}, no call
 * follows.
 */
public interface TokenSink {

    /** Before all else, once, if prompt logprobs were asked for: one for each prompt id but the first. */
    void promptLogprobs(List<TokenLogprobs> logprobs);

    /** The next id; the one that ends the sequence too. */
    void token(int id, @Nullable TokenLogprobs logprobs);

    void finished(Completion completion);

    void failed(EngineException reason);
}
