package dev.skein.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.compute.Activation;
import dev.skein.compute.AttentionShape;
import dev.skein.compute.AttentionShape.Shared;
import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.KvCache;
import dev.skein.compute.Rope;
import dev.skein.compute.Routing;
import dev.skein.compute.StepInputs;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Native kernels against the plain Java, bit for bit, on one and two threads and whatever rows come together. */
@ParameterizedClass
@MethodSource("dev.skein.compute.cpu.Kinds#all")
class SameBitsTest {
    private final HostBackend backend;
    private final HostBackend oracle = new JavaBackend();
    private final Lab lab = new Lab(7);

    SameBitsTest(Kinds.Kind kind) {
        backend = kind.make();
    }

    @AfterEach
    void close() {
        backend.close();
        oracle.close();
        lab.close();
    }

    @ParameterizedTest
    @EnumSource
    void products(ElementType type) {
        for (int[] shape : new int[][] {{1, 32}, {17, 64}, {300, 96}, {33, 1536}}) {
            int columns = Lab.whole(shape[1], type);
            HostMatrix gate = lab.matrix(type, shape[0], columns);
            HostMatrix up = lab.matrix(type, shape[0], columns);
            for (int tokens : new int[] {1, 2, 5, 17}) {
                float[][] x = lab.rows(tokens, columns);
                float[][] residual = lab.rows(tokens, shape[0]);
                assertThat(products(backend, gate, up, x, residual))
                        .as("%s, %d tokens, seed %d", gate.name(), tokens, lab.seed())
                        .isDeepEqualTo(products(oracle, gate, up, x, residual));
            }
        }
    }

    /** Gate and up, and stacked matrices, of each type with a float type, the one after it and one with fine scales. */
    @Test
    void productsOfTwoTypes() {
        for (ElementType one : ElementType.values()) {
            ElementType next = ElementType.values()[(one.ordinal() + 1) % ElementType.values().length];
            for (ElementType other : List.of(ElementType.F16, next, ElementType.Q6_K)) {
                int columns = Lab.whole(64, one, other);
                HostMatrix gate = lab.matrix(one, 19, columns);
                HostMatrix up = lab.matrix(other, 19, columns);
                for (int tokens : new int[] {1, 14}) {
                    float[][] x = lab.rows(tokens, columns);
                    float[][] residual = lab.rows(tokens, 19);
                    assertThat(products(backend, gate, up, x, residual))
                            .as("%s over %s, %d tokens, seed %d", one, other, tokens, lab.seed())
                            .isDeepEqualTo(products(oracle, gate, up, x, residual));
                }
            }
        }
    }

    @Test
    void gelu() {
        HostMatrix gate = lab.matrix(ElementType.F32, 37, 5);
        HostMatrix up = lab.matrix(ElementType.F32, 37, 5);
        float[][] x = lab.rows(3, 5);
        x[2][1] = 1e30f;
        assertThat(gelu(backend, gate, up, x)).isDeepEqualTo(gelu(oracle, gate, up, x));
    }

    /** The operations of encoders. */
    @Test
    void encoders() {
        for (int columns : new int[] {5, 16, 33, 384}) {
            float[][] x = lab.rows(9, columns);
            Arrays.fill(x[1], 1e-30f);
            x[2][columns / 2] = -1e20f;
            HostMatrix weight = lab.matrix(ElementType.F32, 1, columns);
            HostMatrix bias = lab.matrix(ElementType.BF16, 1, columns);
            HostMatrix table = lab.matrix(ElementType.F16, 9, columns);
            assertThat(encoder(backend, x, weight, bias, table))
                    .as("%d columns, seed %d", columns, lab.seed())
                    .isDeepEqualTo(encoder(oracle, x, weight, bias, table));
        }
    }

    private static float[][] encoder(
            HostBackend on, float[][] x, HostMatrix weight, HostMatrix bias, HostMatrix table) {
        HostBuffer out = Lab.buffer(on, x);
        on.begin(Steps.tokens(0, x.length));
        on.activate(Activation.GELU, out);
        on.addPositions(on.table(table), out);
        on.layerNorm(out, on.vector(weight), on.vector(bias), 1e-12f, out);
        on.activate(Activation.SILU, out);
        on.finish();
        return Lab.read(out, x.length);
    }

