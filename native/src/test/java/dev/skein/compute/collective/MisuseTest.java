package dev.skein.compute.collective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Future;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Calls that do not fit each other, ends that give up or leave, and calls after that: an error soon, never a hang. */
final class MisuseTest {
    private static final Duration FOREVER = Duration.ofHours(1);

    @ParameterizedTest
    @EnumSource
    void anotherLength(Ends.Kind kind) throws Exception {
        assertThat(reasons(kind, 2, (end, arena) -> end.allReduce(arena.allocate(64), end.rank() == 0 ? 16 : 12)))
                .allSatisfy(reason -> assertThat(reason).contains("64 bytes", "48 bytes", "all-reduce"));
    }

    @ParameterizedTest
    @EnumSource
    void anotherCall(Ends.Kind kind) throws Exception {
        assertThat(reasons(kind, 3, (end, arena) -> {
                    if (end.rank() == 1) {
                        end.barrier();
                    } else {
                        end.allReduce(arena.allocate(1 << 20), 1 << 18);
                    }
                }))
                .allSatisfy(
                        reason -> assertThat(reason).contains("all-reduce of 1048576 bytes", "a barrier", "rank 1"));
    }

    @ParameterizedTest
    @EnumSource
    void anotherRoot(Ends.Kind kind) throws Exception {
        assertThat(reasons(kind, 2, (end, arena) -> {
                    end.broadcast(arena.allocate(8), end.rank());
                    end.barrier();
                }))
                .allSatisfy(reason -> assertThat(reason).contains("rank"));
    }

    @ParameterizedTest
    @EnumSource
    void otherLengthsOfParts(Ends.Kind kind) throws Exception {
        assertThat(reasons(kind, 2, (end, arena) -> {
                    long[] lengths = end.rank() == 0 ? new long[] {8, 4} : new long[] {4, 8};
                    end.allGather(arena.allocate(8), lengths, arena.allocate(12));
                }))
                .allSatisfy(reason -> assertThat(reason).contains("other lengths"));
    }

    @ParameterizedTest
    @EnumSource
    void anotherMessage(Ends.Kind kind) throws Exception {
        assertThat(reasons(kind, 2, (end, arena) -> {
                    if (end.rank() == 0) {
                        end.send(arena.allocate(16), 1);
                        end.barrier();
                    } else {
                        end.receive(arena.allocate(8), 0);
                    }
                }))
                .allSatisfy(reason -> assertThat(reason).contains("16 bytes", "8 bytes"));
    }

    @ParameterizedTest
    @EnumSource
    void aRankThatDoesNotCome(Ends.Kind kind) throws Exception {
        try (Ends ends = new Ends(kind, 3, Duration.ofMillis(1_500))) {
            List<Future<String>> reasons = ends.start((end, arena) -> end.rank() == 2 ? "" : reason(end::barrier));
            assertThat(List.of(reasons.get(0).get(), reasons.get(1).get()))
                    .allSatisfy(reason -> assertThat(reason).contains("rank 2", "1500 ms", "a barrier"));
        }
    }

    @ParameterizedTest
    @EnumSource
    void whoWaitsIsNotToBlame(Ends.Kind kind) throws Exception {
        try (Ends ends = new Ends(kind, 3, Duration.ofMillis(1_500))) {
            List<Future<String>> reasons = ends.start((end, arena) -> {
                MemorySegment bytes = arena.allocate(8);
                return switch (end.rank()) {
                    case 0 -> reason(() -> end.receive(bytes, 1));
                    case 1 -> reason(() -> end.receive(bytes, 2));
                    default -> "";
                };
            });
            assertThat(List.of(reasons.get(0).get(), reasons.get(1).get()))
                    .allSatisfy(reason ->
                            assertThat(reason).startsWith("rank 2 ").contains("did not come", "a message of 8 bytes"));
        }
    }

