package dev.skein.worker.engine;

import dev.skein.compute.collective.Collective;
import dev.skein.worker.model.RankCount;
import dev.skein.worker.model.Shard;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The ends over which a rank of a group speaks with others; null where there is nobody to speak with.
 *
 * @param tensor the ranks of the same stage
 * @param previous the same rank of the stage before is 0, this one 1
 * @param next this one is 0, the same rank of the stage after it 1
 * @param results the leader is 0, the rank that samples 1; only where these are two stages
 */
public record Links(
        @Nullable Collective tensor,
        @Nullable Collective previous,
        @Nullable Collective next,
        @Nullable Collective results)
        implements AutoCloseable {

    /** The circles that a rank is in, in the order in which it joins them. */
    public static List<Circle> circles(Shard shard) {
        return Stream.of(tensor(shard), previous(shard), next(shard), results(shard))
                .flatMap(Stream::ofNullable)
                .toList();
    }

    /**
     * Joins all circles that a rank is in. All ranks of a group do so at the same time, in an order that lets none wait in
     * vain.
     *
     * @param joining makes this rank's end of a circle, and returns when all have joined it. If it throws, the ends that it
     *     has made are closed
     */
    public static Links join(Shard shard, Function<Circle, Collective> joining) {
        List<Collective> joined = new ArrayList<>();
        Function<Circle, Collective> noting = circle -> {
            Collective end = joining.apply(circle);
            joined.add(end);
            return end;
        };
        try {
            return new Links(
                    join(tensor(shard), noting),
                    join(previous(shard), noting),
                    join(next(shard), noting),
                    join(results(shard), noting));
        } catch (RuntimeException failed) {
            joined.forEach(Collective::close);
            throw failed;
        }
    }

    private static @Nullable Collective join(@Nullable Circle circle, Function<Circle, Collective> joining) {
        return circle == null ? null : joining.apply(circle);
    }

    private static @Nullable Circle tensor(Shard shard) {
        int size = shard.count().tensor();
        int first = shard.stage() * size;
        return shard.shared()
                ? new Circle(
                        "t" + shard.stage(),
                        IntStream.range(first, first + size).boxed().toList())
                : null;
    }

    private static @Nullable Circle previous(Shard shard) {
        return shard.firstStage()
                ? null
                : between(shard, shard.rank() - shard.count().tensor());
    }

    private static @Nullable Circle next(Shard shard) {
        return shard.lastStage() ? null : between(shard, shard.rank());
    }

    private static Circle between(Shard shard, int rank) {
        return Circle.of("p" + rank, rank, rank + shard.count().tensor());
    }

    private static @Nullable Circle results(Shard shard) {
        RankCount count = shard.count();
        boolean ends = count.pipeline() > 1 && shard.tensorRank() == 0 && (shard.firstStage() || shard.lastStage());
        return ends ? Circle.of("r", 0, count.all() - count.tensor()) : null;
    }

    /** Makes every call on these ends fail, here and on the other ranks. From any thread. */
    public void abort(String reason) {
        all().forEach(each -> each.abort(reason));
    }

    private Stream<Collective> all() {
        return Stream.of(tensor, previous, next, results).flatMap(Stream::ofNullable);
    }

    @Override
    public void close() {
        all().forEach(Collective::close);
    }
}