    private static float[][] gelu(HostBackend on, HostMatrix gate, HostMatrix up, float[][] x) {
        HostBuffer out = (HostBuffer) on.buffer(x.length, gate.rows());
        on.begin(Lab.step(x.length));
        on.gatedMatmul(on.gatedWeight(gate, up), Activation.GELU_TANH, Lab.buffer(on, x), out);
        on.finish();
        return Lab.read(out, x.length);
    }

    /** A norm into the residual stream, bias and norms of heads. */
    @Test
    void rows() {
        for (int size : new int[] {16, 33, 64, 100}) {
            AttentionShape shape = new AttentionShape(9, 3, size, 1f).part(2, 6, Shared.NONE);
            float[][] x = lab.rows(9, shape.fusedColumns());
            float[][] residual = lab.rows(9, shape.fusedColumns());
            HostMatrix wide = lab.matrix(ElementType.F32, 1, shape.fusedColumns());
            HostMatrix head = lab.matrix(ElementType.F32, 1, size);
            assertThat(rows(backend, shape, x, residual, wide, head))
                    .as("heads of %d, seed %d", size, lab.seed())
                    .isDeepEqualTo(rows(oracle, shape, x, residual, wide, head));
        }
    }

    private static float[][] rows(
            HostBackend on, AttentionShape shape, float[][] x, float[][] residual, HostMatrix wide, HostMatrix head) {
        HostBuffer out = Lab.buffer(on, residual);
        on.begin(Lab.step(x.length));
        on.rmsNormAdd(Lab.buffer(on, x), on.vector(wide), 1e-6f, out);
        on.bias(on.vector(wide), out);
        on.headNorm(out, shape, on.vector(head), on.vector(head), 1e-6f);
        on.finish();
        return Lab.read(out, x.length);
    }

    @Test
    void experts() {
        ElementType[] types = ElementType.values();
        for (int tokens : new int[] {1, 2, 13, 90}) {
            for (int i = 0; i < types.length; i++) {
                ElementType back = types[(i + tokens) % types.length];
                int columns = Lab.whole(96, types[i]);
                Experts experts = new Experts(11, types[i], back, Lab.whole(64, back), columns);
                float[][] x = lab.rows(tokens, columns);
                float[][] logits = lab.rows(tokens, 11);
                logits[tokens / 2] = new float[11];
                float[][] residual = lab.rows(tokens, columns);
                Routing routing =
                        new Routing(1 + lab.random().nextInt(11), lab.random().nextBoolean());
                float[][] expected = experts(oracle, experts, routing, logits, x, residual);
                assertThat(experts(backend, experts, routing, logits, x, residual))
                        .as("%s, %s, %d tokens, seed %d", types[i], routing, tokens, lab.seed())
                        .isDeepEqualTo(expected);
                float[][] alone = experts(
                        backend,
                        experts,
                        routing,
                        Arrays.copyOf(logits, 1),
                        Arrays.copyOf(x, 1),
                        Arrays.copyOf(residual, 1));
                assertThat(alone[0]).isEqualTo(expected[0]);
            }
        }
    }

    private final class Experts {
        final List<HostMatrix> gate;
        final List<HostMatrix> up;
        final List<HostMatrix> down;

        Experts(int count, ElementType in, ElementType back, int inner, int hidden) {
            gate = Stream.generate(() -> lab.matrix(in, inner, hidden))
                    .limit(count)
                    .toList();
            up = Stream.generate(() -> lab.matrix(in, inner, hidden))
                    .limit(count)
                    .toList();
            down = Stream.generate(() -> lab.matrix(back, hidden, inner))
                    .limit(count)
                    .toList();
        }
    }

    private static float[][] experts(
            HostBackend on, Experts experts, Routing routing, float[][] logits, float[][] x, float[][] residual) {
        HostBuffer sum = Lab.buffer(on, residual);
        on.begin(Lab.step(x.length));
        on.experts(
                Lab.buffer(on, logits),
                routing,
                on.experts(experts.gate, experts.up, experts.down),
                Lab.buffer(on, x),
                sum);
        on.finish();
        return Lab.read(sum, x.length);
    }