    @ParameterizedTest
    @EnumSource
    void givingUpEndsAWait(Ends.Kind kind) throws Exception {
        try (Ends ends = new Ends(kind, 3, FOREVER)) {
            List<Future<String>> reasons = ends.start(
                    (end, arena) -> end.rank() == 2 ? "" : reason(() -> end.awaitBroadcast(arena.allocate(8), 2)));
            Thread.sleep(30);
            ends.end(1).abort("it is late");
            assertThat(List.of(reasons.get(0).get(), reasons.get(1).get())).containsOnly("rank 1 gave up: it is late");
            assertThat(reason(ends.end(1)::barrier)).isEqualTo("rank 1 gave up: it is late");
            assertThat(reason(ends.end(2)::barrier)).isEqualTo("rank 1 gave up: it is late");
        }
    }

    @ParameterizedTest
    @EnumSource
    void givingUpBetweenCallsTellsTheOthers(Ends.Kind kind) throws Exception {
        try (Ends ends = new Ends(kind, 2, FOREVER)) {
            ends.end(1).abort("no more memory");
            assertThat(reason(ends.end(0)::barrier)).isEqualTo("rank 1 gave up: no more memory");
            assertThat(reason(ends.end(1)::barrier)).isEqualTo("rank 1 gave up: no more memory");
        }
    }

    @ParameterizedTest
    @EnumSource
    void whoLeavesIsNamedAndWhatItSaidStillCounts(Ends.Kind kind) throws Exception {
        try (Ends ends = new Ends(kind, 2, FOREVER)) {
            List<String> reasons = ends.run((end, arena) -> {
                MemorySegment bytes = end.rank() == 0 ? Ends.bytes(arena, (byte) 7) : arena.allocate(1);
                end.broadcast(bytes, 0);
                if (end.rank() == 0) {
                    end.close();
                    end.close();
                    return "";
                }
                assertThat(Ends.bytes(bytes)).containsExactly(7);
                return reason(end::barrier);
            });
            assertThat(reasons.get(1)).contains("rank 0 has left the group");
            assertThatThrownBy(ends.end(0)::barrier).isInstanceOf(IllegalStateException.class);
            ends.end(0).abort("too late to matter");
        }
    }

    @ParameterizedTest
    @EnumSource
    void anInterruptedWaitEnds(Ends.Kind kind) throws Exception {
        try (Ends ends = new Ends(kind, 2, FOREVER)) {
            List<Future<String>> reasons = ends.start((end, arena) -> {
                if (end.rank() == 1) {
                    return "";
                }
                Thread.currentThread().interrupt();
                String reason = reason(end::barrier);
                assertThat(Thread.interrupted()).isTrue();
                return reason;
            });
            assertThat(reasons.get(0).get()).contains("rank 0 was interrupted");
        }
    }

    @ParameterizedTest
    @EnumSource
    void argumentsThatCannotBe(Ends.Kind kind) throws Exception {
        try (Ends ends = new Ends(kind, 2, FOREVER);
                Arena arena = Arena.ofConfined()) {
            Collective end = ends.end(0);
            MemorySegment bytes = arena.allocate(8);
            assertThatThrownBy(() -> end.allReduce(bytes, 3)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> end.allReduce(bytes, -1)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> end.broadcast(bytes, 2)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> end.send(bytes, -1)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> end.send(bytes, 0)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> end.receive(bytes, 0)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> end.awaitBroadcast(bytes, 0)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> end.allGather(bytes, new long[] {8}, bytes))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> end.allGather(bytes, new long[] {8, -8}, bytes))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> end.allGather(bytes, new long[] {8, 1}, bytes))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> end.allGather(bytes, new long[] {9, 0}, arena.allocate(9)))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            // Nothing was said to the other, so the two still understand each other.
            ends.run((each, _) -> {
                each.barrier();
                return 0;
            });
        }
    }

    private interface Calls {
        void on(Collective end, Arena arena);
    }

    /** Why the calls failed, on each rank. */
    private static List<String> reasons(Ends.Kind kind, int size, Calls calls) throws Exception {
        try (Ends ends = new Ends(kind, size, FOREVER)) {
            return ends.run((end, arena) -> reason(() -> calls.on(end, arena)));
        }
    }

    private static String reason(Runnable call) {
        try {
            call.run();
        } catch (CollectiveException e) {
            assertThat(e.fatal()).isTrue();
            return String.valueOf(e.getMessage());
        }
        throw new AssertionError("the call did not fail");
    }
}
