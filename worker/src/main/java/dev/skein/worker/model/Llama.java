package dev.skein.worker.model;

import dev.skein.compute.AttentionShape;
import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.KvCache;
import dev.skein.compute.Rope;
import dev.skein.compute.StepInputs;
import dev.skein.compute.Weight;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The Llama family (Touvron et al., arXiv 2302.13971; Llama 3, arXiv 2407.21783): a pre-norm decoder with rotary
 * positions, grouped-query attention and SwiGLU. Each token's row runs through
 *
 * <pre>
 * x = embed(id)
 * for each layer:  x += O attention(rope(QKV norm(x)));   x += D (silu(G norm(x)) * (U norm(x)))
 * logits = head norm(x)
 * </pre>
 *
 * The last line runs only for rows that are sampled or scored: they are gathered before the final norm.
 *
 * <p>Files store the rows of Q and K so that a rotated pair is two neighbours. A missing output.weight means that the
 * head is the embedding table.
 */
final class Llama implements Architecture {
    static final String NAME = "llama";

    /** Keys of relatives that go by the same name and compute something else. */
    private static final List<String> CHANGES_RESULTS = List.of(
            "expert_count",
            "attention.sliding_window",
            "attention.clamp_kqv",
            "attention.max_alibi_bias",
            "attn_logit_softcapping",
            "final_logit_softcapping",
            "embedding_scale",
            "residual_scale",
            "logit_scale",
            "attention.scale");

    private final GgufFile file;
    private final int layers;
    private final int hidden;
    private final int feedForward;
    private final int vocabulary;
    private final int context;
    private final float epsilon;
    private final AttentionShape heads;
    private final Rope rope;

    Llama(GgufFile file) {
        this.file = file;
        layers = key("block_count", 1 << 12);
        hidden = key("embedding_length", 1 << 20);
        feedForward = key("feed_forward_length", 1 << 22);
        context = key("context_length", 1 << 27);
        epsilon = file.metadata().requiredNumber(NAME + ".attention.layer_norm_rms_epsilon", 0, 1);
        heads = heads();
        rope = new RopeScaling(file, NAME, rotated()).rope(context);
        vocabulary = vocabulary();
        refuseRelatives();
        refuseUnknownTensors();
        describeLayers();
    }

    private int key(String name, int most) {
        return file.metadata().requiredInteger(NAME + "." + name, 1, most);
    }

    private AttentionShape heads() {
        int queries = key("attention.head_count", 1 << 14);
        int keyValues = file.metadata()
                .integer(NAME + ".attention.head_count_kv", 1, 1 << 14)
                .orElse(queries);
        if (queries % keyValues != 0) {
            throw refused("attention.head_count", queries, "it must be a multiple of head_count_kv, " + keyValues);
        }
        int size = headSize(queries);
        return new AttentionShape(queries, keyValues, size, (float) (1 / Math.sqrt(size)));
    }

    private int headSize(int queries) {
        GgufMetadata keys = file.metadata();
        int size = keys.integer(NAME + ".attention.key_length", 2, 1 << 12).orElse(hidden / queries);
        boolean given = keys.has(NAME + ".attention.key_length");
        if (!given && (hidden % queries != 0 || size % 2 != 0)) {
            throw refused("attention.head_count", queries, "embedding_length %d needs even heads".formatted(hidden));
        }
        int values = keys.integer(NAME + ".attention.value_length", 1, 1 << 12).orElse(size);
        if (values != size) {
            throw refused("attention.value_length", values, "it must be the length of keys, " + size);
        }
        return size;
    }

    private int rotated() {
        int size = heads.headSize();
        int rotated =
                file.metadata().integer(NAME + ".rope.dimension_count", 2, size).orElse(size);
        if (rotated % 2 != 0) {
            throw refused("rope.dimension_count", rotated, "it must be even");
        }
        return rotated;
    }

