package dev.skein.compute.collective;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.BiFunction;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Each call, at odd sizes, with one rank and with more ranks than cores. */
final class CallsTest {
    /** Around a vector, a block of sums, and the slots of both kinds. */
    private static final int[] COUNTS = {0, 1, 3, 15, 576, 2047, 2049, 4096, 16_385, 65_535, 65_536, 65_537, 200_003};

    static Stream<Arguments> groups() {
        return Arrays.stream(Ends.Kind.values())
                .flatMap(kind -> Stream.of(1, 2, 3, 4, 5).map(size -> Arguments.of(kind, size)));
    }

    @ParameterizedTest
    @MethodSource("groups")
    void sumsInTheOrderOfRanks(Ends.Kind kind, int size) throws Exception {
        sums(kind, size, Ends::floats);
    }

    /** Which the library cannot add to. */
    @ParameterizedTest
    @MethodSource("groups")
    void sumsInArraysToo(Ends.Kind kind, int size) throws Exception {
        sums(kind, size, (_, values) -> MemorySegment.ofArray(values.clone()));
    }

    private static void sums(Ends.Kind kind, int size, BiFunction<Arena, float[], MemorySegment> memory)
            throws Exception {
        try (Ends ends = new Ends(kind, size)) {
            for (int count : COUNTS) {
                float[][] parts = randomFloats(size, count, count + size);
                float[] wanted = parts[0].clone();
                for (int rank = 1; rank < size; rank++) {
                    for (int i = 0; i < count; i++) {
                        wanted[i] += parts[rank][i];
                    }
                }
                for (float[] sum : ends.run((end, arena) -> {
                    MemorySegment floats = memory.apply(arena, parts[end.rank()]);
                    end.allReduce(floats, count);
                    return Ends.floats(floats);
                })) {
                    assertThat(sum).as("%d floats", count).isEqualTo(wanted);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("groups")
    void gathersPartsOfDifferentLengths(Ends.Kind kind, int size) throws Exception {
        try (Ends ends = new Ends(kind, size)) {
            for (int count : COUNTS) {
                long[] lengths = new long[size];
                Arrays.setAll(lengths, rank -> rank % 2 == 0 ? count * 4L / (rank + 1) : rank);
                byte[][] parts = randomBytes(lengths, count);
                byte[] wanted = concatenated(parts);
                for (byte[] all : ends.run((end, arena) -> {
                    MemorySegment all = arena.allocate(wanted.length);
                    end.allGather(Ends.bytes(arena, parts[end.rank()]), lengths, all);
                    return Ends.bytes(all);
                })) {
                    assertThat(all).as("%d bytes", wanted.length).isEqualTo(wanted);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("groups")
    void gathersWherePartsLieAlready(Ends.Kind kind, int size) throws Exception {
        try (Ends ends = new Ends(kind, size)) {
            long[] lengths = new long[size];
            Arrays.setAll(lengths, rank -> 300_001L * (rank + 1));
            byte[][] parts = randomBytes(lengths, size);
            byte[] wanted = concatenated(parts);
            for (byte[] all : ends.run((end, arena) -> {
                MemorySegment all = arena.allocate(wanted.length);
                long start = Arrays.stream(lengths, 0, end.rank()).sum();
                MemorySegment part = all.asSlice(start, lengths[end.rank()]);
                part.copyFrom(MemorySegment.ofArray(parts[end.rank()]));
                end.allGather(part, lengths, all);
                return Ends.bytes(all);
            })) {
                assertThat(all).isEqualTo(wanted);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("groups")
    void broadcastsFromEachRoot(Ends.Kind kind, int size) throws Exception {
        try (Ends ends = new Ends(kind, size)) {
            for (int count : COUNTS) {
                byte[] wanted = randomBytes(new long[] {count}, count)[0];
                for (List<byte[]> got : ends.run((end, arena) -> {
                    List<byte[]> results = new ArrayList<>();
                    for (int root = 0; root < size; root++) {
                        MemorySegment bytes =
                                end.rank() == root ? Ends.bytes(arena, wanted) : arena.allocate(wanted.length);
                        if (root % 2 == 1 && end.rank() != root) {
                            end.awaitBroadcast(bytes, root);
                        } else {
                            end.broadcast(bytes, root);
                        }
                        results.add(Ends.bytes(bytes));
                    }
                    return results;
                })) {
                    assertThat(got)
                            .hasSize(size)
                            .allSatisfy(bytes -> assertThat(bytes).isEqualTo(wanted));
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("groups")
    void handsOnFromRankToRank(Ends.Kind kind, int size) throws Exception {
        try (Ends ends = new Ends(kind, size)) {
            for (int count : COUNTS) {
                byte[] wanted = randomBytes(new long[] {count}, count)[0];
                for (byte[] got : ends.run((end, arena) -> {
                    MemorySegment bytes = end.rank() == 0 ? Ends.bytes(arena, wanted) : arena.allocate(wanted.length);
                    if (end.rank() > 0) {
                        end.receive(bytes, end.rank() - 1);
                    }
                    if (end.rank() < size - 1) {
                        end.send(bytes, end.rank() + 1);
                    }
                    return Ends.bytes(bytes);
                })) {
                    assertThat(got).isEqualTo(wanted);
                }
            }
        }
    }

    private static float[][] randomFloats(int size, int count, int seed) {
        Random random = new Random(seed);
        float[][] parts = new float[size][count];
        for (float[] part : parts) {
            for (int i = 0; i < count; i++) {
                part[i] = (float) (random.nextGaussian() * Math.pow(2, random.nextInt(-20, 20)));
            }
        }
        return parts;
    }

    private static byte[][] randomBytes(long[] lengths, int seed) {
        Random random = new Random(seed);
        byte[][] parts = new byte[lengths.length][];
        for (int i = 0; i < parts.length; i++) {
            parts[i] = new byte[Math.toIntExact(lengths[i])];
            random.nextBytes(parts[i]);
        }
        return parts;
    }

    private static byte[] concatenated(byte[][] parts) {
        byte[] all = new byte[Arrays.stream(parts).mapToInt(part -> part.length).sum()];
        int start = 0;
        for (byte[] part : parts) {
            System.arraycopy(part, 0, all, start, part.length);
            start += part.length;
        }
        return all;
    }
}
