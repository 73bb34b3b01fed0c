package dev.skein.compute.cuda;

import dev.skein.compute.Activation;
import dev.skein.compute.AttentionShape;
import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.ElementType;
import dev.skein.compute.ExpertWeights;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.KvCache;
import dev.skein.compute.Rope;
import dev.skein.compute.Routing;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepInputs.Output;
import dev.skein.compute.StepOutputs;
import dev.skein.compute.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Two layers that use every operation there is, with random weights: whatever backend runs it, the same seed is the same
 * model. Only a backend's public face is used.
 */
final class MiniModel {
    static final int VOCABULARY = 61;
    static final int BLOCKS = 40;

    private static final int HIDDEN = 48;
    private static final int INNER = 80;
    private static final int EXPERTS = 5;
    private static final int MOST_ROWS = 200;
    private static final float EPSILON = 1e-5f;
    private static final AttentionShape ALL = new AttentionShape(6, 2, 64, 0.2f);
    private static final AttentionShape WINDOW = new AttentionShape(6, 2, 64, 0.2f, 23);
    private static final Routing ROUTING = new Routing(2, true);

    private final Backend backend;
    private final Random random;
    private final Arena arena = Arena.ofShared();
    private final List<Layer> layers;
    private final Weight table;
    private final Weight lastNorm;
    private final Weight head;
    private final Buffer x;
    private final Buffer last;
    private final Buffer lastNormed;
    private final Buffer logits;
    private final KvCache cache;
    private final Runnable pass = this::enqueue;
    private final Rope rope = new Rope(frequencies(), false, 1f);

    private record Layer(
            Weight norm,
            Weight qkv,
            Weight bias,
            Weight queryNorm,
            Weight keyNorm,
            Weight output,
            Weight norm2,
            Weight gateUp,
            Weight down,
            Weight postNorm,
            Weight router,
            ExpertWeights experts) {}

    private final Buffer normed;
    private final Buffer fused;
    private final Buffer attended;
    private final Buffer gated;
    private final Buffer added;
    private final Buffer routed;

    MiniModel(Backend backend, long seed) {
        this.backend = backend;
        random = new Random(seed);
        layers = List.of(layer(), layer());
        table = backend.table(matrix(VOCABULARY, HIDDEN));
        lastNorm = norm(HIDDEN);
        head = backend.weight(List.of(matrix(VOCABULARY, HIDDEN)));
        x = backend.buffer(MOST_ROWS, HIDDEN);
        normed = backend.buffer(MOST_ROWS, HIDDEN);
        fused = backend.buffer(MOST_ROWS, ALL.fusedColumns());
        attended = backend.buffer(MOST_ROWS, ALL.queryHeads() * ALL.headSize());
        gated = backend.buffer(MOST_ROWS, INNER);
        added = backend.buffer(MOST_ROWS, HIDDEN);
        routed = backend.buffer(MOST_ROWS, EXPERTS);
        last = backend.buffer(MOST_ROWS, HIDDEN);
        lastNormed = backend.buffer(MOST_ROWS, HIDDEN);
        logits = backend.buffer(MOST_ROWS, VOCABULARY);
        cache = backend.kvCache(new KvCache.Shape(2, ALL.kvHeads(), ALL.headSize(), BLOCKS));
    }

    private static float[] frequencies() {
        float[] all = new float[ALL.headSize() / 2];
        for (int i = 0; i < all.length; i++) {
            all[i] = (float) Math.pow(10000, -(double) i / all.length);
        }
        return all;
    }

    private Layer layer() {
        int attended = ALL.queryHeads() * ALL.headSize();
        return new Layer(
                norm(HIDDEN),
                backend.weight(List.of(
                        matrix(attended, HIDDEN),
                        matrix(ALL.kvHeads() * ALL.headSize(), HIDDEN),
                        matrix(ALL.kvHeads() * ALL.headSize(), HIDDEN))),
                norm(ALL.fusedColumns()),
                norm(ALL.headSize()),
                norm(ALL.headSize()),
                backend.weight(List.of(matrix(HIDDEN, attended))),
                norm(HIDDEN),
                backend.gatedWeight(matrix(INNER, HIDDEN), matrix(INNER, HIDDEN)),
                backend.weight(List.of(matrix(HIDDEN, INNER))),
                norm(HIDDEN),
                backend.weight(List.of(matrix(EXPERTS, HIDDEN))),
                backend.experts(matrices(INNER, HIDDEN), matrices(INNER, HIDDEN), matrices(HIDDEN, INNER)));
    }

    private Weight norm(int columns) {
        return backend.vector(matrix(1, columns));
    }

