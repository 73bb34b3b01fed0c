package dev.skein.worker.engine;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

final class PlannerTest {
    private static final int HISTORIES = 100_000;
    private static final int BLOCK = 16;
    private static final int MOST_STEPS = 20_000;

    /** What a sequence will do, and what the checker, not the planner, knows of it. */
    private static final class Life {
        private final long priority;
        private final long arrival;
        private final int end;
        private final boolean cancelled;
        private boolean admitted;
        /** Whether a token came out since the last pause: a reader can only be slow to read what was sent. */
        private boolean sent;

        private int cached;

        private Life(long priority, long arrival, int end, boolean cancelled) {
            this.priority = priority;
            this.arrival = arrival;
            this.end = end;
            this.cancelled = cancelled;
        }

        private boolean before(Life other) {
            return priority < other.priority || priority == other.priority && arrival < other.arrival;
        }
    }

    /** Drives one planner through a random history and checks each plan from outside. */
    private static final class History {
        private final Random random;
        private final Planner.Limits limits;
        private final BlockPool pool;
        private final Planner planner;
        private final Map<Sequence, Life> lives = new LinkedHashMap<>();
        /** For each block and place in it, a number that tells all ids up to there: what a cache would hold. */
        private final long[][] contents;

        private final boolean priorities;
        private final int failures;
        private final int toCome;
        /** Times that the cache is yet to be lost. */
        private int losses;

        private long arrivals;
        private long lastPreemptions;
        private long lastHits;
        private long hits;
        private int steps;

        private History(long seed) {
            random = new Random(seed);
            int seats = 1 + random.nextInt(6);
            limits = new Planner.Limits(seats + random.nextInt(40), seats, 1 + random.nextInt(8), random.nextInt(10));
            pool = new BlockPool(2 + random.nextInt(12));
            planner = new Planner(limits, pool);
            contents = new long[pool.total()][BLOCK];
            priorities = random.nextInt(3) == 0;
            failures = random.nextInt(4) == 0 ? 20 : Integer.MAX_VALUE;
            toCome = 1 + random.nextInt(12);
            losses = random.nextInt(4);
        }

        private void run() {
            while (arrivals < toCome || !lives.isEmpty()) {
                arrive();
                meddle();
                step();
                steps++;
                require(steps < MOST_STEPS, "everything ends", steps);
            }
            require(pool.free() == pool.total(), "all blocks are free at the end", pool.free());
            require(planner.running() + planner.waiting() == 0, "nobody is left", planner.running());
        }

        private Life life(Sequence sequence) {
            return requireNonNull(lives.get(sequence));
        }

        private void arrive() {
            while (arrivals < toCome && random.nextInt(3) == 0) {
                int most = pool.total() * BLOCK;
                int known = 1 + random.nextInt(most);
                int end = known + random.nextInt(most - known + 1);
                long priority = priorities ? random.nextInt(3) : 0;
                Sequence sequence = new Sequence(prompt(known), random.nextInt(4) == 0, priority, salt());
                lives.put(sequence, new Life(priority, arrivals++, end, random.nextInt(5) == 0));
                planner.add(sequence);
            }
        }

        /** One of three beginnings, for a while, and then ids of its own: many sequences begin alike. */
        private int[] prompt(int length) {
            int[] ids = new int[length];
            int beginning = random.nextInt(3);
            int alike = random.nextInt(length + 1);
            for (int i = 0; i < length; i++) {
                ids[i] = i < alike ? beginning : random.nextInt(1000);
            }
            return ids;
        }

        private @Nullable String salt() {
            return switch (random.nextInt(8)) {
                case 0 -> null;
                case 1 -> "salt";
                default -> "";
            };
        }

        /** Pauses, resumes and cancels. Nobody stays paused for ever. */
        private void meddle() {
            for (Sequence sequence : List.copyOf(lives.keySet())) {
                if (sequence.paused() ? random.nextInt(3) == 0 : life(sequence).sent && random.nextInt(10) == 0) {
                    sequence.paused(!sequence.paused());
                    life(sequence).sent = false;
                }
                if (life(sequence).cancelled && random.nextInt(10) == 0) {
                    int held = heldAlone(sequence);
                    int free = pool.free();
                    end(sequence);
                    require(pool.free() == free + held, "the blocks of who is cancelled are free at once", held);
                }
            }
        }

