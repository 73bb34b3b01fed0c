package dev.skein.worker.engine;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Histories with several steps under way: as in a pipeline of as many stages, or one ahead of the other. */
final class PlannerPipelineTest {
    private static final int HISTORIES = 10_000;
    private static final int BLOCK = 16;
    private static final int MOST_TURNS = 20_000;

    private record Part(Sequence sequence, int end) {}

    private static final class History {
        private final Random random;
        private final Planner.Limits limits;
        private final BlockPool pool;
        private final Planner planner;
        private final long[][] contents;
        /** How long each sequence is at its end. */
        private final Map<Sequence, Integer> lives = new HashMap<>();

        private final Deque<List<Part>> underWay = new ArrayDeque<>();
        /** What a sequence's next id will be, where a step that is under way has been given it already. */
        private final Map<Sequence, Integer> foretold = new HashMap<>();

        private final boolean ahead;
        private int toCome;
        private int mostUnderWay;
        /** Times that the cache is yet to be lost, and the steps under way with it. */
        private int losses;

        private History(long seed, boolean ahead) {
            random = new Random(seed);
            this.ahead = ahead;
            int seats = 1 + random.nextInt(6);
            limits = new Planner.Limits(
                    seats + random.nextInt(300),
                    seats,
                    1 + random.nextInt(8),
                    random.nextInt(10),
                    ahead ? 1 : 2 + random.nextInt(3));
            pool = new BlockPool(2 + random.nextInt(20));
            planner = new Planner(limits, pool);
            contents = new long[pool.total()][BLOCK];
            toCome = 1 + random.nextInt(12);
            losses = random.nextInt(3);
        }

        private void run() {
            for (int turns = 0; toCome > 0 || !lives.isEmpty() || !underWay.isEmpty(); turns++) {
                require(turns < MOST_TURNS, "everything ends", turns);
                arrive();
                cancel();
                pause();
                lose();
                turn();
            }
            require(pool.free() == pool.total(), "all blocks are free at the end", pool.free());
        }

        private void arrive() {
            while (toCome > 0 && random.nextInt(3) == 0) {
                toCome--;
                int most = pool.total() * BLOCK;
                int known = 1 + random.nextInt(most);
                int beginning = random.nextInt(2);
                int alike = random.nextInt(known + 1);
                int[] ids = new int[known];
                for (int i = 0; i < known; i++) {
                    ids[i] = i < alike ? beginning : random.nextInt(1000);
                }
                boolean scored = random.nextInt(5) == 0;
                int length = known + random.nextInt(most - known + 1);
                // Some end where nobody foresees it.
                int bound = random.nextInt(3) == 0 ? most : length;
                Sequence sequence = new Sequence(ids, scored, 0, random.nextInt(8) == 0 ? null : "") {
                    @Override
                    boolean endsNext() {
                        return known() + 1 >= bound;
                    }
                };
                lives.put(sequence, length);
                planner.add(sequence);
            }
        }

        /** Also who has something under way. */
        private void cancel() {
            if (random.nextInt(20) == 0 && !lives.isEmpty()) {
                end(List.copyOf(lives.keySet()).get(random.nextInt(lives.size())));
            }
        }

        private void end(Sequence sequence) {
            planner.remove(sequence);
            lives.remove(sequence);
        }

        /** Also who has something under way. */
        private void pause() {
            lives.keySet().forEach(sequence -> {
                if (random.nextInt(sequence.paused() ? 4 : 40) == 0) {
                    sequence.paused(!sequence.paused());
                }
            });
        }

        /** What the steps under way would have brought never comes. */
        private void lose() {
            if (losses == 0 || random.nextInt(20) > 0) {
                return;
            }
            losses--;
            underWay.clear();
            foretold.clear();
            planner.startAnew();
            for (long[] block : contents) {
                Arrays.fill(block, -1);
            }
            require(pool.free() == pool.total(), "all blocks are free when the cache is lost", pool.free());
            lives.keySet()
                    .forEach(sequence ->
                            require(sequence.underWay() == 0, "nobody waits for a lost step", sequence.underWay()));
        }

        private void turn() {
            int most = limits.depth() + (ahead ? 1 : 0);
            boolean began = underWay.size() < most && begin();
            mostUnderWay = Math.max(mostUnderWay, underWay.size());
            if (underWay.size() == most || !began && !underWay.isEmpty()) {
                deliver();
            } else if (!began && underWay.isEmpty()) {
                boolean allWait = lives.keySet().stream().allMatch(Sequence::paused);
                require(allWait, "somebody can go on when nothing is under way", lives.size());
            }
        }

        private boolean begin() {
            Plan plan = underWay.size() < limits.depth() ? planner.plan() : planner.planAhead();
            underWay.forEach(step -> step.forEach(part -> require(
                    !lives.containsKey(part.sequence) || part.sequence.state() == Sequence.State.RUNNING,
                    "who has something under way keeps its blocks",
                    part.end)));
            if (plan.size() == 0) {
                return false;
            }
            check(plan);
            List<Part> step = new ArrayList<>();
            for (int i = 0; i < plan.size(); i++) {
                plan.sequence(i).underWay(1);
                step.add(new Part(plan.sequence(i), plan.end(i)));
                write(plan.sequence(i), plan.end(i) - plan.tokens(i), plan.end(i));
            }
            step.forEach(this::read);
            underWay.add(step);
            return true;
        }

