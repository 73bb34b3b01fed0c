package dev.skein.compute.cpu;

import dev.skein.compute.Activation;
import dev.skein.compute.AttentionShape;
import dev.skein.compute.ComputeException;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.KvCache;
import dev.skein.compute.Rope;
import dev.skein.compute.Routing;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepInputs.Region;
import dev.skein.compute.StepOutputs;
import dev.skein.compute.Weight;
import dev.skein.compute.cpu.CpuOptions.Isa;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Vector kernels in C on a pool of threads. Operations are written to a list in native memory; {@link #finish} has all of
 * them run in one native call, of which the calling thread is one.
 *
 * <p>An operation's failure, or NaN among logits, is a {@link ComputeException} of {@link #finish}; a step whose ids,
 * positions, slots or blocks are out of range fails before anything of it is computed.
 */
public final class CpuBackend extends HostBackend {
    private static final int STEP_BYTES = 112;
    private static final int STEP_POINTERS = 32;
    private static final int FAILURE_BYTES = 24;
    private static final int MATRIX_BYTES = 24;
    private static final Region[] REGIONS = Region.values();

    private final Isa isa;
    private final int threads;
    private final MemorySegment cpu;
    private final MemorySegment step;
    private final MemorySegment failure;
    private final CpuOps ops = new CpuOps();
    private final HostOutputs outputs = new HostOutputs();
    private final List<MemorySegment> caches = new ArrayList<>();
    private int lastPosition;

    /**
     * Starts the threads.
     *
     * @throws ComputeException if the processor lacks the instruction set, or the library is missing
     */
    public static CpuBackend create(CpuOptions options) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment settings = arena.allocate(16, 4);
            settings.set(ValueLayout.JAVA_INT, 0, options.threads());
            settings.set(ValueLayout.JAVA_INT, 4, code(options.isa()));
            settings.set(ValueLayout.JAVA_INT, 8, options.pin() ? 1 : 0);
            settings.set(ValueLayout.JAVA_INT, 12, options.spinMicros());
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            SkeinCpu.open(settings, out);
            return new CpuBackend(out.get(ValueLayout.ADDRESS, 0), options.threads());
        }
    }

    private CpuBackend(MemorySegment cpu, int threads) {
        this.cpu = cpu;
        this.threads = threads;
        step = arena().allocate(STEP_BYTES, 8);
        failure = arena().allocate(FAILURE_BYTES, 8);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment chosen = arena.allocate(ValueLayout.JAVA_INT);
            SkeinCpu.describe(cpu, chosen, arena.allocate(ValueLayout.JAVA_INT));
            isa = Isa.values()[chosen.get(ValueLayout.JAVA_INT, 0)];
        }
    }

    /**
     * Lets so many of the threads compute from the next step on; results stay the same.
     *
     * @param count 0, as at first: all that have a core, and one fewer while another program has it
     */
    void take(int count) {
        SkeinCpu.take(cpu, count);
    }

    /** {@code enum skein_isa}. */
    private static int code(Isa isa) {
        return switch (isa) {
            case AUTO -> 0;
            case AVX2 -> 1;
            case AVX512 -> 2;
            case VNNI -> 3;
            case JAVA -> throw new IllegalArgumentException("plain Java is JavaBackend's");
        };
    }

    /** Whether this processor has an instruction set; the library must be there. */
    static boolean has(Isa isa) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment isas = arena.allocate(ValueLayout.JAVA_INT);
            SkeinCpu.cpuIsas(isas);
            return (isas.get(ValueLayout.JAVA_INT, 0) >> code(isa) & 1) != 0;
        }
    }

    @Override
    public String description() {
        String name = isa == Isa.VNNI ? "avx512-vnni" : isa.name().toLowerCase(Locale.ROOT);
        return "cpu %s, %d thread%s".formatted(name, threads, threads == 1 ? "" : "s");
    }

    Isa isa() {
        return isa;
    }

    @Override
    Weight newWeight(List<HostMatrix> stacked) {
        int rows = stacked.stream().mapToInt(HostMatrix::rows).reduce(0, Math::addExact);
        return pack(stacked, rows, false);
    }

    @Override
    Weight newGatedWeight(HostMatrix gate, HostMatrix up) {
        return pack(List.of(gate, up), gate.rows(), true);
    }

    private CpuWeight pack(List<HostMatrix> parts, int rows, boolean gated) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment matrices = arena.allocate((long) MATRIX_BYTES * parts.size(), 8);
            for (int i = 0; i < parts.size(); i++) {
                describe(parts.get(i), matrices.asSlice((long) i * MATRIX_BYTES, MATRIX_BYTES));
            }
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            SkeinCpu.weightNew(cpu, matrices, parts.size(), gated ? 1 : 0, out);
            MemorySegment handle = out.get(ValueLayout.ADDRESS, 0);
            MemorySegment bytes = arena.allocate(ValueLayout.JAVA_LONG);
            SkeinCpu.weightBytes(handle, bytes);
            int columns = parts.getFirst().columns();
            return new CpuWeight(rows, columns, bytes.get(ValueLayout.JAVA_LONG, 0), gated, handle);
        }
    }

    private static void describe(HostMatrix matrix, MemorySegment into) {
        into.set(ValueLayout.ADDRESS, 0, matrix.data());
        into.set(ValueLayout.JAVA_INT, 8, matrix.type().ordinal());
        into.set(ValueLayout.JAVA_INT, 12, matrix.rows());
        into.set(ValueLayout.JAVA_INT, 16, matrix.columns());
    }

    @Override
    KvCache newKvCache(KvCache.Shape shape) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            SkeinCpu.cacheNew(shape.layers(), shape.heads(), shape.headSize(), shape.blocks(), out);
            MemorySegment handle = out.get(ValueLayout.ADDRESS, 0);
            caches.add(handle);
            return new CpuKvCache(shape, handle);
        }
    }

    @Override
    void onBegin(StepInputs inputs) {
        ops.clear();
        outputs.clear();
        lastPosition = lastPosition(inputs);
        step.set(ValueLayout.JAVA_INT, 0, inputs.tokens());
        step.set(ValueLayout.JAVA_INT, 4, inputs.sequences());
        step.set(ValueLayout.JAVA_INT, 8, inputs.outputs());
        step.set(ValueLayout.JAVA_INT, 12, inputs.used(Region.BLOCKS));
        step.set(ValueLayout.JAVA_INT, 16, inputs.used(Region.HISTORY));
        step.set(ValueLayout.JAVA_INT, 20, inputs.used(Region.BIAS) / 2);
        step.set(ValueLayout.JAVA_INT, 24, inputs.used(Region.ALLOWED));
        long address = inputs.memory().address();
        for (int region = 0; region < REGIONS.length; region++) {
            step.set(ValueLayout.JAVA_LONG, STEP_POINTERS + 8L * region, address + inputs.offset(REGIONS[region]));
        }
    }

    @Override
    void onEmbed(HostTable table, float scale, HostBuffer out) {
        ops.embed(table, scale, rows(out), out);
    }

    @Override
    void onRmsNorm(HostBuffer x, HostVector weight, float epsilon, HostBuffer out) {
        ops.rmsNorm(CpuOps.Kind.RMS_NORM, x, weight, epsilon, rows(x), out);
    }

    @Override
    void onRmsNormAdd(HostBuffer x, HostVector weight, float epsilon, HostBuffer inOut) {
        ops.rmsNorm(CpuOps.Kind.RMS_NORM_ADD, x, weight, epsilon, rows(x), inOut);
    }

    @Override
    void onLayerNorm(HostBuffer x, HostVector weight, HostVector bias, float epsilon, HostBuffer out) {
        ops.layerNorm(x, weight, bias, epsilon, rows(x), out);
    }

    @Override
    void onAddPositions(HostTable table, HostBuffer inOut) {
        ops.addPositions(table, rows(inOut), inOut);
    }

    @Override
    void onActivate(Activation activation, HostBuffer inOut) {
        ops.activate(activation, rows(inOut), inOut);
    }

    @Override
    void onBias(HostVector vector, HostBuffer inOut) {
        ops.bias(vector, rows(inOut), inOut);
    }

    @Override
    void onMatmul(Weight weight, HostBuffer x, HostBuffer out) {
        product(CpuOps.Kind.MATMUL, weight, x, out);
    }

    @Override
    void onMatmulAdd(Weight weight, HostBuffer x, HostBuffer inOut) {
        product(CpuOps.Kind.MATMUL_ADD, weight, x, inOut);
    }

    @Override
    void onGatedMatmul(Weight gateUp, Activation activation, HostBuffer x, HostBuffer out) {
        CpuWeight packed = (CpuWeight) gateUp;
        checkGated(packed.gated(), true);
        ops.gatedProduct(packed.handle(), activation, x, rows(x), out);
    }

    @Override
    void onExperts(HostBuffer logits, Routing routing, HostExperts experts, HostBuffer x, HostBuffer inOut) {
        ops.experts(logits, rows(x), routing, experts, x, inOut);
    }

    @Override
    void onHeadNorm(HostBuffer qkv, AttentionShape shape, HostVector queryNorm, HostVector keyNorm, float epsilon) {
        ops.headNorm(qkv, rows(qkv), shape, queryNorm, keyNorm, epsilon);
    }

    private void product(CpuOps.Kind kind, Weight weight, HostBuffer x, HostBuffer out) {
        CpuWeight packed = (CpuWeight) weight;
        checkGated(packed.gated(), false);
        ops.product(kind, packed.handle(), x, rows(x), out);
    }

    @Override
    void onRopeAndStore(HostBuffer qkv, AttentionShape shape, Rope rope, RopeTable table, KvCache cache, int layer) {
        table.upTo(lastPosition);
        ops.ropeAndStore(qkv, rows(qkv), shape, rope, table, (CpuKvCache) cache, layer);
    }

    /** The last position of a step that its blocks can hold: what is beyond fails when it runs. */
    private static int lastPosition(StepInputs inputs) {
        int last = 0;
        for (int token = 0; token < inputs.tokens(); token++) {
            last = Math.max(last, inputs.get(Region.POSITIONS, token));
        }
        return Math.min(last, inputs.used(Region.BLOCKS) * KvCache.BLOCK_SIZE);
    }

    @Override
    void onAttention(HostBuffer qkv, AttentionShape shape, KvCache cache, int layer, HostBuffer out) {
        ops.attention(qkv, rows(qkv), shape, (CpuKvCache) cache, layer, out);
    }

    @Override
    void onGather(HostBuffer x, HostBuffer out) {
        ops.gather(x, rows(out), out);
    }

    @Override
    void onSample(HostBuffer logits) {
        outputs.prepare(step(), logits.columns());
        ops.sample(logits, rows(logits), outputs);
    }

    @Override
    void onFlush() {
        if (ops.count() > 0) {
            run();
            ops.clear();
        }
    }

    @Override
    StepOutputs onFinish() {
        run();
        return outputs;
    }

    private void run() {
        int status = SkeinCpu.run(cpu, step, ops.list(), ops.count(), failure);
        if (status != 0) {
            throw failed(status);
        }
    }

    private ComputeException failed(int status) {
        int op = failure.get(ValueLayout.JAVA_INT, 0);
        String what = ops.count() == 0 ? "step" : ops.kind(op).name().toLowerCase(Locale.ROOT);
        return new ComputeException(
                "%s (operation %d) failed with status %d: %s; row %d has %d, bound %d"
                        .formatted(
                                what,
                                op,
                                status,
                                SkeinCpu.statusText(status),
                                failure.get(ValueLayout.JAVA_INT, 4),
                                failure.get(ValueLayout.JAVA_LONG, 8),
                                failure.get(ValueLayout.JAVA_LONG, 16)),
                status < SkeinCpu.NOT_FATAL_FROM);
    }

    @Override
    void onClose() {
        caches.forEach(SkeinCpu::cacheFree);
        SkeinCpu.close(cpu);
        ops.close();
        outputs.close();
    }
}
