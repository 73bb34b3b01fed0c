package dev.skein.worker.engine;

import dev.skein.compute.KvCache;

/**
 * A sequence as the {@link Planner} sees it. Everything here is the planner's to change, but for {@link #known}, which
 * grows by {@link #append} when a token has been sampled.
 */
class Sequence {
    enum State {
        WAITING,
        RUNNING,
        GONE
    }

    private final boolean scored;
    private final IntList blocks = new IntList(8);
    private State state = State.GONE;
    private long arrival;
    private boolean paused;
    private int known;
    private int computed;
    private int preemptions;

    /**
     * @param known tokens of the prompt
     * @param scored whether its prompt's logits are wanted, so that its chunks are limited by rows of logits too
     */
    Sequence(int known, boolean scored) {
        this.known = known;
        this.scored = scored;
    }

    boolean scored() {
        return scored;
    }

    IntList blocks() {
        return blocks;
    }

    State state() {
        return state;
    }

    void state(State next) {
        state = next;
    }

    void arrive(long number) {
        arrival = number;
        state = State.WAITING;
    }

    /** Sequences that arrived earlier have lower numbers. */
    long arrival() {
        return arrival;
    }

    boolean paused() {
        return paused;
    }

    void paused(boolean on) {
        paused = on;
    }

    /** Prompt and output tokens. */
    int known() {
        return known;
    }

    /** Tokens whose keys and values are in the cache, or will be after the step that was planned last. */
    int computed() {
        return computed;
    }

    int outstanding() {
        return known - computed;
    }

    int preemptions() {
        return preemptions;
    }

    void append() {
        known++;
    }

    void advance(int tokens) {
        computed += tokens;
    }

    void forget() {
        computed = 0;
        preemptions++;
    }

    /** Blocks that hold `tokens` tokens. */
    static int blocksFor(int tokens) {
        return (tokens + KvCache.BLOCK_SIZE - 1) / KvCache.BLOCK_SIZE;
    }
}
