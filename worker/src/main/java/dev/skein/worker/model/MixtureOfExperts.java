package dev.skein.worker.model;

import static java.util.Objects.requireNonNull;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.ExpertWeights;
import dev.skein.compute.Routing;
import dev.skein.compute.Weight;
import dev.skein.worker.model.Parts.Matrix;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A feed-forward layer of experts, of which each token uses a few (Shazeer et al., arXiv 1701.06538): with p the softmax
 * of the router's logits R n, {@code sum of p_e D_e (silu(G_e n) * (U_e n))} over the experts that are likeliest.
 */
record MixtureOfExperts(Weight router, Routing routing, ExpertWeights experts, Buffer normed, Buffer logits)
        implements FeedForward {

    static MixtureOfExperts of(Parts parts, int layer) {
        ModelConfig config = parts.config();
        ModelConfig.Experts sizes = requireNonNull(config.experts(), "a family with experts has a config of experts");
        return new MixtureOfExperts(
                parts.weight(new Matrix(Parts.name(layer, "ffn_gate_inp"), sizes.count(), config.hidden())),
                new Routing(sizes.chosen(), sizes.normalised()),
                parts.experts(
                        each(layer, "ffn_gate", sizes.count(), sizes.feedForward(), config.hidden()),
                        each(layer, "ffn_up", sizes.count(), sizes.feedForward(), config.hidden()),
                        each(layer, "ffn_down", sizes.count(), config.hidden(), sizes.feedForward())),
                Decoder.normed(parts),
                parts.tokens("router", sizes.count()));
    }

    private static List<Matrix> each(int layer, String part, int count, int rows, int columns) {
        return IntStream.range(0, count)
                .mapToObj(expert -> new Matrix("blk.%d.%s.%d.weight".formatted(layer, part, expert), rows, columns))
                .toList();
    }

    @Override
    public void add(Backend backend, Buffer inOut) {
        backend.matmul(router, normed, logits);
        backend.experts(logits, routing, experts, normed, inOut);
    }
}
