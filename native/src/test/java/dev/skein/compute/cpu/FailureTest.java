package dev.skein.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.Activation;
import dev.skein.compute.AttentionShape;
import dev.skein.compute.ComputeException;
import dev.skein.compute.ElementType;
import dev.skein.compute.ExpertWeights;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.KvCache;
import dev.skein.compute.Rope;
import dev.skein.compute.Routing;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepInputs.Output;
import dev.skein.compute.Weight;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** Wrong shapes, wrong numbers, wrong order of calls. */
@ParameterizedClass
@MethodSource("dev.skein.compute.cpu.Kinds#all")
class FailureTest {
    private static final AttentionShape SHAPE = new AttentionShape(2, 1, 32, 1f);
    private static final Rope ROPE = new Rope(new float[16], true, 1f);

    private final HostBackend backend;
    private final Lab lab = new Lab(3);

    FailureTest(Kinds.Kind kind) {
        backend = kind.make();
    }

    @AfterEach
    void close() {
        backend.close();
        lab.close();
    }

    private HostBuffer buffer(int rows, int columns) {
        return Lab.buffer(backend, new float[rows][columns]);
    }

    @Test
    void shapesThatDoNotFit() {
        Weight weight = backend.weight(List.of(lab.matrix(ElementType.Q8_0, 5, 64)));
        Weight gated = backend.gatedWeight(lab.matrix(ElementType.F32, 5, 64), lab.matrix(ElementType.F32, 5, 64));
        Weight vector = backend.vector(lab.matrix(ElementType.F16, 1, 64));
        backend.begin(Lab.step(2));
        refused(() -> backend.matmul(weight, buffer(2, 32), buffer(2, 5)), "64", "32");
        refused(() -> backend.matmul(weight, buffer(2, 64), buffer(2, 6)), "5", "6");
        refused(() -> backend.matmul(weight, buffer(2, 64), buffer(1, 5)), "2 rows", "holds 1");
        refused(() -> backend.matmul(gated, buffer(2, 64), buffer(2, 5)), "gatedMatmul");
        refused(() -> backend.gatedMatmul(weight, Activation.SILU, buffer(2, 64), buffer(2, 5)), "gatedWeight");
        refused(() -> backend.matmul(vector, buffer(2, 64), buffer(2, 1)), "does not multiply");
        refused(() -> backend.rmsNorm(buffer(2, 32), vector, 1f, buffer(2, 32)), "32", "64");
        refused(() -> backend.sample(buffer(2, 32)), "gathered");
        refused(() -> backend.bias(vector, buffer(2, 32)), "64", "32");
        refused(() -> backend.rmsNormAdd(buffer(2, 64), vector, 1f, buffer(2, 32)), "64", "32");
        refused(() -> backend.headNorm(buffer(2, SHAPE.fusedColumns()), SHAPE, vector, vector, 1f), "64", "32");
        refused(() -> backend.embed(weight, 1, buffer(2, 64)), "HostTable");
    }

    @Test
    void matricesThatDoNotFit() {
        HostMatrix one = lab.matrix(ElementType.F32, 5, 64);
        refused(() -> backend.weight(List.of()), "at least one");
        refused(() -> backend.weight(List.of(one, lab.matrix(ElementType.F32, 5, 32))), "32", "64");
        refused(() -> backend.gatedWeight(one, lab.matrix(ElementType.F32, 6, 64)), "6 x 64, not 5 x 64");
        refused(() -> backend.experts(List.of(one), List.of(one), List.of()), "0 downs");
        refused(() -> backend.experts(List.of(one), List.of(one), List.of(one)), "5 x 64, not 64 x 5");
        refused(() -> backend.vector(one), "one row");
        refused(() -> backend.kvCache(new KvCache.Shape(1, 1, 40, 1)), "40", "16");
    }

