package dev.skein.compute.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.skein.compute.Activation;
import dev.skein.compute.Buffer;
import dev.skein.compute.ComputeException;
import dev.skein.compute.DeviceGauges;
import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.KvCache;
import dev.skein.compute.OwnMemory;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepInputs.Output;
import dev.skein.compute.StepOutputs;
import dev.skein.compute.Weight;
import dev.skein.compute.cpu.HostRows;
import dev.skein.compute.cpu.JavaBackend;
import dev.skein.compute.cuda.MiniModel.Part;
import dev.skein.compute.cuda.MiniModel.Sequence;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The backend against plain Java, and against itself with the same tokens in other steps. */
class CudaBackendTest {
    /** Of a logprob: weights are the same, but products read activations of 8 bits. */
    private static final float ROUNDED = 0.1f;

    private static final long SEED = 7;
    private static final int VOCABULARY = 20;

    private CudaBackend backend;
    private byte[] image;

    @BeforeEach
    void open() {
        try (CudaContext context = TestDevice.open()) {
            image = TestDevice.image(context);
        }
        backend = CudaBackend.create(0, image, true, true);
    }

    @AfterEach
    void close() {
        if (backend != null) {
            backend.close();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aModelComputesWhatPlainJavaDoes(boolean sameBits) {
        backend.close();
        backend = CudaBackend.create(0, image, true, sameBits);
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

    /** Three rows are computed as four, two as two; the second step of a kind is the first that is replayed. */
    @Test
    void aReplayedStepGivesTheBitsOfOneThatWasLaunched() {
        CudaBackend eager = CudaBackend.create(0, image, false, true);
        MiniModel replayed = new MiniModel(backend, SEED);
        MiniModel launched = new MiniModel(eager, SEED);
        List<Sequence> sequences = MiniModel.sequences(new Random(SEED), 140, 33, 18);
        List<List<Part>> steps = new ArrayList<>();
        steps.add(upTo(sequences, 10));
        for (int left = 10; left > 6; left--) {
            steps.add(next(sequences, left));
        }
        for (int left = 6; left > 3; left--) {
            steps.add(next(sequences.subList(0, 2), left));
        }
        steps.add(next(sequences, 3));
        for (List<Part> step : steps) {
            assertThat(replayed.step(step)).as("%s, seed %d", step, SEED).isDeepEqualTo(launched.step(step));
        }
        assertThat(backend.graphs().captured()).isEqualTo(2);
        assertThat(backend.graphs().replays()).isEqualTo(6);
        assertThat(eager.graphs().captured()).isZero();
        launched.close();
    }

    /** Launched, captured and replayed: each time two steps under way, of which the second has the ids that the first brings. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aStepMayNameTheIdsOfTheOneBefore(boolean graphs) {
        CudaBackend device = graphs ? backend : CudaBackend.create(0, image, false, true);
        MiniModel model = new MiniModel(device, SEED);
        List<Sequence> sequences = MiniModel.sequences(new Random(SEED), 40, 21);
        model.step(upTo(sequences, 8));
        for (int left = 8; left > 2; left -= 2) {
            submit(model, sequences, left, id(sequences, 0, left), id(sequences, 1, left));
            List<Sequence> turned = sequences.reversed();
            submit(model, turned, left - 1, -2, -1);
            StepOutputs outputs = device.finish();
            int[] ids = {outputs.id(0), outputs.id(1)};
            outputs = device.finish();
            float[] logprobs = {outputs.logprob(0), outputs.logprob(1)};
            submit(model, turned, left - 1, ids[1], ids[0]);
            outputs = device.finish();
            assertThat(logprobs).as("seed %d", SEED).containsExactly(outputs.logprob(0), outputs.logprob(1));
        }
        assertThatThrownBy(device::finish).isInstanceOf(IllegalStateException.class);
        submit(model, sequences, 2, -1, 0);
        assertThatThrownBy(device::finish).hasMessage("embed failed: id -1 is not in 0..60");
        model.close();
    }

    private static int id(List<Sequence> sequences, int index, int left) {
        int[] ids = sequences.get(index).ids();
        return ids[ids.length - left];
    }

    /** A token of each sequence, so many before its last, and the likeliest id that follows. */
    private static void submit(MiniModel model, List<Sequence> sequences, int left, int... ids) {
        StepInputs inputs = new StepInputs(new StepInputs.Limits(8, 8, 8, MiniModel.BLOCKS, 1));
        for (int i = 0; i < ids.length; i++) {
            int[] blocks = sequences.get(i).blocks();
            int position = sequences.get(i).ids().length - left;
            inputs.sequence();
            for (int block : blocks) {
                inputs.block(block);
            }
            inputs.token(
                    ids[i],
                    position,
                    blocks[position / KvCache.BLOCK_SIZE] * KvCache.BLOCK_SIZE + position % KvCache.BLOCK_SIZE);
            inputs.set(inputs.output(), Output.LOGPROBS, 0);
        }
        model.submit(inputs);
        inputs.close();
    }

    private static List<Part> upTo(List<Sequence> sequences, int left) {
        return sequences.stream()
                .map(each -> new Part(each, 0, each.ids().length - left))
                .toList();
    }

    private static List<Part> next(List<Sequence> sequences, int left) {
        return sequences.stream()
                .map(each -> new Part(each, each.ids().length - left, each.ids().length - left + 1))
                .toList();
    }

    /** What a graph was captured with is gone when memory was freed: it is captured anew. */
    @Test
    void graphsDoNotOutliveMemory() {
        MiniModel model = new MiniModel(backend, SEED);
        List<Sequence> sequences = MiniModel.sequences(new Random(SEED), 30);
        model.step(upTo(sequences, 10));
        model.step(next(sequences, 10));
        float[][] replayed = model.step(next(sequences, 10));
        backend.context().free(backend.context().allocate(16));
        assertThat(model.step(next(sequences, 10))).isDeepEqualTo(replayed);
        assertThat(backend.graphs().captured()).isEqualTo(1);
        assertThat(backend.graphs().replays()).isEqualTo(1);
    }

    @Test
    void rowsAreRoundedUp() {
        assertThat(IntStream.of(1, 2, 3, 5, 8, 9, 64, 120, 121, 130, 250, 256, 257, 1000)
                        .map(CudaStep::bucket))
                .containsExactly(1, 2, 4, 8, 8, 16, 64, 120, 128, 144, 256, 256, 288, 1024);
    }

    /** Rows of all counts at which another kernel takes over, of weights in four bits and of the same weights as bf16. */
    @ParameterizedTest
    @EnumSource(names = {"Q4_0", "Q4_1"})
    void fourBitsGiveTheBitsOfBf16(ElementType type) {
        int rows = 21;
        int columns = 96;
        Random random = new Random(SEED);
        try (Arena arena = Arena.ofShared()) {
            HostMatrix quantised = quantised(arena, random, type, rows, columns);
            HostMatrix expanded = expanded(arena, quantised);
            HostMatrix square = quantised(arena, random, type, columns, columns);
            HostMatrix squareExpanded = expanded(arena, square);
            HostMatrix input = table(arena, random, columns);
            Weight table = backend.table(input);
            List<Weight> weights =
                    List.of(backend.weight(List.of(quantised, quantised)), backend.weight(List.of(expanded, expanded)));
            List<Weight> gated =
                    List.of(backend.gatedWeight(square, square), backend.gatedWeight(squareExpanded, squareExpanded));
            assertThat(weights.get(0).bytes()).isLessThan(weights.get(1).bytes());
            for (int tokens : new int[] {1, 9, 33, 257}) {
                assertThat(product(weights.get(0), gated.get(0), table, tokens))
                        .as("%d tokens", tokens)
                        .isEqualTo(product(weights.get(1), gated.get(1), table, tokens));
            }
        }
    }

    /** Logprobs of some of what a gated product, then a plain one, make of rows. */
    private List<Float> product(Weight weight, Weight gated, Weight table, int tokens) {
        Buffer x = backend.buffer(tokens, table.columns());
        Buffer inner = backend.buffer(tokens, gated.rows());
        Buffer logits = backend.buffer(tokens, weight.rows());
        Buffer gathered = backend.buffer(tokens, weight.rows());
        StepInputs step = new StepInputs(new StepInputs.Limits(tokens, tokens, tokens, tokens, 1));
        for (int token = 0; token < tokens; token++) {
            step.sequence();
            step.block(token);
            step.token(token % VOCABULARY, 0, token);
            if (token % 16 == (tokens - 1) % 16) {
                int output = step.output();
                step.set(output, StepInputs.Output.TARGET, token % weight.rows());
                step.set(output, StepInputs.Output.LOGPROBS, 0);
            }
        }
        backend.begin(step);
        backend.embed(table, 1, x);
        backend.gatedMatmul(gated, Activation.SILU, x, inner);
        backend.matmul(weight, inner, logits);
        backend.gather(logits, gathered);
        backend.sample(gathered);
        StepOutputs outputs = backend.finish();
        List<Float> all = new ArrayList<>();
        for (int output = 0; output < step.outputs(); output++) {
            all.add(outputs.logprob(output));
        }
        step.close();
        return all;
    }

    private static HostMatrix table(Arena arena, Random random, int columns) {
        MemorySegment data = arena.allocate(4L * VOCABULARY * columns, 4);
        for (long i = 0; i < (long) VOCABULARY * columns; i++) {
            data.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
        }
        return new HostMatrix("table", ElementType.F32, VOCABULARY, columns, data);
    }

    private static HostMatrix quantised(Arena arena, Random random, ElementType type, int rows, int columns) {
        MemorySegment data = arena.allocate(rows * type.rowBytes(columns), 4);
        for (long at = 0; at < data.byteSize(); at++) {
            data.set(ValueLayout.JAVA_BYTE, at, (byte) random.nextInt());
        }
        for (long block = 0; block < data.byteSize(); block += type.blockBytes()) {
            for (long at = block; at < block + type.blockBytes() - 16; at += 2) {
                short half = Float.floatToFloat16((float) random.nextGaussian() / 8);
                data.set(ValueLayout.JAVA_SHORT_UNALIGNED, at, half);
            }
        }
        return new HostMatrix("quantised", type, rows, columns, data);
    }

    private static HostMatrix expanded(Arena arena, HostMatrix quantised) {
        boolean minimum = quantised.type() == ElementType.Q4_1;
        int header = minimum ? 4 : 2;
        MemorySegment data = arena.allocate(4L * quantised.rows() * quantised.columns(), 4);
        for (int block = 0; block < quantised.rows() * quantised.columns() / 32; block++) {
            long from = (long) block * quantised.type().blockBytes();
            float d = half(quantised, from);
            for (int i = 0; i < 32; i++) {
                int both = quantised.data().get(ValueLayout.JAVA_BYTE, from + header + i % 16) & 0xFF;
                int q = i < 16 ? both & 15 : both >> 4;
                float value = minimum ? Math.fma(d, q, half(quantised, from + 2)) : d * (q - 8);
                data.setAtIndex(ValueLayout.JAVA_FLOAT, 32L * block + i, value);
            }
        }
        return new HostMatrix("expanded", ElementType.F32, quantised.rows(), quantised.columns(), data);
    }

    private static float half(HostMatrix matrix, long at) {
        return Float.float16ToFloat(matrix.data().get(ValueLayout.JAVA_SHORT_UNALIGNED, at));
    }

    /** What the kernels do not read is made bf16 on the way in, as what they do read is on the device. */
    @ParameterizedTest
    @EnumSource(names = {"Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"})
    void otherTypesGiveTheBitsOfTheirElements(ElementType type) {
        Random random = new Random(SEED);
        try (Arena arena = Arena.ofShared()) {
            HostMatrix table = table(arena, random, 256);
            HostMatrix quantised = wellFormed(arena, random, type, 24, 256);
            MemorySegment data = arena.allocate(4L * 24 * 256, 4);
            for (int row = 0; row < 24; row++) {
                float[] values = new float[256];
                HostRows.read(quantised, row, values);
                MemorySegment.copy(values, 0, data, ValueLayout.JAVA_FLOAT, 4L * 256 * row, 256);
            }
            HostMatrix floats = new HostMatrix("floats", ElementType.F32, 24, 256, data);
            Weight input = backend.table(table);
            Weight gate = backend.gatedWeight(square(arena, random), square(arena, random));
            assertThat(product(backend.weight(List.of(quantised)), gate, input, 17))
                    .isEqualTo(product(backend.weight(List.of(floats)), gate, input, 17))
                    .doesNotContain(Float.NaN);
        }
    }

    private static HostMatrix square(Arena arena, Random random) {
        return quantised(arena, random, ElementType.Q4_0, 256, 256);
    }

    /** Random bits but for the halves that each block begins or ends with, which are small. */
    private static HostMatrix wellFormed(Arena arena, Random random, ElementType type, int rows, int columns) {
        MemorySegment data = arena.allocate(rows * type.rowBytes(columns), 2);
        for (long at = 0; at < data.byteSize(); at++) {
            data.set(ValueLayout.JAVA_BYTE, at, (byte) random.nextInt());
        }
        short[] halves = {Float.floatToFloat16(1f / 64), Float.floatToFloat16(-1f / 32)};
        for (long block = 0; block < data.byteSize(); block += type.blockBytes()) {
            long from = switch (type) {
                case Q2_K -> 80;
                case Q3_K -> 108;
                case Q6_K -> 208;
                default -> 0;
            };
            int count = type.name().matches("Q(2|4|5)_K|Q5_1") ? 2 : 1;
            for (int i = 0; i < count; i++) {
                data.set(ValueLayout.JAVA_SHORT_UNALIGNED, block + from + 2 * i, halves[i]);
            }
        }
        return new HostMatrix("quantised", type, rows, columns, data);
    }

    @Test
    void theGpuSaysHowItIs() {
        if (!TestDevice.emulated(backend.context())) {
            backend.gauges()
                    .ifPresent(
                            real -> assertThat(real.memoryUsed()).isPositive().isLessThanOrEqualTo(real.memoryTotal()));
            return;
        }
        assertThat(backend.gauges()).as("without the library").isEmpty();
        backend.close();
        System.setProperty(Nvml.LIBRARY_PROPERTY, System.getProperty(CudaDriver.LIBRARY_PROPERTY));
        try {
            backend = CudaBackend.create(0, image, true, true);
            backend.buffer(100, 100);
            DeviceGauges gauges = backend.gauges().orElseThrow();
            assertThat(gauges.memoryUsed()).isGreaterThanOrEqualTo(40_000);
            assertThat(gauges).isEqualTo(new DeviceGauges(0.37, gauges.memoryUsed(), gauges.memoryTotal(), 45, 123.4));
            assertThat(gauges.memoryTotal())
                    .isEqualTo(backend.context().device().bytes());
        } finally {
            System.clearProperty(Nvml.LIBRARY_PROPERTY);
        }
    }

    @Test
    void sizesAreKnownBeforehand() {
        OwnMemory memory = backend.memory().orElseThrow();
        Random random = new Random(SEED);
        try (Arena arena = Arena.ofShared()) {
            HostMatrix bits = quantised(arena, random, ElementType.Q4_0, 40, 96);
            HostMatrix floats = table(arena, random, 96);
            assertThat(memory.weightBytes(List.of(ElementType.Q4_0, ElementType.Q4_0), 80, 96))
                    .isEqualTo(backend.weight(List.of(bits, bits)).bytes())
                    .isEqualTo(backend.gatedWeight(bits, bits).bytes());
            assertThat(memory.weightBytes(List.of(ElementType.Q4_0, ElementType.F32), 60, 96))
                    .isEqualTo(backend.weight(List.of(bits, floats)).bytes());
            assertThat(memory.tableBytes(VOCABULARY, 96))
                    .isEqualTo(backend.table(floats).bytes());
            HostMatrix square = quantised(arena, random, ElementType.Q4_1, 32, 32);
            List<HostMatrix> two = List.of(square, square);
            assertThat(6 * memory.expertBytes(32, 32))
                    .isEqualTo(backend.experts(two, two, two).bytes());
            long before = memory.freeBytes();
            // Large: a driver hands out memory by the MiB.
            backend.buffer(1024, 16384);
            assertThat(before - memory.freeBytes()).isBetween(64L << 20, 68L << 20);
            assertThat(memory.totalBytes()).isGreaterThan(before);
        }
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
