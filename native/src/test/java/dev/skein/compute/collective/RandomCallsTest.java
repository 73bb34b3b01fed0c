package dev.skein.compute.collective;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

/**
 * Thousands of calls drawn by chance, with ranks that come late by chance: every result is what it must be, and the same
 * bits however ranks meet.
 */
final class RandomCallsTest {
    private static final int CALLS = 2_000;
    private static final int MOST_FLOATS = 3_000;
    private static final int LONG_FLOATS = 150_000;

    @Test
    void allResultsAreRightAndTheSameBits() throws Exception {
        long seed = System.nanoTime();
        for (int size = 2; size <= 4; size++) {
            Set<Long> results = new HashSet<>();
            for (Ends.Kind kind : Ends.Kind.values()) {
                try (Ends ends = new Ends(kind, size)) {
                    results.add(
                            ends.run((end, arena) -> new Rank(end, seed).run()).getFirst());
                } catch (Exception | AssertionError e) {
                    throw new AssertionError("seed %d, %s, %d ranks".formatted(seed, kind, size), e);
                }
            }
            assertThat(results).as("seed %d, %d ranks", seed, size).hasSize(1);
        }
    }

    /** One rank: draws the same calls as the others, and its own delays. */
    private static final class Rank {
        private final Collective end;
        private final int size;
        private final Random calls;
        private final Random delays;
        private final CRC32 results = new CRC32();
        private final MemorySegment memory = MemorySegment.ofArray(new float[LONG_FLOATS * 4]);

        Rank(Collective end, long seed) {
            this.end = end;
            this.size = end.size();
            this.calls = new Random(seed);
            this.delays = new Random(seed + end.rank() + 1);
        }

        /** A number that depends on every bit that came. */
        long run() {
            for (int call = 0; call < CALLS; call++) {
                delay();
                int count = calls.nextInt(100) == 0 ? calls.nextInt(LONG_FLOATS) : calls.nextInt(MOST_FLOATS);
                int root = calls.nextInt(size);
                int other = (root + 1 + calls.nextInt(size - 1)) % size;
                switch (calls.nextInt(5)) {
                    case 0 -> sum(call, count);
                    case 1 -> gather(call, count);
                    case 2 -> broadcast(call, count, root);
                    case 3 -> message(call, count, root, other);
                    default -> end.barrier();
                }
            }
            return results.getValue();
        }

        private void delay() {
            switch (delays.nextInt(40)) {
                case 0 -> LockSupport.parkNanos(delays.nextInt(300_000));
                case 1, 2, 3 -> Thread.onSpinWait();
                default -> {}
            }
        }

        private void sum(int call, int count) {
            float[] sum = drawn(call, 0, count);
            for (int rank = 1; rank < size; rank++) {
                float[] part = drawn(call, rank, count);
                for (int i = 0; i < count; i++) {
                    sum[i] += part[i];
                }
            }
            put(drawn(call, end.rank(), count), 0);
            end.allReduce(memory, count);
            check(sum);
        }

        private void gather(int call, int count) {
            long[] lengths = new long[size];
            Arrays.setAll(lengths, rank -> 4L * (count / (rank + 1)));
            float[] all = new float[0];
            long start = 0;
            for (int rank = 0; rank < size; rank++) {
                float[] part = drawn(call, rank, (int) (lengths[rank] / 4));
                if (rank == end.rank()) {
                    start = 4L * all.length;
                    put(part, start);
                }
                int before = all.length;
                all = Arrays.copyOf(all, before + part.length);
                System.arraycopy(part, 0, all, before, part.length);
            }
            end.allGather(memory.asSlice(start, lengths[end.rank()]), lengths, memory);
            check(all);
        }

        private void broadcast(int call, int count, int root) {
            MemorySegment bytes = memory.asSlice(0, 4L * count);
            if (end.rank() == root) {
                put(drawn(call, root, count), 0);
            }
            if (end.rank() != root && call % 2 == 0) {
                end.awaitBroadcast(bytes, root);
            } else {
                end.broadcast(bytes, root);
            }
            check(drawn(call, root, count));
        }

        private void message(int call, int count, int from, int to) {
            MemorySegment bytes = memory.asSlice(0, 4L * count);
            if (end.rank() == from) {
                put(drawn(call, from, count), 0);
                end.send(bytes, to);
            } else if (end.rank() == to) {
                end.receive(bytes, from);
                checkOnly(drawn(call, from, count));
            }
        }

        private static float[] drawn(int call, int rank, int count) {
            Random random = new Random(31L * call + rank);
            float[] values = new float[count];
            for (int i = 0; i < count; i++) {
                values[i] = (random.nextFloat() - 0.5f) * (1 << random.nextInt(20));
            }
            return values;
        }

        private void put(float[] values, long offset) {
            MemorySegment.copy(values, 0, memory, ValueLayout.JAVA_FLOAT, offset, values.length);
        }

        private void check(float[] wanted) {
            checkOnly(wanted);
            results.update(memory.asSlice(0, 4L * wanted.length).toArray(ValueLayout.JAVA_BYTE));
        }

        private void checkOnly(float[] wanted) {
            float[] got = new float[wanted.length];
            MemorySegment.copy(memory, ValueLayout.JAVA_FLOAT, 0, got, 0, got.length);
            assertThat(Arrays.equals(got, wanted)).isTrue();
        }
    }
}
