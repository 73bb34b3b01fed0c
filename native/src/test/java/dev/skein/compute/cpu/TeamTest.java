package dev.skein.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.skein.compute.AttentionShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Threads that leave the others alone while another program has their core, and come back. */
class TeamTest {
    private static final long MILLISECOND = 1_000_000;

    static List<Kinds.Kind> five() {
        return Kinds.natives(5);
    }

    @ParameterizedTest
    @MethodSource("five")
    void stepsHaveTheSameBitsWhoeverTakesPart(Kinds.Kind kind) {
        try (HostBackend backend = kind.make();
                HostBackend oracle = new JavaBackend();
                Lab lab = new Lab(11)) {
            AttentionShape shape = new AttentionShape(6, 2, 64, 0.125f);
            int[] lengths = {300, 77, 1};
            float[][] rows = lab.rows(Arrays.stream(lengths).sum(), shape.fusedColumns());
            float[][] expected = SameBitsTest.attention(oracle, shape, lengths, 30, rows, 5, 0);
            for (int round = 0; round < 100; round++) {
                int team = lab.random().nextInt(6);
                ((CpuBackend) backend).take(team);
                assertThat(SameBitsTest.attention(backend, shape, lengths, 30, rows, 5, round % 4))
                        .as("round %d, team of %d, seed %d", round, team, lab.seed())
                        .isDeepEqualTo(expected);
            }
        }
    }

    @Test
    void allTakePartWhileAllCanRun() {
        History history = new History(8);
        history.play(100, 5, 0.05);
        assertThat(history.decided()).hasSize(100).containsOnly(8);
    }

    /** A thread that runs half of the time makes two as fast as one at best. */
    @Test
    void aThreadWithoutACoreIsLeftOut() {
        History history = new History(2);
        history.play(1, 5, 0);
        history.play(100, 60, 0.9);
        assertThat(history.decided().subList(0, 3)).containsExactly(2, 1, 1);
    }

    @Test
    void oneIsLeftInAnyCase() {
        History history = new History(3);
        history.play(4, 60, 1);
        assertThat(history.decided()).containsExactly(2, 1, 1, 1);
    }

    @Test
    void trialsGrowRareWhileTheyFail() {
        History history = new History(2);
        while (history.now < 60_000 * MILLISECOND) {
            boolean two = history.decided().isEmpty() || history.decided().getLast() == 2;
            history.play(1, two ? 60 : 10, two ? 0.9 : 0);
        }
        long trials = history.decided().stream().filter(active -> active == 2).count();
        assertThat(trials).isBetween(15L, 25L);
    }

    @Test
    void aThreadComesBackToItsCore() {
        History history = new History(2);
        history.play(2, 60, 0.9);
        assertThat(history.decided().getLast()).isEqualTo(1);
        history.play(500, 5, 0);
        assertThat(history.decided().getLast()).isEqualTo(2);
        assertThat(history.decided().stream().filter(active -> active == 1).count())
                .isLessThan(60);
    }

    /** Jobs of a pool, one after the other, and what it would decide after each. */
    private static final class History {
        private final int threads;
        private final List<Long> jobs = new ArrayList<>();
        private long now;

        History(int threads) {
            assumeTrue(CpuLibrary.load() instanceof CpuLibrary.Loaded, "the native library was not built");
            this.threads = threads;
        }

        void play(int count, long millis, double lost) {
            for (int i = 0; i < count; i++) {
                long took = millis * MILLISECOND;
                now += took;
                jobs.addAll(List.of(now, took, (long) (lost * took)));
            }
        }

        List<Integer> decided() {
            int count = jobs.size() / 3;
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment given = arena.allocate(ValueLayout.JAVA_LONG, jobs.size() + 1);
                for (int i = 0; i < jobs.size(); i++) {
                    given.setAtIndex(ValueLayout.JAVA_LONG, i, jobs.get(i));
                }
                MemorySegment active = arena.allocate(ValueLayout.JAVA_INT, count + 1);
                SkeinCpu.team(threads, given, count, active);
                return Arrays.stream(active.toArray(ValueLayout.JAVA_INT))
                        .limit(count)
                        .boxed()
                        .toList();
            }
        }
    }
}