    private List<HostMatrix> matrices(int rows, int columns) {
        return IntStream.range(0, EXPERTS).mapToObj(_ -> matrix(rows, columns)).toList();
    }

    private HostMatrix matrix(int rows, int columns) {
        MemorySegment data = arena.allocate(2L * rows * columns, 2);
        double scale = rows == 1 ? 1 : 1 / Math.sqrt(columns);
        for (long i = 0; i < (long) rows * columns; i++) {
            int bits = Float.floatToRawIntBits((float) (random.nextGaussian() * scale));
            data.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (bits >> 16));
        }
        return new HostMatrix(rows + " x " + columns, ElementType.BF16, rows, columns, data);
    }

    /** A sequence's tokens from one position to before another. */
    record Part(Sequence sequence, int from, int to) {}

    /** Ids, and the blocks in which the sequence's keys and values are. */
    record Sequence(int[] ids, int[] blocks) {}

    /** Sequences of such lengths of random ids, in blocks that lie about. */
    static List<Sequence> sequences(Random random, int... lengths) {
        List<Integer> free = new ArrayList<>(IntStream.range(0, BLOCKS).boxed().toList());
        Collections.shuffle(free, random);
        List<Sequence> all = new ArrayList<>();
        for (int length : lengths) {
            int[] blocks = new int[(length + KvCache.BLOCK_SIZE - 1) / KvCache.BLOCK_SIZE];
            for (int i = 0; i < blocks.length; i++) {
                blocks[i] = free.removeLast();
            }
            all.add(new Sequence(random.ints(length, 0, VOCABULARY).toArray(), blocks));
        }
        return all;
    }

    /** Runs a step and returns each part's last token's logprobs of all ids. */
    float[][] step(List<Part> parts) {
        StepInputs inputs = new StepInputs(new StepInputs.Limits(MOST_ROWS, MOST_ROWS, MOST_ROWS, BLOCKS, 1));
        for (Part part : parts) {
            inputs.sequence();
            for (int block : part.sequence.blocks) {
                inputs.block(block);
            }
            for (int i = part.from; i < part.to; i++) {
                int slot = part.sequence.blocks[i / KvCache.BLOCK_SIZE] * KvCache.BLOCK_SIZE + i % KvCache.BLOCK_SIZE;
                inputs.token(part.sequence.ids[i], i, slot);
            }
            inputs.set(inputs.output(), Output.LOGPROBS, VOCABULARY);
        }
        StepOutputs outputs = run(inputs);
        float[][] all = new float[parts.size()][VOCABULARY];
        for (int part = 0; part < all.length; part++) {
            for (int k = 0; k < VOCABULARY; k++) {
                all[part][outputs.topId(part, k)] = outputs.topLogprob(part, k);
            }
        }
        inputs.close();
        return all;
    }

    /** Begins a step, which the backend's next {@code finish} but for those of others ends. */
    void submit(StepInputs inputs) {
        backend.begin(inputs);
        backend.enqueue(pass);
        backend.submit();
    }

    StepOutputs run(StepInputs inputs) {
        backend.begin(inputs);
        backend.enqueue(pass);
        return backend.finish();
    }

    private void enqueue() {
        backend.embed(table, 3f, x);
        for (int layer = 0; layer < layers.size(); layer++) {
            enqueue(layers.get(layer), layer, layer == 0 ? ALL : WINDOW);
        }
        backend.gather(x, last);
        backend.rmsNorm(last, lastNorm, EPSILON, lastNormed);
        backend.matmul(head, lastNormed, logits);
        backend.sample(logits);
    }

    private void enqueue(Layer layer, int number, AttentionShape shape) {
        backend.rmsNorm(x, layer.norm, EPSILON, normed);
        backend.matmul(layer.qkv, normed, fused);
        backend.bias(layer.bias, fused);
        backend.headNorm(fused, shape, layer.queryNorm, layer.keyNorm, EPSILON);
        backend.ropeAndStore(fused, shape, rope, cache, number);
        backend.attention(fused, shape, cache, number, attended);
        backend.matmulAdd(layer.output, attended, x);
        backend.rmsNorm(x, layer.norm2, EPSILON, normed);
        backend.gatedMatmul(layer.gateUp, number == 0 ? Activation.SILU : Activation.GELU_TANH, normed, gated);
        backend.matmul(layer.down, gated, added);
        backend.rmsNormAdd(added, layer.postNorm, EPSILON, x);
        backend.matmul(layer.router, normed, routed);
        backend.experts(routed, ROUTING, layer.experts, normed, x);
    }

    void close() {
        backend.close();
        arena.close();
    }
}