    @Test
    void expertsThatDoNotFit() {
        HostMatrix in = lab.matrix(ElementType.F32, 5, 64);
        ExpertWeights experts = backend.experts(List.of(in, in), List.of(in, in), List.of(down(), down()));
        backend.begin(Lab.step(2));
        Routing one = new Routing(1, true);
        HostBuffer x = buffer(2, 64);
        refused(() -> backend.experts(buffer(2, 3), one, experts, x, buffer(2, 64)), "3 columns");
        refused(() -> backend.experts(buffer(2, 2), new Routing(3, true), experts, x, buffer(2, 64)), "3 of 2");
        refused(() -> backend.experts(buffer(2, 2), one, experts, x, x), "same rows");
        refused(() -> new Routing(0, true), "0 experts");
        refused(() -> new AttentionShape(1, 1, 32, 1f, -2), "-2", "-1 for the whole sequence");
        refused(() -> new AttentionShape(5, 2, 32, 1f), "5 query heads do not share 2");
        refused(
                () -> new AttentionShape(5, 2, 32, 1f, 0, 3, 2, AttentionShape.Shared.NONE),
                "5 query heads after 2 others",
                "groups of 3");
    }

    @Test
    void rowsThatAreNotThere() {
        HostBuffer x = buffer(2, 8);
        assertThatThrownBy(() -> backend.read(x, 0, new float[8])).isInstanceOf(IllegalStateException.class);
        backend.begin(Lab.step(2));
        assertThatThrownBy(() -> backend.read(x, 0, new float[8])).isInstanceOf(IllegalStateException.class);
        backend.finish();
        refused(() -> backend.read(x, 2, new float[8]), "row 2 of 2");
        refused(() -> backend.read(x, 0, new float[7]), "7");
    }

    @Test
    void aPositionBeyondItsTable() {
        HostMatrix table = lab.matrix(ElementType.F32, 3, 8);
        backend.begin(Steps.tokens(0, 4));
        backend.addPositions(backend.table(table), buffer(4, 8));
        assertThatThrownBy(backend::finish).isInstanceOf(ComputeException.class).hasMessageContaining("position");
    }

    private HostMatrix down() {
        return lab.matrix(ElementType.F32, 64, 5);
    }

    @Test
    void whatIsNotOnesOwn() {
        try (HostBackend other = new JavaBackend()) {
            HostBuffer foreign = (HostBuffer) other.buffer(1, 32);
            backend.begin(Lab.step(1));
            refused(() -> backend.gather(foreign, buffer(1, 32)), "not this backend's");
        }
    }

    @Test
    void attentionThatDoesNotFitItsCache() {
        KvCache cache = backend.kvCache(new KvCache.Shape(2, 1, 64, 4));
        backend.begin(Lab.step(1));
        HostBuffer qkv = buffer(1, SHAPE.fusedColumns());
        refused(() -> backend.attention(qkv, SHAPE, cache, 0, buffer(1, 64)), "32", "64");
        KvCache fitting = backend.kvCache(new KvCache.Shape(2, 1, 32, 4));
        refused(() -> backend.attention(qkv, SHAPE, fitting, 2, buffer(1, 64)), "layer 2 of 2");
        refused(() -> backend.ropeAndStore(qkv, SHAPE, new Rope(new float[17], true, 1), fitting, 0), "34", "32");
    }

