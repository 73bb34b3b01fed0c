package dev.skein.worker.engine;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

final class PlannerTest {
    private static final int HISTORIES = 100_000;
    private static final int BLOCK = 16;
    private static final int MOST_STEPS = 20_000;

    /** What a sequence will do, and what the checker, not the planner, knows of it. */
    private static final class Life {
        private final long arrival;
        private final int end;
        private final boolean cancelled;
        private boolean admitted;
        /** Whether a token came out since the last pause: a reader can only be slow to read what was sent. */
        private boolean sent;

        private int cached;

        private Life(long arrival, int end, boolean cancelled) {
            this.arrival = arrival;
            this.end = end;
            this.cancelled = cancelled;
        }
    }

    /** Drives one planner through a random history and checks each plan from outside. */
    private static final class History {
        private final Random random;
        private final Planner.Limits limits;
        private final BlockPool pool;
        private final Planner planner;
        private final Map<Sequence, Life> lives = new LinkedHashMap<>();
        private final int toCome;
        private long arrivals;
        private long lastPreemptions;
        private int steps;

        private History(long seed) {
            random = new Random(seed);
            int seats = 1 + random.nextInt(6);
            limits = new Planner.Limits(seats + random.nextInt(40), seats, 1 + random.nextInt(8));
            pool = new BlockPool(2 + random.nextInt(12));
            planner = new Planner(limits, pool);
            toCome = 1 + random.nextInt(12);
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
                Sequence sequence = new Sequence(known, random.nextInt(4) == 0);
                lives.put(sequence, new Life(arrivals++, end, random.nextInt(5) == 0));
                planner.add(sequence);
            }
        }

        /** Pauses, resumes and cancels. Nobody stays paused for ever. */
        private void meddle() {
            for (Sequence sequence : List.copyOf(lives.keySet())) {
                if (sequence.paused() ? random.nextInt(3) == 0 : life(sequence).sent && random.nextInt(10) == 0) {
                    sequence.paused(!sequence.paused());
                    life(sequence).sent = false;
                }
                if (life(sequence).cancelled && random.nextInt(10) == 0) {
                    int held = sequence.blocks().size();
                    int free = pool.free();
                    end(sequence);
                    require(pool.free() == free + held, "the blocks of who is cancelled are free at once", held);
                }
            }
        }

        private void step() {
            Map<Sequence, Sequence.State> before = new LinkedHashMap<>();
            lives.keySet().forEach(sequence -> before.put(sequence, sequence.state()));
            Plan plan = planner.plan();
            checkLimits(plan);
            checkAdmissions(plan, before);
            checkProgress(plan);
            checkBlocks();
            for (int i = 0; i < plan.size(); i++) {
                advance(plan.sequence(i), plan.tokens(i));
            }
            lastPreemptions = planner.preemptions();
        }

        private void checkLimits(Plan plan) {
            int tokens = 0;
            int rows = 0;
            Set<Sequence> seen = new HashSet<>();
            for (int i = 0; i < plan.size(); i++) {
                Sequence sequence = plan.sequence(i);
                require(seen.add(sequence), "a sequence is in a step once", i);
                require(plan.tokens(i) > 0, "a sequence in a step computes something", i);
                require(!sequence.paused(), "who is paused is left out", i);
                tokens += plan.tokens(i);
                rows += sequence.scored() ? plan.tokens(i) : 0;
            }
            require(plan.totalTokens() == tokens && tokens <= limits.tokens(), "the budget is kept", tokens);
            require(plan.size() <= limits.sequences(), "the seats are kept", plan.size());
            require(rows <= limits.scoredRows(), "the rows are kept", rows);
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
                    life.cached = 0;
                }
            }
        }

        private void assertEarlierAreAdmittedOrPaused(Life admitted) {
            lives.forEach((sequence, life) -> {
                if (life.arrival < admitted.arrival && !life.admitted) {
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
                    require(used.add(block), "a block has one owner", block);
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
            require(life.cached <= sequence.known(), "nothing unknown is computed", life.cached);
            if (sequence.outstanding() == 0) {
                if (sequence.known() >= life.end) {
                    end(sequence);
                } else {
                    sequence.append();
                    life.sent = true;
                }
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
        for (int i = 0; i < HISTORIES; i++) {
            History history = new History(seed + i);
            try {
                history.run();
            } catch (AssertionError | RuntimeException broken) {
                throw new AssertionError("history of seed %d, step %d".formatted(seed + i, history.steps), broken);
            }
            preemptions += history.lastPreemptions;
        }
        assertThat(preemptions).as("histories short of blocks").isGreaterThan(HISTORIES / 10);
    }

    @Test
    void fillsAStepWithDecodesBeforePrompts() {
        Planner planner = new Planner(new Planner.Limits(32, 4, 8), new BlockPool(64));
        Sequence first = new Sequence(5, false);
        Sequence second = new Sequence(100, false);
        planner.add(first);
        planner.add(second);
        assertThat(tokens(planner.plan())).containsExactly(5, 27);
        first.append();
        assertThat(tokens(planner.plan())).containsExactly(1, 31);
        first.append();
        assertThat(tokens(planner.plan())).containsExactly(1, 31);
        first.append();
        assertThat(tokens(planner.plan())).containsExactly(1, 11);
    }

    @Test
    void takesTheBlocksOfTheLastAndComputesItAgain() {
        BlockPool pool = new BlockPool(4);
        Planner planner = new Planner(new Planner.Limits(64, 4, 8), pool);
        Sequence first = new Sequence(32, false);
        Sequence second = new Sequence(30, false);
        planner.add(first);
        planner.add(second);
        assertThat(tokens(planner.plan())).containsExactly(32, 30);
        first.append();
        second.append();
        assertThat(tokens(planner.plan())).containsExactly(1);
        assertThat(second.state()).isEqualTo(Sequence.State.WAITING);
        assertThat(second.preemptions()).isEqualTo(1);
        planner.remove(first);
        assertThat(tokens(planner.plan())).containsExactly(31);
    }

    @Test
    void pausedSequencesGiveWay() {
        BlockPool pool = new BlockPool(4);
        Planner planner = new Planner(new Planner.Limits(64, 1, 8), pool);
        Sequence slow = new Sequence(60, false);
        Sequence quick = new Sequence(60, false);
        planner.add(slow);
        planner.add(quick);
        assertThat(tokens(planner.plan())).containsExactly(60);
        slow.append();
        slow.paused(true);
        assertThat(tokens(planner.plan())).containsExactly(60);
        assertThat(quick.state()).isEqualTo(Sequence.State.RUNNING);
        slow.paused(false);
        quick.append();
        assertThat(tokens(planner.plan())).containsExactly(1);
        planner.remove(quick);
        assertThat(tokens(planner.plan())).containsExactly(61);
    }

    @Test
    void refusesWhatCanNeverFit() {
        Planner planner = new Planner(new Planner.Limits(8, 1, 1), new BlockPool(2));
        assertThatThrownBy(() -> planner.add(new Sequence(33, false))).hasMessageContaining("33 tokens");
    }

    private static List<Integer> tokens(Plan plan) {
        List<Integer> tokens = new ArrayList<>();
        for (int i = 0; i < plan.size(); i++) {
            tokens.add(plan.tokens(i));
        }
        return tokens;
    }
}
