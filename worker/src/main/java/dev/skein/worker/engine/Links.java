package dev.skein.worker.engine;

import dev.skein.compute.collective.Collective;
import dev.skein.worker.model.RankCount;
import dev.skein.worker.model.Shard;
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

    /** Makes an end of a group of ranks within the group. */
    @FunctionalInterface
    public interface Joiner {
        /**
         * Returns when all have joined.
         *
         * @param name of these ranks among all of the group
         */
        Collective join(String name, int rank, int size);
    }

    /** Joins all that a rank needs. All ranks of a group do so at the same time, in an order that lets none wait in vain. */
    public static Links join(Shard shard, Joiner joiner) {
        RankCount count = shard.count();
        int stage = shard.stage();
        int rank = shard.tensorRank();
        boolean ends = count.pipeline() > 1 && rank == 0;
        return new Links(
                shard.shared() ? joiner.join("t" + stage, rank, count.tensor()) : null,
                shard.firstStage() ? null : joiner.join(between(stage - 1, rank), 1, 2),
                shard.lastStage() ? null : joiner.join(between(stage, rank), 0, 2),
                ends && (shard.firstStage() || shard.lastStage())
                        ? joiner.join("r", shard.firstStage() ? 0 : 1, 2)
                        : null);
    }

    private static String between(int stage, int rank) {
        return "p%d-%d".formatted(stage, rank);
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
