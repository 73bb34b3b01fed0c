package dev.skein.worker.engine;

import dev.skein.compute.KvCache;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Decides which tokens of which sequences the next step computes, and which cache blocks they get.
 *
 * <h2>A step</h2>
 *
 * <ol>
 *   <li>Running sequences, in order of priority and then of arrival, get what they have outstanding as far as the token budget
 *       goes. Who needs a block when none is free takes those of a victim: the last paused running sequence, or else
 *       the last running sequence. A victim loses all its blocks and goes back to its place in the waiting queue, which
 *       is in the same order, to be computed again. If the victim is the asker itself, the step goes without it.
 *   <li>If nobody lost its blocks, waiting sequences are admitted in order while budget and seats last. The first one
 *       whose known tokens do not fit into the free blocks ends that, unless blocks of paused sequences make room.
 *       All blocks for the tokens known are given at admission, so a prompt computed in chunks cannot run dry halfway.
 * </ol>
 *
 * <h2>Paused sequences</h2>
 *
 * A sequence whose reader is slow is skipped and keeps its place, in either list. It does not count against the seats,
 * and it is the first to lose its blocks: a slow reader can slow nobody but itself.
 *
 * <h2>Prefix cache</h2>
 *
 * A block that is full is remembered by a key of all ids up to its end, as soon as the step that fills it is planned; so a
 * sequence that is admitted later, even into the same step, begins behind the longest run of its blocks that are found
 * (every layer stores the keys and values of a whole step before it attends). At least one token is always computed, since
 * somebody wants its logits. Blocks are remembered until they are needed for something else, also after all who held them
 * are gone.
 *
 * <h2>Drafts</h2>
 *
 * A running sequence may bring ids that are likely to follow. They are computed in the same step if budget, rows and free
 * blocks are left, and are dropped otherwise. What is computed of a draft is not remembered: it may turn out wrong.
 *
 * <h2>Several steps under way</h2>
 *
 * Where layers are split over the stages of a pipeline, as many steps are under way as there are stages, and each step
 * takes only its share of what there is to do, so that there is something left for the others. A sequence whose last known
 * token is under way has nothing outstanding until its next one is known; the parts of a long prompt may follow each
 * other closely. Who has something under way keeps its blocks. Blocks that are given back while a step that writes to them
 * is under way may be taken at once, because every stage computes the steps in their order.
 *
 * <h2>Running ahead</h2>
 *
 * Where a step may name the ids that the one before will bring, it is planned while that one is under way, if it holds no surprise: a
 * token more of each sequence, blocks for all of them, and nobody to admit. If a sequence turns out to have ended, what the
 * step brings for it is dropped. Otherwise the step is planned when nothing is under way, and the rest here holds as it stands.
 *
 * <h2>Promises</h2>
 *
 * A block is held by one sequence, or by several that have the same ids up to its end, or is free. No step exceeds its budget, its seats or its rows. Sequences are admitted
 * for the first time in their order, but for paused ones. The first running sequence that is not paused can
 * always go on, since everybody behind it can lose its blocks; so everything ends, provided that each sequence alone fits
 * into the cache, which whoever calls {@link #add} has checked.
 *
 * <p>Here is no clock, no thread and no randomness: the same calls give the same plans. One thread makes all calls.
 */
final class Planner {
    /**
     * Limits of a step.
     *
     * @param tokens tokens in a step
     * @param sequences sequences in a step, and running sequences that are not paused
     * @param scoredRows rows of logits in a step for prompts that are scored
     * @param draftRows rows of logits in a step for drafts
     * @param depth steps that are under way at once
     */
    record Limits(int tokens, int sequences, int scoredRows, int draftRows, int depth) {
        /** One step at a time. */
        Limits(int tokens, int sequences, int scoredRows, int draftRows) {
            this(tokens, sequences, scoredRows, draftRows, 1);
        }

        Limits {
            if (depth < 1) {
                throw new IllegalArgumentException("%d steps under way; at least 1 must be".formatted(depth));
            }
            if (sequences < 1 || tokens < sequences || scoredRows < 1) {
                throw new IllegalArgumentException(
                        "a step of %d tokens for %d sequences and %d scored rows; each at least 1, tokens at least as many as sequences"
                                .formatted(tokens, sequences, scoredRows));
            }
        }
    }

    /** Tokens of a step that are worth one, where it has only its share. */
    private static final int LEAST_SHARE = 128;
    /** Steps that a stage is to have before it, when there is much to do: the more, the less it waits at the ends. */
    private static final int STEPS_A_STAGE = 2;

    private final Limits limits;
    private final BlockPool pool;
    private final PrefixHash hash = new PrefixHash();
    /** Both in order of priority, then of arrival, always. */
    private final List<Sequence> waiting = new ArrayList<>();

    private final List<Sequence> running = new ArrayList<>();

    private final Plan[] plans;
    /** The one that is made, or was made last. */
    private Plan plan;
    /** How many were made that were not empty. */
    private long steps;

    /** Blocks that were found for the sequence in question. */
    private final IntList found = new IntList(16);

    private long prefixQueries;
    private long prefixHits;
    private long arrivals;
    private long preemptions;
    /** While running sequences are planned: which is next. */
    private int next;

    /** What the step in question may have. */
    private int budget;

    private int seats;
    private int rowsLeft;
    private int draftRowsLeft;
    private boolean preempted;

    Planner(Limits limits, BlockPool pool) {
        this.limits = limits;
        this.pool = pool;
        plans = new Plan[limits.depth + 1];
        Arrays.setAll(plans, _ -> new Plan());
        plan = plans[0];
    }

    int waiting() {
        return waiting.size();
    }

    int running() {
        return running.size();
    }

    /** Sequences that lost their blocks since the start. */
    long preemptions() {
        return preemptions;
    }

    /** Tokens that were looked for in the prefix cache, once for each sequence. */
    long prefixQueries() {
        return prefixQueries;
    }

    /** Those of them that were found. */
    long prefixHits() {
        return prefixHits;
    }

    /** Puts a sequence into the waiting queue. */
    void add(Sequence sequence) {
        if (Sequence.blocksFor(sequence.known()) > pool.total()) {
            throw new IllegalArgumentException(
                    "%d tokens do not fit into a cache of %d blocks".formatted(sequence.known(), pool.total()));
        }
        sequence.arrive(arrivals++);
        insert(sequence, waiting);
    }

    private static void insert(Sequence sequence, List<Sequence> ordered) {
        int place = ordered.size();
        while (place > 0 && sequence.before(ordered.get(place - 1))) {
            place--;
        }
        ordered.add(place, sequence);
    }

    /** Takes a sequence out, finished or not; its blocks are free at once. */
    void remove(Sequence sequence) {
        if (sequence.state() == Sequence.State.RUNNING) {
            running.remove(sequence);
        } else if (sequence.state() == Sequence.State.WAITING) {
            waiting.remove(sequence);
        }
        sequence.state(Sequence.State.GONE);
        pool.release(sequence.blocks());
    }

    /**
     * The next step; empty if nothing can be computed. Valid for as many steps as may be under way. "Computed" is advanced
     * at once.
     */
    Plan plan() {
        next();
        rowsLeft = limits.scoredRows;
        draftRowsLeft = limits.draftRows;
        preempted = false;
        share();
        planRunning();
        if (!preempted) {
            admit();
        }
        steps += plan.size() > 0 ? 1 : 0;
        return plan;
    }

    private void next() {
        plan = plans[(int) (steps % plans.length)];
        plan.clear();
    }

    /**
     * The step after one that is under way, whose ids are not known yet: a token more of each sequence, if nothing has to be
     * decided for it. Empty if something has, and then {@link #plan} is to be asked when the step under way is done.
     */
    Plan planAhead() {
        next();
        if (!foreseen()) {
            return plan;
        }
        for (int i = 0; i < running.size(); i++) {
            Sequence sequence = running.get(i);
            if (goesOn(sequence)) {
                pool.extend(sequence.blocks(), Sequence.blocksFor(sequence.computed() + 1));
                schedule(sequence, 1);
            }
        }
        steps += plan.size() > 0 ? 1 : 0;
        return plan;
    }

    /** Whether nobody can be admitted, nobody has known tokens left to compute, and there are blocks enough for all. */
    private boolean foreseen() {
        if (!waiting.isEmpty() && seated() < limits.sequences) {
            return false;
        }
        int blocks = 0;
        for (int i = 0; i < running.size(); i++) {
            Sequence sequence = running.get(i);
            if (!sequence.paused() && (sequence.outstanding() > 0 || goesOn(sequence) && !sequence.foreseeable())) {
                return false;
            }
            blocks += goesOn(sequence)
                    ? Sequence.blocksFor(sequence.computed() + 1)
                            - sequence.blocks().size()
                    : 0;
        }
        return blocks <= pool.free() && running.size() <= limits.sequences;
    }

    private static boolean goesOn(Sequence sequence) {
        return !sequence.paused() && sequence.underWay() > 0 && !sequence.endsNext();
    }

    /** What a step may have: all, or its share where others are under way at the same time. */
    private void share() {
        budget = limits.tokens;
        seats = limits.sequences;
        if (limits.depth > 1) {
            int sequences = seated() + waiting.size();
            long tokens = outstanding(running) + outstanding(waiting);
            seats = Math.clamp(Math.ceilDiv(sequences, limits.depth), 1, limits.sequences);
            int least = Math.min(limits.tokens, Math.max(LEAST_SHARE, seats));
            budget = Math.clamp(tokens / (STEPS_A_STAGE * limits.depth) + 1, least, limits.tokens);
        }
    }

    private static long outstanding(List<Sequence> sequences) {
        long tokens = 0;
        for (int i = 0; i < sequences.size(); i++) {
            tokens += sequences.get(i).paused() ? 0 : sequences.get(i).outstanding();
        }
        return tokens;
    }

    /** A step computed nothing: what it would have filled must not be found. Its sequences are removed. */
    void failed(Plan step) {
        for (int i = 0; i < step.filled().size(); i++) {
            pool.forget(step.filled().get(i));
        }
        step.filled().clear();
    }

    /**
     * The cache and all steps under way are lost: running sequences wait to be computed anew, and nothing is found of what
     * was remembered.
     */
    void startAnew() {
        while (!running.isEmpty()) {
            preempt(running.size() - 1);
        }
        pool.forgetAll();
    }

    private void planRunning() {
        for (next = 0; next < running.size() && room(); ) {
            Sequence sequence = running.get(next++);
            limitDraft(sequence);
            int tokens = share(sequence);
            if (tokens > 0 && makeRoom(sequence, tokens)) {
                schedule(sequence, tokens);
            }
        }
    }

    /** A draft is taken whole or not at all, and takes nothing from anybody. */
    private void limitDraft(Sequence sequence) {
        int end = sequence.known() + sequence.draft().size();
        boolean fits = !sequence.scored()
                && sequence.outstanding() <= budget - plan.totalTokens() - othersBehind()
                && sequence.draft().size() <= draftRowsLeft
                && Sequence.blocksFor(end) - sequence.blocks().size() <= pool.free();
        if (!fits) {
            sequence.draft().clear();
        }
    }

    /** Sequences that have yet to get a token of this step. */
    private int othersBehind() {
        return running.size() - next;
    }

    private boolean room() {
        return plan.totalTokens() < budget && plan.size() < seats;
    }

    /** Tokens that a sequence gets out of what is left of the step. */
    private int share(Sequence sequence) {
        if (sequence.paused()) {
            return 0;
        }
        int tokens = Math.min(sequence.outstanding(), budget - plan.totalTokens());
        return sequence.scored() ? Math.min(tokens, rowsLeft) : tokens;
    }

    private void schedule(Sequence sequence, int tokens) {
        sequence.advance(tokens);
        draftRowsLeft -= sequence.draft().size();
        plan.add(sequence, tokens);
        if (sequence.scored()) {
            rowsLeft -= tokens;
        }
        remember(sequence);
    }

    private void remember(Sequence sequence) {
        int full = sequence.shares() ? Math.min(sequence.computed(), sequence.known()) / KvCache.BLOCK_SIZE : 0;
        for (int i = sequence.remembered(); i < full; i++) {
            int block = sequence.blocks().get(i);
            if (pool.remember(block, sequence.key(i, hash))) {
                plan.filled().add(block);
            }
        }
        sequence.remembered(Math.max(sequence.remembered(), full));
    }

    /** Gets the blocks for a running sequence's next tokens; false if it lost its own instead. */
    private boolean makeRoom(Sequence sequence, int tokens) {
        int wanted = Sequence.blocksFor(sequence.computed() + tokens);
        while (wanted - sequence.blocks().size() > pool.free()) {
            int victim = victim();
            if (victim < 0) {
                return false;
            }
            boolean self = running.get(victim) == sequence;
            preempt(victim);
            if (self) {
                return false;
            }
        }
        pool.extend(sequence.blocks(), wanted);
        return true;
    }

    /** Index of the running sequence that is to lose its blocks; -1 while all others have something under way. */
    private int victim() {
        int index = lastPaused();
        if (index < 0) {
            index = running.size() - 1;
            while (index >= 0 && running.get(index).underWay() > 0) {
                index--;
            }
        }
        return index;
    }

    /** Index of the last paused running sequence that has nothing under way, or -1. */
    private int lastPaused() {
        int index = running.size() - 1;
        while (index >= 0 && !idle(running.get(index))) {
            index--;
        }
        return index;
    }

    private static boolean idle(Sequence sequence) {
        return sequence.paused() && sequence.underWay() == 0;
    }

    private void preempt(int index) {
        Sequence victim = running.remove(index);
        if (index < next) {
            next--;
        }
        pool.release(victim.blocks());
        victim.forget();
        preemptions++;
        victim.state(Sequence.State.WAITING);
        insert(victim, waiting);
        preempted = true;
    }

    private void admit() {
        int free = limits.sequences - seated();
        int index = 0;
        while (index < waiting.size() && free > 0 && room()) {
            Sequence sequence = waiting.get(index);
            if (sequence.paused()) {
                index++;
            } else if (share(sequence) == 0) {
                return;
            } else if (wanted(sequence) <= pool.free()) {
                admit(index);
                free--;
            } else if (lastPaused() >= 0 && wanted(sequence) <= pool.free() + pausedBlocks()) {
                preempt(lastPaused());
                index = 0;
            } else {
                return;
            }
        }
    }

    /** Looks for what is cached of a sequence, and says how many free blocks it takes: new ones, and found but idle ones. */
    private int wanted(Sequence sequence) {
        found.clear();
        int idle = 0;
        int most = sequence.shares() && !sequence.scored() ? (sequence.known() - 1) / KvCache.BLOCK_SIZE : 0;
        for (int i = 0; i < most; i++) {
            int block = pool.find(sequence.key(i, hash));
            if (block < 0) {
                break;
            }
            found.add(block);
            idle += pool.holders(block) == 0 ? 1 : 0;
        }
        return Sequence.blocksFor(sequence.known()) - found.size() + idle;
    }

    /** Admits a sequence for which {@link #wanted} has just been asked. */
    private void admit(int index) {
        Sequence sequence = waiting.remove(index);
        sequence.state(Sequence.State.RUNNING);
        insert(sequence, running);
        for (int i = 0; i < found.size(); i++) {
            pool.share(sequence.blocks(), found.get(i));
        }
        count(sequence, found.size() * KvCache.BLOCK_SIZE);
        pool.extend(sequence.blocks(), Sequence.blocksFor(sequence.known()));
        schedule(sequence, share(sequence));
    }

    private void count(Sequence sequence, int tokens) {
        boolean first = sequence.found(tokens);
        if (first && sequence.shares() && !sequence.scored()) {
            prefixQueries += sequence.known();
            prefixHits += tokens;
        }
    }

    /** Running sequences that are not paused. */
    int seated() {
        int seated = 0;
        for (int i = 0; i < running.size(); i++) {
            seated += running.get(i).paused() ? 0 : 1;
        }
        return seated;
    }

    private int pausedBlocks() {
        int blocks = 0;
        for (int i = 0; i < running.size(); i++) {
            blocks += idle(running.get(i)) ? running.get(i).blocks().size() : 0;
        }
        return blocks;
    }
}
