package dev.skein.worker.model;

import static java.util.Objects.requireNonNull;

import dev.skein.compute.AttentionShape.Shared;
import dev.skein.compute.ElementType;
import dev.skein.worker.model.Parts.Matrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Which rank has what of a model: a pure function of the model's sizes, the types of its matrices and the number of
 * ranks.
 *
 * <p>Each layer is split over the tensor ranks: attention by groups of query heads that share keys and values, so that no
 * head is cut and nothing of the cache is held twice. Where groups do not come out even (three for two ranks), query heads
 * are shared out evenly instead, if that leaves less to the rank that has most: then several ranks hold the same keys and
 * values, and each has some of the query heads that read them. Of an odd number of heads two ranks have one both, and take
 * turns at it. With fewer groups than ranks, too, several ranks hold the same keys and values. Columns of the
 * feed-forward layer are shared out evenly: ranks meet after each half of a layer, so that columns cannot make up for
 * heads. The head is split by rows of the vocabulary.
 *
 * <p>What leaves a half of a layer is multiplied by columns, and columns are cut at the borders of quantised blocks only.
 *
 * <p>Layers are split over the stages of a pipeline such that the largest stage is as small as can be. The last stage also
 * has the head, which is counted at a {@linkplain #HEAD_SHARE part} of its bytes: it is computed for each token of an
 * answer, but for none of a prompt but the last.
 */
final class Split {
    /** Of the head's bytes, in the cost of the last stage. */
    private static final double HEAD_SHARE = 0.25;

    /** Columns and rows are shared out in multiples of this at least: whole vectors. */
    private static final int VECTOR = 16;

    private final ModelConfig config;
    private final Function<Matrix, ElementType> types;
    private final RankCount count;

    private Split(ModelConfig config, Function<Matrix, ElementType> types, RankCount count) {
        this.config = config;
        this.types = types;
        this.count = count;
    }

    /**
     * The parts of all ranks, stage after stage.
     *
     * @param types of the model's matrices
     * @throws IllegalArgumentException if there are more ranks than something can be shared out to; says what
     */
    static List<Shard> of(ModelConfig config, Function<Matrix, ElementType> types, RankCount count) {
        return new Split(config, types, count).shards();
    }

    private List<Shard> shards() {
        List<Span> layers = layers();
        List<Heads> heads = heads();
        List<Span> feedForward = feedForward();
        List<Span> experts = experts();
        List<Span> vocabularies = vocabularies();
        List<Shard> shards = new ArrayList<>();
        for (int stage = 0; stage < count.pipeline(); stage++) {
            for (int rank = 0; rank < count.tensor(); rank++) {
                shards.add(new Shard(
                        count,
                        rank,
                        stage,
                        layers.get(stage),
                        heads.get(rank).keyValues,
                        heads.get(rank).queries,
                        heads.get(rank).shared,
                        feedForward.get(rank),
                        experts.get(rank),
                        vocabularies));
            }
        }
        return shards;
    }

    // Heads

    private record Heads(Span keyValues, Span queries, Shared shared) {
        /** Of groups of so many. */
        static Heads of(Span queries, int group, Shared shared) {
            return new Heads(new Span(queries.from() / group, Math.ceilDiv(queries.to(), group)), queries, shared);
        }

        /** Each query head has two matrices, keys and values have one each, and all of these are of one size. */
        static int cost(List<Heads> ranks) {
            return ranks.stream()
                    .mapToInt(rank -> rank.queries.size() + rank.keyValues.size())
                    .max()
                    .orElseThrow();
        }
    }

    private List<Heads> heads() {
        ModelConfig.Heads all = config.heads();
        int border = border(config.layers(), i -> Attention.output(config, i));
        int shared = all.queries() / all.keyValues();
        int together = unit(border, shared * all.size());
        int unit = unit(border, all.size());
        if (count.tensor() > all.keyValues()) {
            return ranksOfGroups(all, shared, together, unit);
        }
        List<Heads> whole = evenly("groups of heads", all.keyValues(), together, count.tensor()).stream()
                .map(groups -> new Heads(groups, groups.times(shared), Shared.NONE))
                .toList();
        List<Heads> parted = unit == 1 && all.queries() % count.tensor() * 2 == count.tensor()
                ? byHalves(all.queries(), shared)
                : evenly("query heads", all.queries(), unit, count.tensor()).stream()
                        .map(queries -> Heads.of(queries, shared, Shared.NONE))
                        .toList();
        return Heads.cost(parted) < Heads.cost(whole) ? parted : whole;
    }

    /** Each rank has some heads and half of one, which it shares with the rank before or after. */
    private List<Heads> byHalves(int queries, int group) {
        int halves = 2 * queries / count.tensor();
        return IntStream.range(0, count.tensor())
                .mapToObj(rank -> Heads.of(
                        new Span(rank * halves / 2, Math.ceilDiv((rank + 1) * halves, 2)),
                        group,
                        rank % 2 == 0 ? Shared.LAST : Shared.FIRST))
                .toList();
    }

    /** Several ranks for each group. */
    private List<Heads> ranksOfGroups(ModelConfig.Heads all, int shared, int together, int unit) {
        if (together > 1 && all.keyValues() > 1) {
            int units = Math.ceilDiv(all.keyValues(), together);
            requireEnough("groups of heads", all.keyValues(), together, units, count.tensor());
        }
        List<Heads> heads = new ArrayList<>();
        for (int group = 0; group < all.keyValues(); group++) {
            int ranks = (group + 1) * count.tensor() / all.keyValues() - group * count.tensor() / all.keyValues();
            for (Span queries : evenly("query heads of a group", shared, unit, ranks)) {
                int first = group * shared;
                heads.add(Heads.of(new Span(first + queries.from(), first + queries.to()), shared, Shared.NONE));
            }
        }
        return heads;
    }

    /** How many things of some columns go together up to the next border of a block. */
    private static int unit(int border, int columns) {
        int unit = 1;
        while (unit * columns % border != 0) {
            unit++;
        }
        return unit;
    }

    /** The longest block among a matrix's types in all layers; other blocks divide it. */
    private int border(int layers, Function<Integer, Matrix> matrix) {
        return IntStream.range(0, layers)
                .map(i -> types.apply(matrix.apply(i)).blockElements())
                .max()
                .orElse(1);
    }

    private List<Span> evenly(String what, int things, int unit, int ranks) {
        int units = Math.ceilDiv(things, unit);
        requireEnough(what, things, unit, units, ranks);
        List<Span> spans = new ArrayList<>();
        int from = 0;
        for (int rank = 0; rank < ranks; rank++) {
            // The first ranks have one more where it does not come out even.
            int to = Math.min(things, from + unit * (units / ranks + (rank < units % ranks ? 1 : 0)));
            spans.add(new Span(from, to));
            from = to;
        }
        return spans;
    }

    private void requireEnough(String what, int things, int unit, int units, int ranks) {
        if (units < ranks) {
            throw new IllegalArgumentException(
                    "--tensor-parallel-size %d: the model has %d %s%s, which is too few for %d ranks"
                            .formatted(
                                    count.tensor(),
                                    things,
                                    what,
                                    unit == 1 ? "" : " that can be parted after every %d only".formatted(unit),
                                    ranks));
        }
    }

    // Columns

    private List<Span> feedForward() {
        List<Integer> layers = IntStream.range(0, config.layers())
                .filter(i -> !mixed(i))
                .boxed()
                .toList();
        int border = border(layers.size(), i -> GatedFeedForward.down(config, layers.get(i)));
        return columns("feed-forward columns", config.feedForward(), border);
    }

    private List<Span> experts() {
        List<Integer> layers =
                IntStream.range(0, config.layers()).filter(this::mixed).boxed().toList();
        if (layers.isEmpty()) {
            return Collections.nCopies(count.tensor(), Span.all(0));
        }
        int border = border(layers.size(), i -> MixtureOfExperts.down(config, layers.get(i), 0));
        return columns("columns of an expert", requireNonNull(config.experts()).feedForward(), border);
    }

    private boolean mixed(int layer) {
        ModelConfig.Experts experts = config.experts();
        return experts != null && !experts.dense().contains(layer);
    }

    private List<Span> columns(String what, int columns, int border) {
        return evenly(what, columns, Math.max(border, VECTOR), count.tensor());
    }

    private List<Span> vocabularies() {
        return evenly("rows of the vocabulary", config.vocabulary(), VECTOR, count.tensor());
    }

    // Bytes

    private double attentionBytes(int layer) {
        return Stream.of(
                        Attention.queries(config, layer),
                        Attention.keys(config, layer),
                        Attention.values(config, layer),
                        Attention.output(config, layer))
                .mapToLong(this::bytes)
                .sum();
    }

    private double feedForwardBytes(int layer) {
        if (!mixed(layer)) {
            return bytes(GatedFeedForward.gate(config, layer))
                    + bytes(GatedFeedForward.up(config, layer))
                    + bytes(GatedFeedForward.down(config, layer));
        }
        // Only those chosen are read for a token; which they are, nobody knows before.
        ModelConfig.Experts experts = requireNonNull(config.experts());
        return experts.chosen()
                * (double) (bytes(MixtureOfExperts.gate(config, layer, 0))
                        + bytes(MixtureOfExperts.up(config, layer, 0))
                        + bytes(MixtureOfExperts.down(config, layer, 0)));
    }

    private long bytes(Matrix matrix) {
        return matrix.bytes(types.apply(matrix));
    }

    // Layers

    /** The split of which the costliest stage costs least; of several, the one whose first stages are the shortest. */
    private List<Span> layers() {
        int all = config.layers();
        int stages = count.pipeline();
        if (stages > all) {
            throw new IllegalArgumentException(
                    "--pipeline-parallel-size %d: the model has %d layers, and each stage needs one"
                            .formatted(stages, all));
        }
        double[] cost = IntStream.range(0, all)
                .mapToDouble(i -> attentionBytes(i) + feedForwardBytes(i))
                .toArray();
        cost[all - 1] += stages == 1 ? 0 : HEAD_SHARE * bytes(Decoder.Head.matrix(config));
        // best[s][i]: the least that the costliest of s stages costs that have the layers before i.
        double[][] best = new double[stages + 1][all + 1];
        int[][] cut = new int[stages + 1][all + 1];
        Arrays.fill(best[0], Double.POSITIVE_INFINITY);
        best[0][0] = 0;
        for (int s = 1; s <= stages; s++) {
            Arrays.fill(best[s], Double.POSITIVE_INFINITY);
            for (int end = s; end <= all; end++) {
                double last = 0;
                for (int from = end - 1; from >= s - 1; from--) {
                    last += cost[from];
                    double most = Math.max(best[s - 1][from], last);
                    if (most <= best[s][end]) {
                        best[s][end] = most;
                        cut[s][end] = from;
                    }
                }
            }
        }
        return spans(cut, all);
    }

    private List<Span> spans(int[][] cut, int all) {
        List<Span> spans = new ArrayList<>();
        int end = all;
        for (int s = count.pipeline(); s > 0; s--) {
            spans.addFirst(new Span(cut[s][end], end));
            end = cut[s][end];
        }
        return spans;
    }
}