    /** A norm and what it feeds, a sum into a residual, and a gated product. */
    private float[][] products(HostBackend on, HostMatrix gate, HostMatrix up, float[][] x, float[][] residual) {
        int tokens = x.length;
        HostBuffer in = Lab.buffer(on, x);
        HostBuffer normed = (HostBuffer) on.buffer(tokens, gate.columns());
        HostBuffer out = (HostBuffer) on.buffer(tokens, 2 * gate.rows());
        HostBuffer sum = Lab.buffer(on, residual);
        HostBuffer gated = (HostBuffer) on.buffer(tokens, gate.rows());
        on.begin(Lab.step(tokens));
        on.rmsNorm(in, on.vector(normWeight(up)), 1e-5f, normed);
        on.matmul(on.weight(List.of(gate, up)), normed, out);
        on.matmulAdd(on.weight(List.of(gate)), in, sum);
        on.gatedMatmul(on.gatedWeight(gate, up), Activation.SILU, normed, gated);
        on.finish();
        float[][] all = new float[4 * tokens][];
        for (int token = 0; token < tokens; token++) {
            all[token] = normed.row(token);
            all[tokens + token] = out.row(token);
            all[2 * tokens + token] = sum.row(token);
            all[3 * tokens + token] = gated.row(token);
        }
        return all;
    }

    /** The first row, or where that is quantised a number near 0.75. */
    private HostMatrix normWeight(HostMatrix matrix) {
        if (matrix.type().blockElements() == 1) {
            return matrix.slice(0, 1);
        }
        HostMatrix same = lab.matrix(ElementType.BF16, 1, matrix.columns());
        same.data().fill((byte) 0x3F);
        return same;
    }

    @ParameterizedTest
    @EnumSource
    void aRowIsTheSameInAnyCompany(ElementType type) {
        int columns = Lab.whole(160, type);
        HostMatrix gate = lab.matrix(type, 81, columns);
        HostMatrix up = lab.matrix(type, 81, columns);
        float[][] x = lab.rows(129, columns);
        float[][] residual = lab.rows(129, 81);
        float[][] together = products(backend, gate, up, x, residual);
        for (int size : new int[] {1, 8, 64}) {
            for (int from : new int[] {0, 3, 40, 65}) {
                float[][] part = products(
                        backend,
                        gate,
                        up,
                        Arrays.copyOfRange(x, from, from + size),
                        Arrays.copyOfRange(residual, from, from + size));
                for (int i = 0; i < part.length; i++) {
                    assertThat(part[i])
                            .as("row %d of %d from %d, seed %d", i % size, size, from, lab.seed())
                            .isEqualTo(together[i / size * 129 + from + i % size]);
                }
            }
        }
    }

    @Test
    void notFiniteRowsStayAmongThemselves() {
        HostMatrix gate = lab.matrix(ElementType.Q4_1, 20, 64);
        float[][] x = lab.rows(3, 64);
        float[][] residual = lab.rows(3, 20);
        float[][] clean = products(backend, gate, gate, x, residual);
        x[1][5] = Float.NaN;
        x[2][63] = Float.POSITIVE_INFINITY;
        float[][] dirty = products(backend, gate, gate, x, residual);
        for (int part = 0; part < 4; part++) {
            assertThat(dirty[3 * part]).isEqualTo(clean[3 * part]);
        }
        assertThat(dirty[3 + 1]).containsOnly(Float.NaN);
        assertThat(dirty[6 + 2]).containsOnly(Float.NaN);
    }