        private void check(Plan plan) {
            Set<Sequence> seen = new HashSet<>();
            int tokens = 0;
            for (int i = 0; i < plan.size(); i++) {
                require(seen.add(plan.sequence(i)), "a sequence is in a step once", i);
                require(plan.tokens(i) > 0, "a sequence in a step computes something", i);
                tokens += plan.tokens(i);
            }
            require(tokens <= limits.tokens() && plan.size() <= limits.sequences(), "the limits are kept", tokens);
        }

        /** Steps are computed in their order by every stage, so what one writes is there for those behind it. */
        private void write(Sequence sequence, int from, int to) {
            long[] prefixes = prefixes(sequence, to);
            for (int at = from; at < to; at++) {
                contents[sequence.blocks().get(at / BLOCK)][at % BLOCK] = prefixes[at];
            }
        }

        private void read(Part part) {
            long[] prefixes = prefixes(part.sequence, part.end);
            for (int at = 0; at < part.end; at++) {
                long content = contents[part.sequence.blocks().get(at / BLOCK)][at % BLOCK];
                require(content == prefixes[at], "a block holds what its reader's ids say", at);
            }
        }

        private long[] prefixes(Sequence sequence, int length) {
            long[] prefixes = new long[length];
            long hash = sequence.salt() == null ? 1 : 2;
            for (int at = 0; at < length; at++) {
                hash = (hash ^ id(sequence, at)) * 0x9E3779B97F4A7C15L + 1;
                hash ^= hash >>> 29;
                prefixes[at] = hash;
            }
            return prefixes;
        }

        private int id(Sequence sequence, int at) {
            if (at < sequence.known() + sequence.draft().size()) {
                return sequence.token(at);
            }
            require(ahead && at == sequence.known() && sequence.foreseeable(), "only one id is foretold", at);
            return foretold.computeIfAbsent(sequence, _ -> random.nextInt(3));
        }

        private void deliver() {
            for (Part part : underWay.remove()) {
                Sequence sequence = part.sequence;
                sequence.underWay(-1);
                require(sequence.underWay() >= 0, "each step of a sequence is counted", sequence.underWay());
                if (lives.containsKey(sequence) && part.end >= sequence.known()) {
                    sample(sequence);
                }
            }
        }

        private void sample(Sequence sequence) {
            int end = requireNonNull(lives.get(sequence));
            int right = random.nextInt(sequence.draft().size() + 1);
            for (int i = 0; i <= right && sequence.known() < end; i++) {
                Integer told = foretold.remove(sequence);
                sequence.append(i < right ? sequence.draft().get(i) : told != null ? told : random.nextInt(3));
            }
            if (sequence.known() >= end) {
                end(sequence);
                return;
            }
            sequence.settle();
            for (int i = ahead ? Math.max(0, random.nextInt(40) - 36) : random.nextInt(4);
                    i > 0 && sequence.known() + i < end;
                    i--) {
                sequence.draft().add(random.nextInt(3));
            }
        }

        private static void require(boolean kept, String promise, long value) {
            if (!kept) {
                throw new AssertionError("%s: %d".formatted(promise, value));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void keepsItsPromisesWithSeveralStepsUnderWay(boolean ahead) {
        long seed = System.nanoTime();
        System.out.printf("PlannerPipelineTest: %,d histories from seed %d%n", HISTORIES, seed);
        int busy = 0;
        for (int i = 0; i < HISTORIES; i++) {
            History history = new History(seed + i, ahead);
            try {
                history.run();
            } catch (AssertionError | RuntimeException broken) {
                throw new AssertionError("history of seed %d".formatted(seed + i), broken);
            }
            busy += history.mostUnderWay > 1 ? 1 : 0;
        }
        assertThat(busy).as("histories with several steps under way").isGreaterThan(HISTORIES / 2);
    }

    /** Four answers on two stages: two of them in each step, in turns. */
    @Test
    void sharesDecodesAmongSteps() {
        Planner planner = new Planner(new Planner.Limits(2048, 8, 8, 8, 2), new BlockPool(64));
        List<Sequence> sequences = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            sequences.add(new Sequence(new int[] {i}, false, 0, null));
            planner.add(sequences.get(i));
        }
        Plan first = planner.plan();
        Plan second = planner.plan();
        assertThat(List.of(first.sequence(0), first.sequence(1))).isEqualTo(sequences.subList(0, 2));
        assertThat(List.of(second.sequence(0), second.sequence(1))).isEqualTo(sequences.subList(2, 4));
        assertThat(first.size() + second.size()).isEqualTo(4);
        assertThat(planner.plan().size()).isZero();
    }

    /** So that the second stage has something to do before the first has computed all of it. */
    @Test
    void sharesAPromptAmongSteps() {
        Planner planner = new Planner(new Planner.Limits(2048, 8, 8, 8, 2), new BlockPool(128));
        planner.add(new Sequence(new int[1600], false, 0, null));
        assertThat(planner.plan().tokens(0)).isEqualTo(401);
        assertThat(planner.plan().tokens(0)).isEqualTo(300);
    }
}
