package dev.skein.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import dev.skein.compute.Activation;
import dev.skein.compute.AttentionShape;
import dev.skein.compute.ElementType;
import dev.skein.compute.ExpertWeights;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.KvCache;
import dev.skein.compute.Rope;
import dev.skein.compute.Routing;
import dev.skein.compute.StepInputs;
import dev.skein.compute.Weight;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every operation of every backend against the textbook in doubles. */
@ParameterizedClass
@MethodSource("dev.skein.compute.cpu.Kinds#all")
class ConformanceTest {
    /** Of the sum of magnitudes: 15-bit activations err by 1/32512 of a block's largest. */
    private static final double QUANTISED = 1e-4;

    private static final double FLOATS = 1e-6;

    private final HostBackend backend;
    private final Lab lab = new Lab(42);

    ConformanceTest(Kinds.Kind kind) {
        backend = kind.make();
    }

    @AfterEach
    void close() {
        backend.close();
        lab.close();
    }

    @ParameterizedTest
    @EnumSource
    void matmul(ElementType type) {
        for (int rows : new int[] {1, 3, 17, 80}) {
            for (int least : new int[] {32, 96, 576}) {
                int columns = Lab.whole(least, type);
                HostMatrix matrix = lab.matrix(type, rows, columns);
                Weight weight = backend.weight(List.of(matrix));
                assertThat(weight.rows()).isEqualTo(rows);
                assertThat(weight.columns()).isEqualTo(columns);
                assertThat(weight.bytes()).isGreaterThanOrEqualTo(matrix.data().byteSize());
                for (int tokens : new int[] {1, 2, 3, 5, 17}) {
                    matmul(matrix, weight, tokens);
                }
            }
        }
    }