        private int heldAlone(Sequence sequence) {
            int held = 0;
            for (int i = 0; i < sequence.blocks().size(); i++) {
                held += pool.holders(sequence.blocks().get(i)) == 1 ? 1 : 0;
            }
            return held;
        }

        private void step() {
            Map<Sequence, Sequence.State> before = new LinkedHashMap<>();
            lives.keySet().forEach(sequence -> before.put(sequence, sequence.state()));
            Plan plan = planner.plan();
            checkLimits(plan);
            checkAdmissions(plan, before);
            checkProgress(plan);
            checkBlocks();
            if (plan.size() > 0 && random.nextInt(failures) == 0) {
                fail(plan);
            } else if (losses > 0 && random.nextInt(20) == 0) {
                lose();
            } else {
                compute(plan);
            }
            lastPreemptions = planner.preemptions();
            hits += planner.prefixHits() - lastHits;
            lastHits = planner.prefixHits();
        }

        /** The step computes nothing, and who was in it is gone. */
        private void fail(Plan plan) {
            planner.failed(plan);
            for (int i = 0; i < plan.size(); i++) {
                end(plan.sequence(i));
            }
        }

        /** The step computes nothing, and what was computed before it is gone. */
        private void lose() {
            losses--;
            planner.startAnew();
            for (long[] block : contents) {
                Arrays.fill(block, -1);
            }
            require(pool.free() == pool.total(), "all blocks are free when the cache is lost", pool.free());
            require(planner.running() == 0, "all wait when the cache is lost", planner.running());
        }

        private void compute(Plan plan) {
            for (int i = 0; i < plan.size(); i++) {
                write(plan.sequence(i), plan.tokens(i));
            }
            for (int i = 0; i < plan.size(); i++) {
                read(plan.sequence(i));
            }
            for (int i = 0; i < plan.size(); i++) {
                advance(plan.sequence(i), plan.tokens(i));
            }
        }

        private void write(Sequence sequence, int tokens) {
            long[] prefixes = prefixes(sequence);
            for (int at = sequence.computed() - tokens; at < sequence.computed(); at++) {
                contents[sequence.blocks().get(at / BLOCK)][at % BLOCK] = prefixes[at];
            }
        }

        /** All that is attended to must be what the sequence's own ids, and those of its salt, put there. */
        private void read(Sequence sequence) {
            long[] prefixes = prefixes(sequence);
            for (int at = 0; at < sequence.computed(); at++) {
                long content = contents[sequence.blocks().get(at / BLOCK)][at % BLOCK];
                require(content == prefixes[at], "a block holds what its reader's ids say", at);
            }
        }

        private long[] prefixes(Sequence sequence) {
            long[] prefixes = new long[sequence.computed()];
            long hash = sequence.salt() == null ? 1 : sequence.salt().hashCode();
            for (int at = 0; at < prefixes.length; at++) {
                hash = (hash ^ sequence.token(at)) * 0x9E3779B97F4A7C15L + 1;
                hash ^= hash >>> 29;
                prefixes[at] = hash;
            }
            return prefixes;
        }

        private void checkLimits(Plan plan) {
            int tokens = 0;
            int rows = 0;
            int drafts = 0;
            Set<Sequence> seen = new HashSet<>();
            for (int i = 0; i < plan.size(); i++) {
                Sequence sequence = plan.sequence(i);
                require(seen.add(sequence), "a sequence is in a step once", i);
                require(plan.tokens(i) > 0, "a sequence in a step computes something", i);
                require(!sequence.paused(), "who is paused is left out", i);
                tokens += plan.tokens(i);
                rows += sequence.scored() ? plan.tokens(i) : 0;
                drafts += sequence.draft().size();
            }
            require(plan.totalTokens() == tokens && tokens <= limits.tokens(), "the budget is kept", tokens);
            require(plan.size() <= limits.sequences(), "the seats are kept", plan.size());
            require(rows <= limits.scoredRows(), "the rows are kept", rows);
            require(drafts <= limits.draftRows(), "the rows of drafts are kept", drafts);
        }

