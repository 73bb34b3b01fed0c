package dev.skein.worker.model;

import static java.util.Objects.requireNonNull;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.ExpertWeights;
import dev.skein.compute.Routing;
import dev.skein.compute.Weight;
import dev.skein.worker.model.Parts.Matrix;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * A feed-forward layer of experts, of which each token uses a few (Shazeer et al., arXiv 1701.06538): with p the softmax
 * of the router's logits R n, {@code sum of p_e D_e (silu(G_e n) * (U_e n))} over the experts that are likeliest.
 */
record MixtureOfExperts(
        Weight router, Routing routing, ExpertWeights experts, PartialSum sum, Buffer normed, Buffer logits)
        implements FeedForward {

    static MixtureOfExperts of(Parts parts, int layer) {
        ModelConfig config = parts.config();
        ModelConfig.Experts sizes = sizes(config);
        Span inner = parts.shard().expertFeedForward();
        return new MixtureOfExperts(
                parts.weight(new Matrix(Parts.name(layer, "ffn_gate_inp"), sizes.count(), config.hidden())),
                new Routing(sizes.chosen(), sizes.normalised()),
                parts.experts(
                        each(sizes, expert -> gate(config, layer, expert).takeRows(inner)),
                        each(sizes, expert -> up(config, layer, expert).takeRows(inner)),
                        each(sizes, expert -> down(config, layer, expert).takeColumns(inner))),
                PartialSum.of(parts),
                Decoder.normed(parts),
                parts.tokens("router", sizes.count()));
    }

    private static ModelConfig.Experts sizes(ModelConfig config) {
        return requireNonNull(config.experts(), "a family with experts has a config of experts");
    }

    private static List<Matrix> each(ModelConfig.Experts sizes, IntFunction<Matrix> expert) {
        return IntStream.range(0, sizes.count()).mapToObj(expert).toList();
    }

    static Matrix gate(ModelConfig config, int layer, int expert) {
        return new Matrix(name(layer, "ffn_gate", expert), sizes(config).feedForward(), config.hidden());
    }

    static Matrix up(ModelConfig config, int layer, int expert) {
        return new Matrix(name(layer, "ffn_up", expert), sizes(config).feedForward(), config.hidden());
    }

    static Matrix down(ModelConfig config, int layer, int expert) {
        return new Matrix(
                name(layer, "ffn_down", expert), config.hidden(), sizes(config).feedForward());
    }

    private static String name(int layer, String part, int expert) {
        return "blk.%d.%s.%d.weight".formatted(layer, part, expert);
    }

    @Override
    public void add(Backend backend, Buffer inOut) {
        backend.matmul(router, normed, logits);
        sum.begin(backend, inOut);
        backend.experts(logits, routing, experts, normed, inOut);
        sum.end(backend, inOut);
    }
}
