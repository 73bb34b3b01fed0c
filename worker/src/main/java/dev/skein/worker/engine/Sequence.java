package dev.skein.worker.engine;

import dev.skein.compute.KvCache;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A sequence as the {@link Planner} sees it. Everything here is the planner's to change, but for its ids, which grow by
 * {@link #append} when one has been sampled.
 */
class Sequence {
    enum State {
        WAITING,
        RUNNING,
        GONE
    }

    private final IntList ids;
    private final IntList draft = new IntList(4);
    private final boolean scored;
    private final long priority;
    private final @Nullable String salt;
    private final List<PrefixKey> keys = new ArrayList<>();
    private final IntList blocks = new IntList(8);
    private State state = State.GONE;
    private long arrival;
    private boolean paused;
    private int computed;
    private int remembered;
    private int cached;
    private boolean lookedUp;
    private int preemptions;
    private int underWay;

    /**
     * @param prompt its ids
     * @param scored whether its prompt's logits are wanted, so that its chunks are limited by rows of logits too, and
     *     nothing of it may come from the cache
     * @param priority lower is earlier
     * @param salt sequences of the same salt share cached blocks; null to share nothing
     */
    Sequence(int[] prompt, boolean scored, long priority, @Nullable String salt) {
        this.ids = new IntList(prompt);
        this.scored = scored;
        this.priority = priority;
        this.salt = salt;
    }

    IntList ids() {
        return ids;
    }

    /** Ids that may follow those known. They are computed along with them, and gone after the step. */
    IntList draft() {
        return draft;
    }

    /** The id at a position, known or drafted. */
    int token(int position) {
        return position < ids.size() ? ids.get(position) : draft.get(position - ids.size());
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

    /** Whether it goes before another: by priority, then by arrival. */
    boolean before(Sequence other) {
        return priority != other.priority ? priority < other.priority : arrival < other.arrival;
    }

    @Nullable
    String salt() {
        return salt;
    }

    /** Whether what it computes may be found by others. */
    boolean shares() {
        return salt != null;
    }

    /** The key of one of its full blocks. */
    PrefixKey key(int block, PrefixHash hash) {
        if (salt == null) {
            throw new IllegalStateException("a sequence that shares nothing has no keys");
        }
        while (keys.size() <= block) {
            PrefixKey parent = keys.isEmpty() ? hash.root(salt) : keys.getLast();
            keys.add(hash.next(parent, ids, keys.size() * KvCache.BLOCK_SIZE));
        }
        return keys.get(block);
    }

    /** Blocks from its start that were offered to others, or came from them. */
    int remembered() {
        return remembered;
    }

    void remembered(int blocks) {
        remembered = blocks;
    }

    /** Tokens of it that were in the cache when it was first admitted. */
    int cached() {
        return cached;
    }

    /** Takes what was found in the cache as computed; true if it is the first time that was looked. */
    boolean found(int tokens) {
        boolean first = !lookedUp;
        if (first) {
            lookedUp = true;
            cached = tokens;
        }
        computed = tokens;
        remembered = tokens / KvCache.BLOCK_SIZE;
        return first;
    }

    boolean paused() {
        return paused;
    }

    void paused(boolean on) {
        paused = on;
    }

    /** Whether it ends with the id that is under way, whatever that will be. */
    boolean endsNext() {
        return false;
    }

    /** Whether the id after the one that is under way can be drawn without knowing that one. */
    boolean foreseeable() {
        return !scored && draft.size() == 0;
    }

    /** Prompt and output tokens. */
    int known() {
        return ids.size();
    }

    /** Tokens whose keys and values are in the cache, or will be after the step that was planned last. */
    int computed() {
        return computed;
    }

    int outstanding() {
        return known() + draft.size() - computed;
    }

    int preemptions() {
        return preemptions;
    }

    /** Steps under way that compute something of it. */
    int underWay() {
        return underWay;
    }

    void underWay(int more) {
        underWay += more;
    }

    void append(int id) {
        ids.add(id);
    }

    void advance(int tokens) {
        computed += tokens;
    }

    /** After a step that sampled: what was computed of a draft counts as far as it came true, and so does what runs ahead. */
    void settle() {
        draft.clear();
        computed = Math.min(computed, known() - 1 + underWay);
    }

    /** Nothing of it is computed any more, nor will be by a step under way. */
    void forget() {
        draft.clear();
        computed = 0;
        remembered = 0;
        underWay = 0;
        preemptions++;
    }

    /** Blocks that hold `tokens` tokens. */
    static int blocksFor(int tokens) {
        return (tokens + KvCache.BLOCK_SIZE - 1) / KvCache.BLOCK_SIZE;
    }
}