        private void checkAdmissions(Plan plan, Map<Sequence, Sequence.State> before) {
            for (int i = 0; i < plan.size(); i++) {
                Sequence sequence = plan.sequence(i);
                Life life = life(sequence);
                if (before.get(sequence) == Sequence.State.WAITING && !life.admitted) {
                    life.admitted = true;
                    assertEarlierAreAdmittedOrPaused(life);
                }
                if (before.get(sequence) == Sequence.State.WAITING) {
                    life.cached = sequence.computed() - plan.tokens(i);
                    checkHits(sequence, life.cached);
                }
            }
        }

        private void checkHits(Sequence sequence, int tokens) {
            require(tokens % BLOCK == 0, "only whole blocks are found", tokens);
            require(tokens < sequence.known(), "a token is left to compute", tokens);
            require(tokens == 0 || sequence.shares() && !sequence.scored(), "who shares nothing finds nothing", tokens);
        }

        private void assertEarlierAreAdmittedOrPaused(Life admitted) {
            lives.forEach((sequence, life) -> {
                if (life.before(admitted) && !life.admitted) {
                    require(sequence.paused(), "nobody is overtaken", life.arrival);
                }
            });
        }

        /** As long as somebody could go on, somebody does. */
        private void checkProgress(Plan plan) {
            boolean somebody = !lives.keySet().stream().allMatch(Sequence::paused);
            require(plan.size() > 0 == somebody, "a step is empty if nobody can go on", plan.size());
        }

        private void checkBlocks() {
            Set<Integer> used = new HashSet<>();
            for (Sequence sequence : lives.keySet()) {
                IntList blocks = sequence.blocks();
                for (int i = 0; i < blocks.size(); i++) {
                    int block = blocks.get(i);
                    used.add(block);
                    require(block >= 0 && block < pool.total(), "a block exists", block);
                }
                require(blocks.size() * BLOCK >= sequence.computed(), "what is computed has a place", blocks.size());
                if (sequence.state() == Sequence.State.WAITING) {
                    require(blocks.size() + sequence.computed() == 0, "who waits holds nothing", blocks.size());
                }
            }
            require(pool.used() == used.size(), "no block is lost", pool.used());
        }

        /** Computes as the engine would: the checker counts cached tokens by itself. */
        private void advance(Sequence sequence, int tokens) {
            Life life = life(sequence);
            life.cached += tokens;
            require(sequence.computed() == life.cached, "computed is what was planned", life.cached);
            require(
                    life.cached <= sequence.known() + sequence.draft().size(),
                    "nothing unknown is computed",
                    life.cached);
            if (sequence.computed() >= sequence.known()) {
                require(sequence.outstanding() == 0, "a draft is computed whole", sequence.outstanding());
                sample(sequence, life);
            }
        }

        /** Takes a token, and as many more as the draft got right; drafts what may follow. */
        private void sample(Sequence sequence, Life life) {
            int right = random.nextInt(sequence.draft().size() + 1);
            for (int i = 0; i <= right && sequence.known() < life.end; i++) {
                sequence.append(i < right ? sequence.draft().get(i) : random.nextInt(3));
                life.sent = true;
            }
            if (!life.sent || sequence.known() >= life.end) {
                end(sequence);
                return;
            }
            sequence.settle();
            life.cached = sequence.computed();
            for (int i = random.nextInt(4); i > 0 && sequence.known() + i < life.end; i--) {
                sequence.draft().add(random.nextInt(3));
            }
        }

        private void end(Sequence sequence) {
            planner.remove(sequence);
            lives.remove(sequence);
            require(
                    sequence.blocks().size() == 0,
                    "who is gone holds nothing",
                    sequence.blocks().size());
        }

        /** Fast, as it runs some hundred million times. */
        private static void require(boolean kept, String promise, long value) {
            if (!kept) {
                throw new AssertionError("%s: %d".formatted(promise, value));
            }
        }
    }

    @Test
    void keepsItsPromisesInEveryHistory() {
        long seed = System.nanoTime();
        System.out.printf("PlannerTest: %,d histories from seed %d%n", HISTORIES, seed);
        long preemptions = 0;
        long hits = 0;
        for (int i = 0; i < HISTORIES; i++) {
            History history = new History(seed + i);
            try {
                history.run();
            } catch (AssertionError | RuntimeException broken) {
                throw new AssertionError("history of seed %d, step %d".formatted(seed + i, history.steps), broken);
            }
            preemptions += history.lastPreemptions;
            hits += history.hits > 0 ? 1 : 0;
        }
        assertThat(preemptions).as("histories short of blocks").isGreaterThan(HISTORIES / 10);
        assertThat(hits).as("histories that found something cached").isGreaterThan(HISTORIES / 10);
    }