    private static void refused(ThrowingCallable call, String... words) {
        assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class).hasMessageContainingAll(words);
    }

    @Test
    void idsBeyondTheTable() {
        Weight table = backend.table(lab.matrix(ElementType.Q8_0, 7, 32));
        HostBuffer out = buffer(1, 32);
        for (int id : new int[] {7, -1, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            fails(step -> step.token(id, 0, 0), () -> backend.embed(table, 1, out), "embed", Integer.toString(id));
        }
        works(step -> step.token(6, 0, 0), () -> backend.embed(table, 1, out));
    }

    @Test
    void positionsSlotsAndBlocks() {
        KvCache cache = backend.kvCache(new KvCache.Shape(1, 1, 32, 4));
        HostBuffer qkv = buffer(1, SHAPE.fusedColumns());
        HostBuffer out = buffer(1, 64);
        Runnable attend = () -> {
            backend.ropeAndStore(qkv, SHAPE, ROPE, cache, 0);
            backend.attention(qkv, SHAPE, cache, 0, out);
        };
        fails(step -> step.token(0, 16, 0), attend, "16");
        fails(step -> step.token(0, -1, 0), attend, "-1");
        fails(step -> step.token(0, Integer.MAX_VALUE, 0), attend, "2147483647");
        fails(step -> step.token(0, 0, 64), attend, "64");
        fails(step -> step.token(0, 0, -3), attend, "-3");
        fails(
                step -> {
                    step.block(4);
                    step.token(0, 17, 0);
                },
                attend,
                "4");
        works(step -> step.token(0, 15, 63), attend);
    }

    @Test
    void logitsThatAreNotFinite() {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            float[][] logits = new float[1][70];
            logits[0][69] = bad;
            fails(step -> step.token(0, 0, 0), () -> sample(logits), "sample", "finite");
        }
    }

    @Test
    void idsBeyondTheVocabulary() {
        float[][] logits = new float[1][70];
        wanted((step, output) -> step.set(output, Output.TARGET, 70), logits, "70");
        wanted((step, output) -> step.set(output, Output.TARGET, -2), logits, "-2");
        wanted((step, output) -> step.bias(output, 70, 1f), logits, "70");
        wanted((step, output) -> step.allow(output, -1), logits, "-1");
        wanted((step, output) -> step.history(output, 71, true), logits, "71");
    }

    private void wanted(BiConsumer<StepInputs, Integer> ask, float[][] logits, String word) {
        StepInputs step = new StepInputs(new StepInputs.Limits(1, 1, 1, 1, 1));
        step.sequence();
        step.token(0, 0, 0);
        ask.accept(step, step.output());
        backend.begin(step);
        sample(logits);
        assertThatThrownBy(backend::finish).isInstanceOf(ComputeException.class).hasMessageContaining(word);
    }

    private void sample(float[][] logits) {
        HostBuffer gathered = (HostBuffer) backend.buffer(1, logits[0].length);
        backend.gather(Lab.buffer(backend, logits), gathered);
        backend.sample(gathered);
    }

    /** A step of one token in a sequence of one block fails, and the next one does not. */
    private void fails(Consumer<StepInputs> token, Runnable operations, String... words) {
        StepInputs step = new StepInputs(new StepInputs.Limits(2, 1, 1, 4, 1));
        step.sequence();
        step.block(1);
        token.accept(step);
        step.output();
        backend.begin(step);
        operations.run();
        assertThatThrownBy(backend::finish)
                .isInstanceOfSatisfying(
                        ComputeException.class, e -> assertThat(e.fatal()).isFalse())
                .hasMessageContainingAll(words);
        works(each -> each.token(0, 0, 0), () -> {});
    }

    private void works(Consumer<StepInputs> token, Runnable operations) {
        StepInputs step = new StepInputs(new StepInputs.Limits(1, 1, 1, 4, 1));
        step.sequence();
        step.block(1);
        token.accept(step);
        step.output();
        backend.begin(step);
        operations.run();
        assertThat(backend.finish()).isNotNull();
    }

    @Test
    void orderOfCalls() {
        HostBuffer x = buffer(1, 32);
        HostBuffer out = buffer(1, 32);
        assertThatThrownBy(() -> backend.gather(x, out)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(backend::finish).isInstanceOf(IllegalStateException.class);
        backend.begin(Lab.step(1));
        backend.finish();
        assertThatThrownBy(backend::finish).isInstanceOf(IllegalStateException.class);
        backend.close();
        backend.close();
        assertThatThrownBy(() -> backend.begin(Lab.step(1)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        assertThatThrownBy(() -> backend.buffer(1, 1)).isInstanceOf(IllegalStateException.class);
    }
}