    @Test
    void extremesOfQuantisation() {
        HostMatrix weight = lab.matrix(ElementType.Q8_0, 16, 64);
        for (byte q : new byte[] {-128, 127, 0}) {
            for (int at = 0; at < weight.data().byteSize(); at++) {
                if (at % 34 >= 2) {
                    weight.data().set(ValueLayout.JAVA_BYTE, at, q);
                }
            }
            float[][] x = new float[5][64];
            Arrays.fill(x[0], 3.5f);
            Arrays.fill(x[1], -3.5f);
            Arrays.fill(x[2], 1e-35f);
            Arrays.fill(x[3], Float.MIN_VALUE);
            x[4][0] = 1e30f;
            float[][] residual = new float[5][16];
            assertThat(products(backend, weight, weight, x, residual))
                    .isDeepEqualTo(products(oracle, weight, weight, x, residual));
        }
    }

    @Test
    void attention() {
        for (int group : new int[] {1, 2, 3, 4, 8, 30}) {
            attention(new AttentionShape(2 * group, 2, 32, 0.3f), new int[] {17, 70}, 0);
        }
        for (int headSize : new int[] {64, 80, 96, 128}) {
            attention(new AttentionShape(6, 2, headSize, 0.125f), new int[] {3, 65, 20}, 0);
            attention(new AttentionShape(6, 2, headSize, 0.125f), new int[] {300, 77}, 3);
        }
        attention(new AttentionShape(3, 1, 64, 0.125f), new int[] {700, 256, 257}, 1);
        for (int window : new int[] {1, 5, 64, 70, 257, 400}) {
            attention(new AttentionShape(6, 2, 32, 0.125f, window), new int[] {600, 77}, 2);
        }
        attention(new AttentionShape(12, 12, 32, 0.125f, AttentionShape.WHOLE), new int[] {3, 300, 64}, 0);
        attention(new AttentionShape(1, 1, 64, 0.125f, AttentionShape.WHOLE), new int[] {700}, 0);
    }

    /** What a rank computes of some heads is what one rank computes of all, also where groups are parted and heads shared. */
    @Test
    void attentionOfSomeHeads() {
        for (int window : new int[] {0, 40}) {
            AttentionShape whole = new AttentionShape(9, 3, 32, 0.3f, window);
            int[] lengths = {70, 33};
            float[][] rows = lab.rows(103, whole.fusedColumns());
            long seed = lab.random().nextLong();
            float[][] expected = attention(oracle, whole, lengths, 10, rows, seed, 0);
            for (int from = 0; from < 9; from++) {
                for (int to = from + 1; to <= 9; to++) {
                    for (Shared shared : Shared.values()) {
                        AttentionShape part = whole.part(from, to - from, shared);
                        float[][] here = ofHeads(rows, whole, from, part);
                        float[][] wanted = computed(columns(expected, 32 * from, 32 * to), part, lengths);
                        for (HostBackend on : List.of(backend, oracle)) {
                            assertThat(attention(on, part, lengths, 10, here, seed, 2))
                                    .as("%s of %s, heads from %d, seed %d", part, on.description(), from, lab.seed())
                                    .isDeepEqualTo(wanted);
                        }
                    }
                }
            }
        }
    }

    /** Layers of one step may have as many heads, but parted otherwise. */
    @Test
    void attentionOfLayersWithOtherGroups() {
        List<AttentionShape> layers = List.of(
                new AttentionShape(5, 2, 32, 0.3f, 0, 3, 0, Shared.NONE),
                new AttentionShape(5, 2, 32, 0.3f, 0, 4, 0, Shared.NONE),
                new AttentionShape(5, 2, 32, 0.3f, 0, 4, 1, Shared.NONE));
        float[][] rows = lab.rows(70, layers.getFirst().fusedColumns());
        assertThat(attention(backend, layers, rows))
                .as("seed %d", lab.seed())
                .isDeepEqualTo(attention(oracle, layers, rows));
    }

    /** The last rows of one prompt in each layer, one layer after the other. */
    private static float[][] attention(HostBackend on, List<AttentionShape> layers, float[][] rows) {
        AttentionShape shape = layers.getFirst();
        KvCache cache = on.kvCache(new KvCache.Shape(layers.size(), shape.kvHeads(), shape.headSize(), 8));
        Rope rope = new Rope(new float[] {1f, 0.1f, 0.01f, 0.001f}, true, 1f);
        List<HostBuffer> outs = new ArrayList<>();
        on.begin(Steps.prompts(new int[] {rows.length}, 8, new Random(1)));
        for (int layer = 0; layer < layers.size(); layer++) {
            HostBuffer qkv = Lab.buffer(on, rows);
            outs.add((HostBuffer) on.buffer(rows.length, shape.queryHeads() * shape.headSize()));
            on.ropeAndStore(qkv, layers.get(layer), rope, cache, layer);
            on.attention(qkv, layers.get(layer), cache, layer, outs.getLast());
        }
        on.finish();
        return outs.stream()
                .flatMap(out -> Arrays.stream(Lab.read(out, rows.length)))
                .toArray(float[][]::new);
    }