    private int vocabulary() {
        GgufTensor table = file.tensor("token_embd.weight")
                .orElseThrow(() -> new GgufException(file.path(), "the tensor token_embd.weight is missing"));
        int rows = table.dimensions().size() == 2
                ? Math.toIntExact(table.dimensions().get(1))
                : 1;
        long tokens = file.metadata().count("tokenizer.ggml.tokens");
        if (tokens > rows) {
            throw new GgufException(
                    file.path(),
                    "the length of tokenizer.ggml.tokens",
                    tokens,
                    "token_embd.weight has %d rows".formatted(rows));
        }
        return rows;
    }

    private void refuseRelatives() {
        for (String key : CHANGES_RESULTS) {
            if (file.metadata().has(NAME + "." + key)) {
                throw new GgufException(
                        file.path(), "the key %s.%s asks for something that is not supported yet".formatted(NAME, key));
            }
        }
    }

    private void refuseUnknownTensors() {
        Set<String> known =
                new HashSet<>(Set.of("token_embd.weight", "output_norm.weight", "output.weight", RopeScaling.FACTORS));
        for (int i = 0; i < layers; i++) {
            for (String part : LAYER_PARTS) {
                known.add(layerTensor(i, part));
            }
        }
        for (GgufTensor tensor : file.tensors()) {
            if (!known.contains(tensor.name())) {
                throw new GgufException(
                        file.path(),
                        "the tensor %s is not part of a %s model of %d blocks as supported here"
                                .formatted(tensor.name(), NAME, layers));
            }
        }
    }

    private static final List<String> LAYER_PARTS = List.of(
            "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down");

    private static String layerTensor(int layer, String part) {
        return "blk.%d.%s.weight".formatted(layer, part);
    }

