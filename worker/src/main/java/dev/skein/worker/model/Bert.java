package dev.skein.worker.model;

import static java.util.Objects.requireNonNull;

import dev.skein.compute.Activation;
import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.KvCache;
import dev.skein.compute.Weight;
import dev.skein.worker.model.Parts.Matrix;
import java.util.List;

/**
 * BERT (Devlin et al., arXiv 1810.04805): an encoder whose tokens see each other in both directions. Positions are learnt
 * and added once; norms come after what they normalise was added; all products have biases.
 *
 * <pre>
 * x = norm(word[id] + position[i] + type[0])
 * for each layer:  x = norm(x + attention(x));   x = norm(x + D gelu(U x))
 * </pre>
 *
 * A text is its only segment, so all tokens are of type 0. What is done with the last states, which the papers of
 * sentence encoders differ in (mean: Reimers and Gurevych, arXiv 1908.10084), {@link EmbeddingConfig} says.
 */
record Bert(Start start, List<Decoder.Layer> layers) implements Network {

    Bert {
        layers = List.copyOf(layers);
    }

    static Bert of(Parts parts) {
        return new Bert(Start.of(parts), parts.layers(i -> Layer.of(parts, i)));
    }

    @Override
    public void enqueue(Backend backend, KvCache cache) {
        start.enqueue(backend);
        for (Decoder.Layer layer : layers) {
            layer.enqueue(backend, cache);
        }
    }

    /** What tokens start as. */
    record Start(Weight words, Weight positions, Weight type, LayerNorm norm, Buffer x) {
        static Start of(Parts parts) {
            ModelConfig config = parts.config();
            int hidden = config.hidden();
            return new Start(
                    parts.table(new Matrix("token_embd.weight", config.vocabulary(), hidden)),
                    parts.table(new Matrix("position_embd.weight", config.context(), hidden)),
                    parts.firstRow(
                            new Matrix("token_types.weight", encoding(config).types(), hidden)),
                    LayerNorm.of(parts, "token_embd_norm", Network.states(parts)),
                    Network.states(parts));
        }

        void enqueue(Backend backend) {
            backend.embed(words, 1, x);
            backend.addPositions(positions, x);
            backend.bias(type, x);
            norm.enqueue(backend);
        }
    }

    private static ModelConfig.Encoding encoding(ModelConfig config) {
        return requireNonNull(config.encoding());
    }

    /** A product and what is added to it. */
    private record Linear(Weight weight, Weight bias) {
        static Linear of(Parts parts, int layer, String part, int rows, int columns) {
            return new Linear(
                    parts.weight(new Matrix(Parts.name(layer, part), rows, columns)),
                    parts.vector("blk.%d.%s.bias".formatted(layer, part), rows));
        }

        void put(Backend backend, Buffer from, Buffer out) {
            backend.matmul(weight, from, out);
            backend.bias(bias, out);
        }

        void add(Backend backend, Buffer from, Buffer inOut) {
            backend.matmulAdd(weight, from, inOut);
            backend.bias(bias, inOut);
        }
    }

    private record Layer(
            Attention attention,
            Weight attentionBias,
            LayerNorm attentionNorm,
            Linear up,
            Activation activation,
            Linear down,
            LayerNorm outputNorm,
            Buffer x,
            Buffer inner)
            implements Decoder.Layer {

        static Layer of(Parts parts, int i) {
            ModelConfig config = parts.config();
            Buffer x = Network.states(parts);
            return new Layer(
                    Attention.withBias(parts, i, x),
                    parts.vector("blk.%d.attn_output.bias".formatted(i), config.hidden()),
                    LayerNorm.of(parts, "blk.%d.attn_output_norm".formatted(i), x),
                    Linear.of(parts, i, "ffn_up", config.feedForward(), config.hidden()),
                    encoding(config).activation(),
                    Linear.of(parts, i, "ffn_down", config.hidden(), config.feedForward()),
                    LayerNorm.of(parts, "blk.%d.layer_output_norm".formatted(i), x),
                    x,
                    parts.tokens("inner", config.feedForward()));
        }

        @Override
        public void enqueue(Backend backend, KvCache cache) {
            attention.add(backend, cache, x);
            backend.bias(attentionBias, x);
            attentionNorm.enqueue(backend);
            up.put(backend, x, inner);
            backend.activate(activation, inner);
            down.add(backend, inner, x);
            outputNorm.enqueue(backend);
        }
    }
}
