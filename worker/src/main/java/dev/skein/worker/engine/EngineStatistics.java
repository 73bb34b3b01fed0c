package dev.skein.worker.engine;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Gauges of this moment and counters since start. Written by one thread at a time, with ordered stores; read by anybody,
 * each number for itself.
 */
public final class EngineStatistics {
    /** Upper bounds of the buckets of tokens in a step; one more bucket is for what is above. */
    static final int[] STEP_BOUNDS = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};

    private final AtomicLong running = new AtomicLong();
    private final AtomicLong waiting = new AtomicLong();
    private final AtomicLong seated = new AtomicLong();
    private final AtomicLong blocksUsed = new AtomicLong();
    private final AtomicLong promptTokens = new AtomicLong();
    private final AtomicLong generationTokens = new AtomicLong();
    private final AtomicLong preemptions = new AtomicLong();
    private final AtomicLong steps = new AtomicLong();
    private final AtomicLong prefixQueries = new AtomicLong();
    private final AtomicLong prefixHits = new AtomicLong();
    private final AtomicLong drafts = new AtomicLong();
    private final AtomicLong draftTokens = new AtomicLong();
    private final AtomicLongArray acceptedAt = new AtomicLongArray(PromptLookup.MOST_TOKENS);
    private final AtomicLong stepTokens = new AtomicLong();
    private final AtomicLongArray stepBuckets = new AtomicLongArray(STEP_BOUNDS.length + 1);

    public long running() {
        return running.get();
    }

    /** Running sequences whose readers take what comes: while there is one, there are steps. */
    public long seated() {
        return seated.get();
    }

    /** Sequences in the planner's waiting queue; those not yet seen by the loop are not among them. */
    public long waiting() {
        return waiting.get();
    }

    public long blocksUsed() {
        return blocksUsed.get();
    }

    public long promptTokens() {
        return promptTokens.get();
    }

    public long generationTokens() {
        return generationTokens.get();
    }

    public long preemptions() {
        return preemptions.get();
    }

    public long steps() {
        return steps.get();
    }

    /** Tokens of sequences that were looked for in the prefix cache. */
    public long prefixQueries() {
        return prefixQueries.get();
    }

    /** Those of them that were found. */
    public long prefixHits() {
        return prefixHits.get();
    }

    /** Drafts that were computed. */
    public long drafts() {
        return drafts.get();
    }

    public long draftTokens() {
        return draftTokens.get();
    }

    /** Drafts that were right up to and including that place, from 0. */
    public long acceptedAt(int place) {
        return acceptedAt.get(place);
    }

    public long stepTokens() {
        return stepTokens.get();
    }

    public int stepBuckets() {
        return stepBuckets.length();
    }

    /** Steps in that bucket alone. */
    public long stepBucket(int index) {
        return stepBuckets.get(index);
    }

    void gauges(Planner planner, BlockPool pool) {
        running.lazySet(planner.running());
        waiting.lazySet(planner.waiting());
        seated.lazySet(planner.seated());
        blocksUsed.lazySet(pool.used());
        preemptions.lazySet(planner.preemptions());
        prefixQueries.lazySet(planner.prefixQueries());
        prefixHits.lazySet(planner.prefixHits());
    }

    void gauges(long runningNow, long waitingNow) {
        running.lazySet(runningNow);
        waiting.lazySet(waitingNow);
    }

    void step(int tokens) {
        add(steps, 1);
        add(stepTokens, tokens);
        int bucket = 0;
        while (bucket < STEP_BOUNDS.length && tokens > STEP_BOUNDS[bucket]) {
            bucket++;
        }
        stepBuckets.lazySet(bucket, stepBuckets.getPlain(bucket) + 1);
    }

    void drafted(int tokens, int right) {
        add(drafts, 1);
        add(draftTokens, tokens);
        for (int place = 0; place < right; place++) {
            acceptedAt.lazySet(place, acceptedAt.getPlain(place) + 1);
        }
    }

    void prompt(int tokens) {
        add(promptTokens, tokens);
    }

    void generated() {
        add(generationTokens, 1);
    }

    private static void add(AtomicLong counter, long amount) {
        counter.lazySet(counter.getPlain() + amount);
    }
}