    /** With zeros for what another rank computes. */
    private static float[][] computed(float[][] rows, AttentionShape shape, int[] lengths) {
        int row = 0;
        for (int length : lengths) {
            for (int position = 0; position < length; position++, row++) {
                for (int head = 0; head < shape.queryHeads(); head++) {
                    if (!shape.computes(head, position)) {
                        Arrays.fill(rows[row], head * shape.headSize(), (head + 1) * shape.headSize(), 0f);
                    }
                }
            }
        }
        return rows;
    }

    /** The columns of fused rows that a rank has. */
    private static float[][] ofHeads(float[][] rows, AttentionShape whole, int firstQuery, AttentionShape part) {
        int size = whole.headSize();
        int keys = (whole.queryHeads() + whole.kvHead(firstQuery)) * size;
        int values = keys + whole.kvHeads() * size;
        float[][] here = new float[rows.length][part.fusedColumns()];
        for (int row = 0; row < rows.length; row++) {
            int at = part.queryHeads() * size;
            int count = part.kvHeads() * size;
            System.arraycopy(rows[row], firstQuery * size, here[row], 0, at);
            System.arraycopy(rows[row], keys, here[row], at, count);
            System.arraycopy(rows[row], values, here[row], at + count, count);
        }
        return here;
    }

    private static float[][] columns(float[][] rows, int from, int to) {
        return Arrays.stream(rows).map(row -> Arrays.copyOfRange(row, from, to)).toArray(float[][]::new);
    }

    /** Prompts but for their last tokens, then those, in one step or in a step for each. */
    private void attention(AttentionShape shape, int[] lengths, int decoded) {
        int blocks = Arrays.stream(lengths).map(n -> (n + 15) / 16).sum() + 2;
        float[][] rows = lab.rows(Arrays.stream(lengths).sum(), shape.fusedColumns());
        long seed = lab.random().nextLong();
        float[][] expected = attention(oracle, shape, lengths, blocks, rows, seed, 0);
        assertThat(attention(backend, shape, lengths, blocks, rows, seed, decoded))
                .as("%s, %s, seed %d", shape, Arrays.toString(lengths), lab.seed())
                .isDeepEqualTo(expected);
    }

    static float[][] attention(
            HostBackend on, AttentionShape shape, int[] lengths, int blocks, float[][] rows, long seed, int decoded) {
        KvCache cache = on.kvCache(new KvCache.Shape(2, shape.kvHeads(), shape.headSize(), blocks));
        Rope rope = new Rope(new float[] {1f, 0.1f, 0.01f, 0.001f}, true, 1f);
        StepInputs whole = Steps.prompts(lengths, blocks, new Random(seed));
        float[][] results = new float[rows.length][];
        for (int turn = 0; turn <= decoded; turn++) {
            int[] chosen = Steps.turn(lengths, turn, decoded);
            HostBuffer qkv = (HostBuffer) on.buffer(chosen.length, shape.fusedColumns());
            HostBuffer out = (HostBuffer) on.buffer(chosen.length, shape.queryHeads() * shape.headSize());
            for (int i = 0; i < chosen.length; i++) {
                qkv.row(i, rows[chosen[i]]);
            }
            on.begin(Steps.only(whole, lengths.length, chosen));
            on.ropeAndStore(qkv, shape, rope, cache, 1);
            on.attention(qkv, shape, cache, 1, out);
            on.finish();
            for (int i = 0; i < chosen.length; i++) {
                results[chosen[i]] = out.row(i);
            }
        }
        return results;
    }
}
