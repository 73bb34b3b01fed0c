package dev.skein.worker.engine;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/** Keeps what an engine says of one request. */
public final class Collected implements TokenSink {
    private final List<Integer> ids = new CopyOnWriteArrayList<>();
    private final List<TokenLogprobs> logprobs = new CopyOnWriteArrayList<>();
    private final CompletableFuture<Completion> done = new CompletableFuture<>();
    private final IntConsumer onToken;
    private @Nullable List<TokenLogprobs> promptLogprobs;

    public Collected() {
        this(_ -> {});
    }

    /** Calls back with the count of tokens, on the loop's thread. */
    public Collected(IntConsumer onToken) {
        this.onToken = onToken;
    }

    public List<Integer> ids() {
        return List.copyOf(ids);
    }

    public List<TokenLogprobs> logprobs() {
        return List.copyOf(logprobs);
    }

    public @Nullable List<TokenLogprobs> promptLogprobs() {
        return promptLogprobs;
    }

    /** Waits for the end. */
    public Completion completion() {
        return done.join();
    }

    public boolean ended() {
        return done.isDone();
    }

    @Override
    public void promptLogprobs(List<TokenLogprobs> each) {
        if (promptLogprobs != null || !ids.isEmpty()) {
            throw new IllegalStateException("prompt logprobs come once, and first");
        }
        promptLogprobs = each;
    }

    @Override
    public void token(int id, @Nullable TokenLogprobs each, @Nullable Completion completion) {
        ids.add(id);
        if (each != null) {
            logprobs.add(each);
        }
        onToken.accept(ids.size());
        if (completion != null) {
            finished(completion);
        }
    }

    @Override
    public void finished(Completion completion) {
        if (!done.complete(completion)) {
            throw new IllegalStateException("it ended before");
        }
    }

    @Override
    public void failed(EngineException reason) {
        if (!done.completeExceptionally(reason)) {
            throw new IllegalStateException("it ended before");
        }
    }
}