    @Test
    void fillsAStepWithDecodesBeforePrompts() {
        Planner planner = new Planner(new Planner.Limits(32, 4, 8, 8), new BlockPool(64));
        Sequence first = sequence(5);
        Sequence second = sequence(100);
        planner.add(first);
        planner.add(second);
        assertThat(tokens(planner.plan())).containsExactly(5, 27);
        first.append(1);
        assertThat(tokens(planner.plan())).containsExactly(1, 31);
        first.append(1);
        assertThat(tokens(planner.plan())).containsExactly(1, 31);
        first.append(1);
        assertThat(tokens(planner.plan())).containsExactly(1, 11);
    }

    @Test
    void takesTheBlocksOfTheLastAndComputesItAgain() {
        BlockPool pool = new BlockPool(4);
        Planner planner = new Planner(new Planner.Limits(64, 4, 8, 8), pool);
        Sequence first = sequence(32);
        Sequence second = sequence(30);
        planner.add(first);
        planner.add(second);
        assertThat(tokens(planner.plan())).containsExactly(32, 30);
        first.append(1);
        second.append(1);
        assertThat(tokens(planner.plan())).containsExactly(1);
        assertThat(second.state()).isEqualTo(Sequence.State.WAITING);
        assertThat(second.preemptions()).isEqualTo(1);
        planner.remove(first);
        assertThat(tokens(planner.plan())).containsExactly(31);
    }

    @Test
    void pausedSequencesGiveWay() {
        BlockPool pool = new BlockPool(4);
        Planner planner = new Planner(new Planner.Limits(64, 1, 8, 8), pool);
        Sequence slow = sequence(60);
        Sequence quick = sequence(60);
        planner.add(slow);
        planner.add(quick);
        assertThat(tokens(planner.plan())).containsExactly(60);
        slow.append(1);
        slow.paused(true);
        assertThat(tokens(planner.plan())).containsExactly(60);
        assertThat(quick.state()).isEqualTo(Sequence.State.RUNNING);
        slow.paused(false);
        quick.append(1);
        assertThat(tokens(planner.plan())).containsExactly(1);
        planner.remove(quick);
        assertThat(tokens(planner.plan())).containsExactly(61);
    }

    @Test
    void refusesWhatCanNeverFit() {
        Planner planner = new Planner(new Planner.Limits(8, 1, 1, 8), new BlockPool(2));
        assertThatThrownBy(() -> planner.add(sequence(33))).hasMessageContaining("33 tokens");
    }

    /** Two requests of the same long beginning, at once and one after the other: it is computed once. */
    @Test
    void computesACommonBeginningOnce() {
        Planner planner = new Planner(new Planner.Limits(64, 4, 8, 8), new BlockPool(64));
        Sequence first = begins(100, 120);
        Sequence second = begins(100, 120);
        planner.add(first);
        planner.add(second);
        assertThat(tokens(planner.plan())).containsExactly(64);
        assertThat(tokens(planner.plan())).containsExactly(56, 8);
        assertThat(second.cached()).isEqualTo(96);
        assertThat(tokens(planner.plan())).containsExactly(16);
        planner.remove(first);
        planner.remove(second);
        Sequence third = begins(100, 101);
        planner.add(third);
        assertThat(tokens(planner.plan())).containsExactly(5);
        assertThat(planner.prefixQueries()).isEqualTo(120 + 120 + 101);
        assertThat(planner.prefixHits()).isEqualTo(96 + 96);
    }

    /** All within one step: 125 blocks are held together, and each has one of its own to write into. */
    @Test
    void sequencesOfOnePromptHoldItsBlocksTogether() {
        BlockPool pool = new BlockPool(200);
        Planner planner = new Planner(new Planner.Limits(2048, 8, 8, 8), pool);
        for (int i = 0; i < 8; i++) {
            planner.add(begins(2003, 2003));
        }
        assertThat(tokens(planner.plan())).containsExactly(2003, 3, 3, 3, 3, 3, 3, 3);
        assertThat(pool.used()).isEqualTo(125 + 8);
        assertThat(planner.prefixHits()).isEqualTo(7 * 2000);
    }

