package dev.skein.compute.collective;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class AllocationTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final int ROUNDS = 15;
    private static final int CALLS = 20;
    private static final int FLOATS = 20_000;

    @ParameterizedTest
    @EnumSource(names = {"MEMORY", "TCP"})
    void noCallAllocates(Ends.Kind kind) throws Exception {
        try (Ends ends = new Ends(kind, 3)) {
            // The first rounds load classes; a later one may still be disturbed by the compiler or by a long wait.
            assertThat(ends.run(AllocationTest::leastAllocated)).containsOnly(0L);
        }
    }

    private static long leastAllocated(Collective end, Arena arena) {
        MemorySegment floats = arena.allocate(ValueLayout.JAVA_FLOAT, FLOATS);
        MemorySegment all = arena.allocate(floats.byteSize() * end.size());
        long[] lengths = new long[end.size()];
        Arrays.fill(lengths, floats.byteSize());
        long least = Long.MAX_VALUE;
        for (int round = 0; round < ROUNDS; round++) {
            long before = THREADS.getCurrentThreadAllocatedBytes();
            for (int call = 0; call < CALLS; call++) {
                everything(end, floats, all, lengths);
            }
            least = Math.min(least, THREADS.getCurrentThreadAllocatedBytes() - before);
        }
        return least;
    }

    private static void everything(Collective end, MemorySegment floats, MemorySegment all, long[] lengths) {
        end.allReduce(floats, FLOATS);
        end.allReduce(floats, 576);
        end.allGather(floats, lengths, all);
        end.broadcast(floats, 2);
        if (end.rank() == 1) {
            end.broadcast(floats, 1);
            end.send(floats, 0);
        } else {
            end.awaitBroadcast(floats, 1);
        }
        if (end.rank() == 0) {
            end.receive(floats, 1);
        }
        end.barrier();
    }
}