    private GgufException refused(String key, Object value, String bound) {
        return new GgufException(file.path(), NAME + "." + key, value, bound);
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public int vocabularySize() {
        return vocabulary;
    }

    @Override
    public int contextLength() {
        return context;
    }

    @Override
    public KvCache.Shape cache(int blocks) {
        return new KvCache.Shape(layers, heads.kvHeads(), heads.headSize(), blocks);
    }

    @Override
    public long activationBytes(StepInputs.Limits limits) {
        long token = 3L * hidden + heads.fusedColumns() + feedForward + (long) heads.queryHeads() * heads.headSize();
        long output = 2L * hidden + vocabulary;
        return Float.BYTES * (limits.tokens() * token + limits.outputs() * output);
    }

    /** The tensors of a layer, in the file's memory. */
    private record LayerFile(
            HostMatrix attentionNorm,
            List<HostMatrix> qkv,
            HostMatrix output,
            HostMatrix feedForwardNorm,
            HostMatrix gate,
            HostMatrix up,
            HostMatrix down) {}

    private LayerFile layer(int i) {
        int queries = heads.queryHeads() * heads.headSize();
        int keyValues = heads.kvHeads() * heads.headSize();
        return new LayerFile(
                file.vector(layerTensor(i, "attn_norm"), hidden),
                sameType(
                        file.matrix(layerTensor(i, "attn_q"), queries, hidden),
                        file.matrix(layerTensor(i, "attn_k"), keyValues, hidden),
                        file.matrix(layerTensor(i, "attn_v"), keyValues, hidden)),
                file.matrix(layerTensor(i, "attn_output"), hidden, queries),
                file.vector(layerTensor(i, "ffn_norm"), hidden),
                file.matrix(layerTensor(i, "ffn_gate"), feedForward, hidden),
                file.matrix(layerTensor(i, "ffn_up"), feedForward, hidden),
                file.matrix(layerTensor(i, "ffn_down"), hidden, feedForward));
    }

    private List<HostMatrix> sameType(HostMatrix first, HostMatrix... others) {
        List<HostMatrix> all = new ArrayList<>(List.of(first));
        for (HostMatrix other : others) {
            if (other.type() != first.type()) {
                throw new GgufException(
                        file.path(),
                        "the type of " + other.name(),
                        other.type(),
                        "%s is %s, and both are multiplied as one".formatted(first.name(), first.type()));
            }
            all.add(other);
        }
        return all;
    }

    /** Finds every tensor with its shape, so that what is wrong is said before anything is loaded. */
    private void describeLayers() {
        for (int i = 0; i < layers; i++) {
            LayerFile layer = layer(i);
            sameType(layer.gate, layer.up);
        }
        file.vector("output_norm.weight", hidden);
        file.matrix("token_embd.weight", vocabulary, hidden);
        head();
    }

    private HostMatrix head() {
        boolean tied = file.tensor("output.weight").isEmpty();
        return file.matrix(tied ? "token_embd.weight" : "output.weight", vocabulary, hidden);
    }

    @Override
    public ForwardPass load(Backend backend, StepInputs.Limits limits, LoadProgress progress) {
        return new Pass(backend, limits, progress);
    }

    private record Layer(
            Weight attentionNorm, Weight qkv, Weight output, Weight feedForwardNorm, Weight gateUp, Weight down) {}

    private final class Pass implements ForwardPass {
        private final Backend backend;

        private final Weight table;
        private final List<Layer> layerWeights = new ArrayList<>(layers);
        private final Weight outputNorm;
        private final Weight head;

        private final Buffer x;
        private final Buffer normed;
        private final Buffer qkv;
        private final Buffer attended;
        private final Buffer gated;
        private final Buffer last;
        private final Buffer lastNormed;
        private final Buffer logits;

        Pass(Backend backend, StepInputs.Limits limits, LoadProgress progress) {
            this.backend = backend;
            table = backend.table(file.matrix("token_embd.weight", vocabulary, hidden));
            for (int i = 0; i < layers; i++) {
                layerWeights.add(load(layer(i)));
                progress.loaded(i + 1, layers + 1);
            }
            outputNorm = backend.vector(file.vector("output_norm.weight", hidden));
            head = backend.weight(List.of(head()));
            progress.loaded(layers + 1, layers + 1);

            x = backend.buffer(limits.tokens(), hidden);
            normed = backend.buffer(limits.tokens(), hidden);
            qkv = backend.buffer(limits.tokens(), heads.fusedColumns());
            attended = backend.buffer(limits.tokens(), heads.queryHeads() * heads.headSize());
            gated = backend.buffer(limits.tokens(), feedForward);
            last = backend.buffer(limits.outputs(), hidden);
            lastNormed = backend.buffer(limits.outputs(), hidden);
            logits = backend.buffer(limits.outputs(), vocabulary);
        }

        private Layer load(LayerFile layer) {
            return new Layer(
                    backend.vector(layer.attentionNorm),
                    backend.weight(layer.qkv),
                    backend.weight(List.of(layer.output)),
                    backend.vector(layer.feedForwardNorm),
                    backend.gatedWeight(layer.gate, layer.up),
                    backend.weight(List.of(layer.down)));
        }

        @Override
        public void enqueue(KvCache cache) {
            backend.embed(table, x);
            for (int i = 0; i < layers; i++) {
                attention(layerWeights.get(i), cache, i);
                feedForward(layerWeights.get(i));
            }
            backend.gather(x, last);
            backend.rmsNorm(last, outputNorm, epsilon, lastNormed);
            backend.matmul(head, lastNormed, logits);
            backend.sample(logits);
        }

        private void attention(Layer layer, KvCache cache, int index) {
            backend.rmsNorm(x, layer.attentionNorm, epsilon, normed);
            backend.matmul(layer.qkv, normed, qkv);
            backend.ropeAndStore(qkv, heads, rope, cache, index);
            backend.attention(qkv, heads, cache, index, attended);
            backend.matmulAdd(layer.output, attended, x);
        }

        private void feedForward(Layer layer) {
            backend.rmsNorm(x, layer.feedForwardNorm, epsilon, normed);
            backend.gatedMatmul(layer.gateUp, normed, gated);
            backend.matmulAdd(layer.down, gated, x);
        }
    }
}