    @Test
    void manyOfOneLongBeginningComputeItOnce() {
        Planner planner = new Planner(new Planner.Limits(512, 8, 8, 8), new BlockPool(400));
        List<Sequence> all = new ArrayList<>();
        for (int i = 0; i < 24; i++) {
            all.add(begins(2000, 2003));
            planner.add(all.getLast());
        }
        int computed = 0;
        while (planner.running() + planner.waiting() > 0) {
            computed += planner.plan().totalTokens();
            all.stream()
                    .filter(each -> each.computed() == each.known() && each.state() == Sequence.State.RUNNING)
                    .forEach(planner::remove);
        }
        assertThat(computed).isEqualTo(2000 + 24 * 3);
        assertThat(planner.prefixHits()).isEqualTo(23 * 2000);
        assertThat(all.stream().mapToInt(Sequence::cached).sum()).isEqualTo(23 * 2000);
    }

    @Test
    void aWholePromptThatIsCachedComputesItsLastBlock() {
        Planner planner = new Planner(new Planner.Limits(64, 4, 8, 8), new BlockPool(64));
        planner.add(begins(32, 32));
        planner.add(begins(32, 32));
        assertThat(tokens(planner.plan())).containsExactly(32, 16);
    }

    @Test
    void theHeadOfAPrefixOutlivesItsTail() {
        BlockPool pool = new BlockPool(4);
        Planner planner = new Planner(new Planner.Limits(64, 4, 8, 8), pool);
        Sequence first = begins(48, 48);
        planner.add(first);
        planner.plan();
        planner.remove(first);
        Sequence other = sequence(32);
        planner.add(other);
        planner.plan();
        planner.remove(other);
        planner.add(begins(48, 48));
        assertThat(tokens(planner.plan())).containsExactly(16);
    }

    /** Sequences whose first ids are alike and whose others are not. */
    private int apart = 1;

    private Sequence begins(int alike, int length) {
        int[] ids = new int[length];
        Arrays.fill(ids, alike, length, apart++);
        return new Sequence(ids, false, 0, "");
    }

    @Test
    void aDraftTakesNothingFromAnybody() {
        Planner planner = new Planner(new Planner.Limits(20, 4, 8, 3), new BlockPool(3));
        Sequence first = sequence(14);
        Sequence second = sequence(4);
        planner.add(first);
        planner.add(second);
        assertThat(tokens(planner.plan())).containsExactly(14, 4);
        draft(first, 2);
        draft(second, 2);
        assertThat(tokens(planner.plan())).as("one row is left for the second").containsExactly(3, 1);
        draft(first, 3);
        draft(second, 3);
        assertThat(tokens(planner.plan())).as("a draft within free blocks").containsExactly(4, 1);
        draft(first, 0);
        for (int i = 0; i < 13; i++) {
            first.append(1);
        }
        draft(second, 0);
        assertThat(tokens(planner.plan())).containsExactly(14, 1);
    }

    /** A token is sampled and so many are drafted after it. */
    private static void draft(Sequence sequence, int count) {
        sequence.append(1);
        sequence.settle();
        for (int i = 0; i < count; i++) {
            sequence.draft().add(2);
        }
    }

    @Test
    void theMoreUrgentGoFirst() {
        Planner planner = new Planner(new Planner.Limits(64, 1, 8, 8), new BlockPool(64));
        Sequence late = new Sequence(new int[10], false, 5, null);
        Sequence urgent = new Sequence(new int[20], false, -1, null);
        planner.add(late);
        planner.add(urgent);
        assertThat(tokens(planner.plan())).containsExactly(20);
        planner.remove(urgent);
        assertThat(tokens(planner.plan())).containsExactly(10);
    }

    private static Sequence sequence(int known) {
        return new Sequence(new int[known], false, 0, null);
    }

    private static List<Integer> tokens(Plan plan) {
        List<Integer> tokens = new ArrayList<>();
        for (int i = 0; i < plan.size(); i++) {
            tokens.add(plan.tokens(i));
        }
        return tokens;
    }
}
