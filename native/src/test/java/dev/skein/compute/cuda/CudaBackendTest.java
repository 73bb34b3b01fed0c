package dev.skein.compute.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.skein.compute.Activation;
import dev.skein.compute.Buffer;
import dev.skein.compute.ComputeException;
import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.KvCache;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepOutputs;
import dev.skein.compute.Weight;
import dev.skein.compute.cpu.JavaBackend;
import dev.skein.compute.cuda.MiniModel.Part;
import dev.skein.compute.cuda.MiniModel.Sequence;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The backend against plain Java, and against itself with the same tokens in other steps. */
class CudaBackendTest {
    /** Of a logprob: weights are the same, but products read activations of 8 bits. */
    private static final float ROUNDED = 0.1f;

    private static final long SEED = 7;

    private CudaBackend backend;

    @BeforeEach
    void open() {
        byte[] image;
        try (CudaContext context = TestDevice.open()) {
            image = TestDevice.image(context);
        }
        backend = CudaBackend.create(0, image);
    }

    @AfterEach
    void close() {
        if (backend != null) {
            backend.close();
        }
    }

    @Test
    void aModelComputesWhatPlainJavaDoes() {
        MiniModel here = new MiniModel(backend, SEED);
        MiniModel there = new MiniModel(new JavaBackend(), SEED);
        List<Sequence> sequences = MiniModel.sequences(new Random(SEED), 150, 1, 33, 18);
        for (List<Part> step :
                List.of(parts(sequences, 0, 20, 1, 30, 0), parts(sequences, 20, 149, 1, 31, 17), last(sequences))) {
            float[][] got = here.step(step);
            float[][] expected = there.step(step);
            for (int part = 0; part < got.length; part++) {
                assertThat(got[part])
                        .as("part %d of %s, seed %d", part, step, SEED)
                        .containsExactly(expected[part], within(ROUNDED));
            }
        }
        there.close();
    }

    /** From one position of the first sequence to another, and the others up to a position, from wherever they were. */
    private static List<Part> parts(List<Sequence> sequences, int from, int to, int second, int third, int fourth) {
        return switch (from) {
            case 0 ->
                List.of(
                        new Part(sequences.get(0), 0, to),
                        new Part(sequences.get(1), 0, second),
                        new Part(sequences.get(2), 0, third));
            default ->
                List.of(
                        new Part(sequences.get(2), third - 1, third),
                        new Part(sequences.get(0), from, to),
                        new Part(sequences.get(3), 0, fourth));
        };
    }

    private static List<Part> last(List<Sequence> sequences) {
        return List.of(
                new Part(sequences.get(0), 149, 150),
                new Part(sequences.get(2), 31, 33),
                new Part(sequences.get(3), 17, 18));
    }

    @Test
    void aTokenGetsTheSameBitsInAnyStep() {
        MiniModel model = new MiniModel(backend, SEED);
        List<Sequence> sequences = MiniModel.sequences(new Random(SEED), 140, 50);
        Sequence one = sequences.get(0);
        float[] whole = model.step(List.of(new Part(one, 0, 140)))[0];
        model.step(List.of(new Part(one, 0, 60)));
        model.step(List.of(new Part(sequences.get(1), 0, 50), new Part(one, 60, 139)));
        assertThat(model.step(List.of(new Part(one, 139, 140)))[0]).as("alone").isEqualTo(whole);
        assertThat(model.step(List.of(new Part(sequences.get(1), 40, 50), new Part(one, 139, 140)))[1])
                .as("beside another")
                .isEqualTo(whole);
    }

    @Test
    void anotherThreadMayTakeOver() throws InterruptedException {
        MiniModel model = new MiniModel(backend, SEED);
        List<Sequence> sequences = MiniModel.sequences(new Random(SEED), 5);
        float[][] there = new float[1][];
        Thread.ofPlatform()
                .start(() -> there[0] = model.step(List.of(new Part(sequences.get(0), 0, 5)))[0])
                .join();
        assertThat(model.step(List.of(new Part(sequences.get(0), 0, 5)))[0]).isEqualTo(there[0]);
    }

    @Test
    void whatIsOutOfRangeFailsTheStepAndNothingElse() {
        MiniModel model = new MiniModel(backend, SEED);
        fails(model, MiniModel.VOCABULARY, 0, 0, 0, "embed failed: id 61 is not in 0..60");
        fails(model, -1, 0, 0, 0, "embed failed: id -1 is not in 0..60");
        fails(model, 0, 16, 0, 0, "step failed: position 16 of row 0 is not in 0..15");
        fails(model, 0, 0, 16 * MiniModel.BLOCKS, 0, "ropeAndStore failed: slot 640 is not in 0..639");
        fails(model, 0, 0, 0, MiniModel.BLOCKS, "attention failed: block 40 is not in 0..39");
        List<Sequence> sequences = MiniModel.sequences(new Random(SEED), 3);
        assertThat(model.step(List.of(new Part(sequences.get(0), 0, 3)))[0]).doesNotContain(Float.NaN);
    }

    private static void fails(MiniModel model, int id, int position, int slot, int block, String message) {
        StepInputs inputs = new StepInputs(new StepInputs.Limits(1, 1, 1, 1, 1));
        inputs.sequence();
        inputs.block(block);
        inputs.token(id, position, slot);
        inputs.output();
        assertThatThrownBy(() -> model.run(inputs))
                .isInstanceOfSatisfying(
                        ComputeException.class, e -> assertThat(e.fatal()).isFalse())
                .hasMessage(message);
        inputs.close();
    }

    @Test
    void whatDoesNotFitIsRefusedByName() {
        try (Arena arena = Arena.ofConfined()) {
            HostMatrix odd = matrix(arena, 4, 24);
            assertThatThrownBy(() -> backend.weight(List.of(odd)))
                    .hasMessage("odd has 24 columns; the CUDA kernels need a multiple of 16");
            assertThatThrownBy(() -> backend.kvCache(new KvCache.Shape(1, 1, 48, 1)))
                    .hasMessage("heads of 48 elements; the CUDA kernels have those of [32, 64, 80, 96, 128, 256]");
            Weight weight = backend.weight(List.of(matrix(arena, 16, 16)));
            Buffer x = backend.buffer(1, 16);
            assertThatThrownBy(() -> backend.matmul(weight, x, backend.buffer(1, 16)))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("no step has begun");
            backend.begin(one());
            assertThatThrownBy(() -> backend.gatedMatmul(weight, Activation.SILU, x, backend.buffer(1, 16)))
                    .hasMessage("a weight in the form GATED_TILES is needed, not TILES");
            assertThatThrownBy(() -> backend.matmul(weight, x, x))
                    .hasMessage("an operation cannot write over what it reads");
            StepOutputs outputs = backend.finish();
            assertThatThrownBy(() -> outputs.id(0)).isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    private static HostMatrix matrix(Arena arena, int rows, int columns) {
        MemorySegment data = arena.allocate(4L * rows * columns, 4);
        return new HostMatrix("odd", ElementType.F32, rows, columns, data);
    }

    private static StepInputs one() {
        StepInputs inputs = new StepInputs(new StepInputs.Limits(1, 1, 1, 1, 1));
        inputs.sequence();
        inputs.block(0);
        inputs.token(0, 0, 0);
        return inputs;
    }
}