    private void matmul(HostMatrix matrix, Weight weight, int tokens) {
        float[][] x = lab.rows(tokens, matrix.columns());
        float[][] residual = lab.rows(tokens, matrix.rows());
        HostBuffer out = (HostBuffer) backend.buffer(tokens, matrix.rows());
        HostBuffer added = Lab.buffer(backend, residual);
        HostBuffer in = Lab.buffer(backend, x);
        backend.begin(Lab.step(tokens));
        backend.matmul(weight, in, out);
        backend.matmulAdd(weight, in, added);
        backend.finish();
        double tolerance = matrix.type().blockElements() == 1 ? FLOATS : QUANTISED;
        for (int token = 0; token < tokens; token++) {
            for (int row = 0; row < matrix.rows(); row++) {
                float[] w = Lab.values(matrix, row);
                double error = tolerance * (Lab.magnitude(w, x[token]) + 1);
                double expected = Lab.dot(w, x[token]);
                assertThat((double) out.row(token)[row])
                        .as("%s, token %d of %d, row %d, seed %d", matrix.name(), token, tokens, row, lab.seed())
                        .isCloseTo(expected, offset(error));
                assertThat((double) added.row(token)[row]).isCloseTo(expected + residual[token][row], offset(error));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void stackedRowsLieBelowEachOther(ElementType type) {
        int columns = Lab.whole(64, type);
        HostMatrix one = lab.matrix(type, 5, columns);
        HostMatrix other = lab.matrix(type, 19, columns);
        Weight stacked = backend.weight(List.of(one, other));
        Weight first = backend.weight(List.of(one));
        Weight second = backend.weight(List.of(other));
        HostBuffer x = Lab.buffer(backend, lab.rows(3, columns));
        HostBuffer both = (HostBuffer) backend.buffer(3, 24);
        HostBuffer top = (HostBuffer) backend.buffer(3, 5);
        HostBuffer bottom = (HostBuffer) backend.buffer(3, 19);
        backend.begin(Lab.step(3));
        backend.matmul(stacked, x, both);
        backend.matmul(first, x, top);
        backend.matmul(second, x, bottom);
        backend.finish();
        for (int token = 0; token < 3; token++) {
            assertThat(Arrays.copyOfRange(both.row(token), 0, 5)).isEqualTo(top.row(token));
            assertThat(Arrays.copyOfRange(both.row(token), 5, 24)).isEqualTo(bottom.row(token));
        }
    }

    @ParameterizedTest
    @EnumSource
    void gatedMatmul(ElementType type) {
        HostMatrix gate = lab.matrix(type, 37, Lab.whole(96, type));
        HostMatrix up = lab.matrix(type, 37, Lab.whole(96, type));
        Weight weight = backend.gatedWeight(gate, up);
        float[][] x = lab.rows(4, Lab.whole(96, type));
        HostBuffer in = Lab.buffer(backend, x);
        HostBuffer out = (HostBuffer) backend.buffer(4, 37);
        backend.begin(Lab.step(4));
        backend.gatedMatmul(weight, Activation.SILU, in, out);
        backend.finish();
        for (int token = 0; token < 4; token++) {
            for (int row = 0; row < 37; row++) {
                double g = Lab.dot(Lab.values(gate, row), x[token]);
                double u = Lab.dot(Lab.values(up, row), x[token]);
                double error = 2e-4
                        * (1 + Lab.magnitude(Lab.values(gate, row), x[token]))
                        * (1 + Lab.magnitude(Lab.values(up, row), x[token]));
                assertThat((double) out.row(token)[row])
                        .as("token %d, row %d", token, row)
                        .isCloseTo(g / (1 + Math.exp(-g)) * u, offset(error));
            }
        }
    }

    @Test
    void rmsNorm() {
        for (int columns : new int[] {1, 16, 33, 576}) {
            float[][] x = lab.rows(3, columns);
            HostMatrix by = lab.matrix(ElementType.BF16, 1, columns);
            HostBuffer in = Lab.buffer(backend, x);
            HostBuffer out = (HostBuffer) backend.buffer(3, columns);
            Weight weight = backend.vector(by);
            backend.begin(Lab.step(3));
            backend.rmsNorm(in, weight, 1e-5f, out);
            backend.rmsNorm(in, weight, 1e-5f, in);
            backend.finish();
            for (int token = 0; token < 3; token++) {
                double rms = Math.sqrt(Lab.dot(x[token], x[token]) / columns + 1e-5f);
                for (int i = 0; i < columns; i++) {
                    assertThat((double) out.row(token)[i])
                            .isCloseTo(x[token][i] / rms * Lab.values(by, 0)[i], offset(1e-5));
                }
                assertThat(in.row(token)).as("in place").isEqualTo(out.row(token));
            }
        }
    }

    @Test
    void normsBack() {
        for (int columns : new int[] {1, 16, 33, 576}) {
            float[][] x = lab.rows(3, columns);
            float[][] residual = lab.rows(3, columns);
            HostMatrix by = lab.matrix(ElementType.F32, 1, columns);
            HostBuffer sum = Lab.buffer(backend, residual);
            backend.begin(Lab.step(3));
            backend.rmsNormAdd(Lab.buffer(backend, x), backend.vector(by), 1e-5f, sum);
            backend.finish();
            for (int token = 0; token < 3; token++) {
                double rms = Math.sqrt(Lab.dot(x[token], x[token]) / columns + 1e-5f);
                for (int i = 0; i < columns; i++) {
                    double expected = residual[token][i] + x[token][i] / rms * Lab.values(by, 0)[i];
                    assertThat((double) sum.row(token)[i]).isCloseTo(expected, offset(1e-5));
                }
            }
        }
    }

    /** Alone, and before a rope, where backends may do all at once. */
    @Test
    void biasAndNormsOfHeads() {
        AttentionShape shape = new AttentionShape(6, 2, 48, 1f);
        float[][] rows = lab.rows(3, shape.fusedColumns());
        HostMatrix bias = lab.matrix(ElementType.F32, 1, shape.fusedColumns());
        HostMatrix query = lab.matrix(ElementType.F32, 1, 48);
        HostMatrix key = lab.matrix(ElementType.F32, 1, 48);
        KvCache cache = backend.kvCache(new KvCache.Shape(1, 2, 48, 3));
        HostBuffer apart = Lab.buffer(backend, rows);
        HostBuffer withRope = Lab.buffer(backend, rows);
        backend.begin(Lab.step(3));
        backend.bias(backend.vector(bias), apart);
        backend.gather(apart, backend.buffer(3, shape.fusedColumns()));
        backend.headNorm(apart, shape, backend.vector(query), backend.vector(key), 1e-6f);
        backend.bias(backend.vector(bias), withRope);
        backend.headNorm(withRope, shape, backend.vector(query), backend.vector(key), 1e-6f);
        backend.ropeAndStore(withRope, shape, new Rope(new float[] {0f}, true, 1f), cache, 0);
        backend.finish();
        for (int token = 0; token < 3; token++) {
            for (int head = 0; head < 10; head++) {
                float[] biased = head(rows[token], shape, head);
                for (int i = 0; i < 48; i++) {
                    biased[i] += Lab.values(bias, 0)[head * 48 + i];
                }
                float[] by = head < 6 ? Lab.values(query, 0) : Lab.values(key, 0);
                double rms = Math.sqrt(Lab.dot(biased, biased) / 48 + 1e-6f);
                for (int i = 0; i < 48; i++) {
                    double expected = head < 8 ? biased[i] / rms * by[i] : biased[i];
                    assertThat((double) head(apart.row(token), shape, head)[i]).isCloseTo(expected, offset(1e-5));
                }
            }
            assertThat(withRope.row(token)).isEqualTo(apart.row(token));
        }
    }

    @ParameterizedTest
    @EnumSource
    void activations(Activation activation) {
        HostMatrix gate = lab.matrix(ElementType.F32, 200, 1);
        HostMatrix up = lab.matrix(ElementType.F32, 200, 1);
        HostBuffer out = (HostBuffer) backend.buffer(1, 200);
        for (float x : new float[] {0f, 0.3f, -2f, 7f, -40f, 1e15f, -1e15f}) {
            backend.begin(Lab.step(1));
            backend.gatedMatmul(
                    backend.gatedWeight(gate, up), activation, Lab.buffer(backend, new float[][] {{x}}), out);
            backend.finish();
            for (int row = 0; row < 200; row++) {
                double g = (double) Lab.values(gate, row)[0] * x;
                double factor = (double) Lab.values(up, row)[0] * x;
                double expected = Exact.activated(activation, g) * factor;
                double error = 1e-6 * (1 + Math.abs(expected)) + 3e-7 * Math.min(Math.abs(factor), 100);
                assertThat((double) out.row(0)[row])
                        .as("%s of %s", activation, g)
                        .isCloseTo(expected, offset(error));
            }
        }
    }

    @Test
    void partsOfSeveralTypes() {
        HostMatrix one = lab.matrix(ElementType.Q4_1, 21, 96);
        HostMatrix two = lab.matrix(ElementType.Q8_0, 17, 96);
        HostMatrix three = lab.matrix(ElementType.F16, 5, 96);
        HostMatrix four = lab.matrix(ElementType.F16, 40, 96);
        Weight all = backend.weight(List.of(one, two, three, four));
        for (int tokens : new int[] {1, 7, 30}) {
            HostBuffer x = Lab.buffer(backend, lab.rows(tokens, 96));
            HostBuffer out = (HostBuffer) backend.buffer(tokens, 83);
            backend.begin(Lab.step(tokens));
            backend.rmsNorm(x, backend.vector(lab.matrix(ElementType.F32, 1, 96)), 1e-5f, x);
            backend.matmul(all, x, out);
            backend.finish();
            int from = 0;
            for (HostMatrix part : List.of(one, two, three, four)) {
                HostBuffer alone = (HostBuffer) backend.buffer(tokens, part.rows());
                backend.begin(Lab.step(tokens));
                backend.matmul(backend.weight(List.of(part)), x, alone);
                backend.finish();
                for (int token = 0; token < tokens; token++) {
                    assertThat(Arrays.copyOfRange(out.row(token), from, from + part.rows()))
                            .as("%s, token %d of %d, seed %d", part.name(), token, tokens, lab.seed())
                            .isEqualTo(alone.row(token));
                }
                from += part.rows();
            }
        }
    }

    @Test
    void expertsAreMixedByTheirRouter() {
        for (int chosen : new int[] {1, 2, 5}) {
            experts(ElementType.F32, ElementType.F32, new Routing(chosen, true), 1e-5);
            experts(ElementType.F32, ElementType.Q8_0, new Routing(chosen, false), 1e-3);
            experts(ElementType.Q4_1, ElementType.F16, new Routing(chosen, true), 1e-3);
        }
    }

    private void experts(ElementType in, ElementType back, Routing routing, double tolerance) {
        int count = 5;
        List<HostMatrix> gate = matrices(count, in, 32, 64);
        List<HostMatrix> up = matrices(count, in, 32, 64);
        List<HostMatrix> down = matrices(count, back, 64, 32);
        ExpertWeights weights = backend.experts(gate, up, down);
        assertThat(List.of(weights.count(), weights.hidden(), weights.inner())).isEqualTo(List.of(count, 64, 32));
        for (int tokens : new int[] {1, 3, 40}) {
            float[][] x = lab.rows(tokens, 64);
            float[][] logits = lab.rows(tokens, count);
            logits[0] = new float[count];
            float[][] residual = lab.rows(tokens, 64);
            HostBuffer sum = Lab.buffer(backend, residual);
            backend.begin(Lab.step(tokens));
            backend.experts(Lab.buffer(backend, logits), routing, weights, Lab.buffer(backend, x), sum);
            backend.finish();
            for (int token = 0; token < tokens; token++) {
                double[] expected = Exact.experts(routing, logits[token], gate, up, down, x[token]);
                for (int i = 0; i < 64; i++) {
                    assertThat((double) sum.row(token)[i])
                            .as("%s, %s, token %d of %d, seed %d", in, routing, token, tokens, lab.seed())
                            .isCloseTo(residual[token][i] + expected[i], offset(tolerance * (1 + expected[64])));
                }
            }
        }
    }

    private List<HostMatrix> matrices(int count, ElementType type, int rows, int columns) {
        return IntStream.range(0, count)
                .mapToObj(i -> lab.matrix(type, rows, columns))
                .toList();
    }

    @ParameterizedTest
    @EnumSource
    void embedAndGather(ElementType type) {
        int columns = Lab.whole(96, type);
        HostMatrix matrix = lab.matrix(type, 7, columns);
        Weight table = backend.table(matrix);
        HostBuffer out = (HostBuffer) backend.buffer(5, columns);
        HostBuffer gathered = (HostBuffer) backend.buffer(2, columns);
        HostBuffer threefold = (HostBuffer) backend.buffer(5, columns);
        StepInputs step = new StepInputs(new StepInputs.Limits(5, 1, 2, 1, 1));
        step.sequence();
        step.block(0);
        int[] ids = {6, 0, 3, 3, 5};
        for (int i = 0; i < ids.length; i++) {
            step.token(ids[i], i, i);
            if (i == 1 || i == 4) {
                step.output();
            }
        }
        backend.begin(step);
        backend.embed(table, 1, out);
        backend.gather(out, gathered);
        backend.finish();
        for (int i = 0; i < ids.length; i++) {
            assertThat(out.row(i)).isEqualTo(Lab.values(matrix, ids[i]));
        }
        backend.begin(step);
        backend.embed(table, 3f, threefold);
        backend.finish();
        for (int i = 0; i < columns; i++) {
            assertThat(threefold.row(4)[i]).isEqualTo(3f * out.row(4)[i]);
        }
        assertThat(gathered.row(0)).isEqualTo(out.row(1));
        assertThat(gathered.row(1)).isEqualTo(out.row(4));
    }

    @Test
    void ropeTurnsPairs() {
        for (boolean interleaved : new boolean[] {true, false}) {
            rope(new Rope(new float[] {1f, 0.3f, 0.1f, 0.02f}, interleaved, 1.5f), new AttentionShape(4, 2, 16, 1));
            rope(new Rope(frequencies(32), interleaved, 1f), new AttentionShape(3, 1, 64, 1));
            rope(new Rope(frequencies(40), interleaved, 1f), new AttentionShape(2, 2, 80, 1));
        }
    }

    private static float[] frequencies(int pairs) {
        float[] all = new float[pairs];
        for (int i = 0; i < pairs; i++) {
            all[i] = (float) Math.pow(10000, -(double) i / pairs);
        }
        return all;
    }

    private void rope(Rope rope, AttentionShape shape) {
        KvCache cache = backend.kvCache(new KvCache.Shape(1, shape.kvHeads(), shape.headSize(), 130));
        float[][] rows = lab.rows(2, shape.fusedColumns());
        HostBuffer qkv = Lab.buffer(backend, rows);
        StepInputs step = new StepInputs(new StepInputs.Limits(2, 1, 1, 130, 1));
        step.sequence();
        for (int i = 0; i < 130; i++) {
            step.block(i);
        }
        int[] positions = {3, 2000};
        for (int position : positions) {
            step.token(0, position, position);
        }
        backend.begin(step);
        backend.ropeAndStore(qkv, shape, rope, cache, 0);
        backend.finish();
        for (int token = 0; token < 2; token++) {
            for (int head = 0; head < shape.queryHeads() + 2 * shape.kvHeads(); head++) {
                boolean turned = head < shape.queryHeads() + shape.kvHeads();
                float[] before = head(rows[token], shape, head);
                float[] expected = turned ? turned(before, rope, positions[token]) : before;
                assertThat(head(qkv.row(token), shape, head)).containsExactly(expected, within(1e-5f));
            }
        }
    }

    private static Offset<Float> within(float value) {
        return offset(value);
    }

    private static float[] head(float[] row, AttentionShape shape, int head) {
        return Arrays.copyOfRange(row, head * shape.headSize(), (head + 1) * shape.headSize());
    }

    private static float[] turned(float[] head, Rope rope, int position) {
        float[] out = head.clone();
        int pairs = rope.dimensions() / 2;
        for (int i = 0; i < pairs; i++) {
            int a = rope.interleaved() ? 2 * i : i;
            int b = rope.interleaved() ? 2 * i + 1 : i + pairs;
            double angle = position * (double) rope.inverseFrequencies()[i];
            double c = Math.cos(angle) * rope.magnitude();
            double s = Math.sin(angle) * rope.magnitude();
            out[a] = (float) (head[a] * c - head[b] * s);
            out[b] = (float) (head[b] * c + head[a] * s);
        }
        return out;
    }

    @Test
    void attentionSeesItsSequenceUpToItself() {
        for (int group : new int[] {1, 2, 3, 4, 8}) {
            attention(new AttentionShape(2 * group, 2, 32, 0.2f), new int[] {1, 18, 65});
        }
        for (int headSize : new int[] {64, 80, 96, 128}) {
            attention(new AttentionShape(3, 1, headSize, 0.1f), new int[] {5, 40});
        }
        attention(new AttentionShape(2, 1, 64, 0.1f), new int[] {16, 17, 300, 64});
        attention(new AttentionShape(1, 1, 32, 0.1f), new int[] {600, 1});
    }

    @Test
    void attentionWithinAWindow() {
        for (int window : new int[] {1, 2, 15, 16, 17, 63, 64, 65, 100, 256, 300, 1000}) {
            attention(new AttentionShape(3, 1, 32, 0.2f, window), new int[] {400, 70});
        }
        attention(new AttentionShape(8, 2, 80, 0.2f, 30), new int[] {150});
    }

    @Test
    void attentionOverTheWholeSequence() {
        for (int headSize : new int[] {16, 32, 64}) {
            attention(new AttentionShape(12, 12, headSize, 0.2f, AttentionShape.WHOLE), new int[] {1, 33, 16, 130});
        }
        attention(new AttentionShape(1, 1, 32, 0.1f, AttentionShape.WHOLE), new int[] {600, 1});
    }

    @Test
    void layerNorm() {
        for (int columns : new int[] {5, 16, 33, 384}) {
            float[][] x = lab.rows(3, columns);
            x[1] = new float[columns];
            HostMatrix weight = lab.matrix(ElementType.F32, 1, columns);
            HostMatrix bias = lab.matrix(ElementType.F16, 1, columns);
            HostBuffer inPlace = Lab.buffer(backend, x);
            HostBuffer out = (HostBuffer) backend.buffer(3, columns);
            backend.begin(Lab.step(3));
            backend.layerNorm(inPlace, backend.vector(weight), backend.vector(bias), 1e-5f, out);
            backend.layerNorm(inPlace, backend.vector(weight), backend.vector(bias), 1e-5f, inPlace);
            backend.finish();
            for (int row = 0; row < 3; row++) {
                double[] expected = Exact.layerNorm(x[row], Lab.values(weight, 0), Lab.values(bias, 0), 1e-5);
                for (int i = 0; i < columns; i++) {
                    assertThat((double) out.row(row)[i])
                            .as("%d columns, row %d, seed %d", columns, row, lab.seed())
                            .isCloseTo(expected[i], offset(1e-5 * (1 + Math.abs(expected[i]))));
                }
                assertThat(inPlace.row(row)).isEqualTo(out.row(row));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void activatesInPlace(Activation activation) {
        float[][] x = lab.rows(3, 37);
        HostBuffer buffer = Lab.buffer(backend, x);
        backend.begin(Lab.step(3));
        backend.activate(activation, buffer);
        backend.finish();
        float[] read = new float[37];
        for (int row = 0; row < 3; row++) {
            backend.read(buffer, row, read);
            for (int i = 0; i < 37; i++) {
                assertThat((double) read[i]).isCloseTo(Exact.activated(activation, x[row][i]), offset(1e-6));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void positionsAreAdded(ElementType type) {
        int columns = Lab.whole(48, type);
        HostMatrix matrix = lab.matrix(type, 40, columns);
        float[][] x = lab.rows(33, columns);
        HostBuffer buffer = Lab.buffer(backend, x);
        backend.begin(Steps.tokens(7, 40));
        backend.addPositions(backend.table(matrix), buffer);
        backend.finish();
        for (int row = 0; row < 33; row++) {
            float[] place = Lab.values(matrix, 7 + row);
            for (int i = 0; i < columns; i++) {
                assertThat(buffer.row(row)[i]).isEqualTo(x[row][i] + place[i]);
            }
        }
    }

    /** All tokens of some sequences, whose blocks lie about in the cache, in one step. */
    private void attention(AttentionShape shape, int[] lengths) {
        int tokens = Arrays.stream(lengths).sum();
        int blocks = Arrays.stream(lengths).map(n -> (n + 15) / 16).sum();
        KvCache cache = backend.kvCache(new KvCache.Shape(2, shape.kvHeads(), shape.headSize(), blocks + 3));
        Rope none = new Rope(new float[] {0f}, true, 1f);
        float[][] rows = lab.rows(tokens, shape.fusedColumns());
        HostBuffer qkv = Lab.buffer(backend, rows);
        HostBuffer out = (HostBuffer) backend.buffer(tokens, shape.queryHeads() * shape.headSize());
        backend.begin(Steps.prompts(lengths, blocks + 3, lab.random()));
        backend.ropeAndStore(qkv, shape, none, cache, 1);
        backend.attention(qkv, shape, cache, 1, out);
        backend.finish();
        int from = 0;
        for (int length : lengths) {
            for (int i = 0; i < length; i++) {
                float[] expected = Exact.attention(shape, rows, from, i, length);
                assertThat(out.row(from + i))
                        .as("%s, token %d of %d, seed %d", shape, i, length, lab.seed())
                        .containsExactly(expected, within(2e-3f));
            }
            from += length;
        }
    }

    @Test
    void decodingGivesTheBitsOfThePrompt() {
        AttentionShape shape = new AttentionShape(6, 2, 64, 0.125f);
        Rope rope = new Rope(frequencies(32), true, 1f);
        int length = 150;
        float[][] rows = lab.rows(length, shape.fusedColumns());
        KvCache cache = backend.kvCache(new KvCache.Shape(1, 2, 64, 10));
        HostBuffer all = Lab.buffer(backend, rows);
        HostBuffer out = (HostBuffer) backend.buffer(length, 6 * 64);
        backend.begin(Steps.tokens(0, length));
        backend.ropeAndStore(all, shape, rope, cache, 0);
        backend.attention(all, shape, cache, 0, out);
        backend.finish();

        KvCache second = backend.kvCache(new KvCache.Shape(1, 2, 64, 10));
        HostBuffer one = (HostBuffer) backend.buffer(1, shape.fusedColumns());
        HostBuffer seen = (HostBuffer) backend.buffer(1, 6 * 64);
        for (int i = 0; i < length; i++) {
            one.row(0, rows[i]);
            backend.begin(Steps.tokens(i, i + 1));
            backend.ropeAndStore(one, shape, rope, second, 0);
            backend.attention(one, shape, second, 0, seen);
            backend.finish();
            assertThat(seen.row(0)).as("token %d", i).isEqualTo(out.row(i));
        }
    }
}
