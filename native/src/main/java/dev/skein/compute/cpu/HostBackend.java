package dev.skein.compute.cpu;

import dev.skein.compute.AttentionShape;
import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.KvCache;
import dev.skein.compute.Rope;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepOutputs;
import dev.skein.compute.Weight;
import java.lang.foreign.Arena;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What all backends in this process's memory share: who owns what, the order of calls, and that shapes fit each other,
 * all checked when an operation is enqueued ({@link IllegalArgumentException}, {@link IllegalStateException}).
 */
abstract sealed class HostBackend implements Backend permits CpuBackend, JavaBackend {
    /** Elements of a head come in whole vectors of lanes. */
    private static final int HEAD_UNIT = Arithmetic.LANES;

    private static final int ALIGNMENT = 64;

    private final Arena arena = Arena.ofShared();
    private final Set<Object> owned = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Map<Rope, RopeTable> ropes = new IdentityHashMap<>();
    private @Nullable StepInputs step;
    private boolean stepping;
    private boolean closed;

    // Memory

    @Override
    public final Weight weight(List<HostMatrix> stacked) {
        checkOpen();
        if (stacked.isEmpty()) {
            throw new IllegalArgumentException("a weight is at least one matrix");
        }
        HostMatrix first = stacked.getFirst();
        for (HostMatrix each : stacked) {
            if (each.type() != first.type() || each.columns() != first.columns()) {
                throw new IllegalArgumentException("%s: %d columns of %s cannot be stacked on %d columns of %s of %s"
                        .formatted(
                                each.name(), each.columns(), each.type(), first.columns(), first.type(), first.name()));
            }
        }
        return own(newWeight(List.copyOf(stacked)));
    }

    @Override
    public final Weight gatedWeight(HostMatrix gate, HostMatrix up) {
        checkOpen();
        if (gate.type() != up.type() || gate.columns() != up.columns() || gate.rows() != up.rows()) {
            throw new IllegalArgumentException("gate is %d x %d of %s, up %d x %d of %s: they must be alike"
                    .formatted(gate.rows(), gate.columns(), gate.type(), up.rows(), up.columns(), up.type()));
        }
        return own(newGatedWeight(gate, up));
    }

    @Override
    public final Weight table(HostMatrix matrix) {
        checkOpen();
        return own(new HostTable(matrix));
    }

    @Override
    public final Weight vector(HostMatrix matrix) {
        checkOpen();
        return own(HostVector.of(matrix, arena));
    }

    @Override
    public final Buffer buffer(int maxRows, int columns) {
        checkOpen();
        if (maxRows <= 0 || columns <= 0) {
            throw new IllegalArgumentException("a buffer of %d x %d".formatted(maxRows, columns));
        }
        long bytes = Math.multiplyExact(4L * maxRows, columns);
        return own(new HostBuffer(maxRows, columns, arena.allocate(bytes, ALIGNMENT)));
    }

    @Override
    public final KvCache kvCache(KvCache.Shape shape) {
        checkOpen();
        if (shape.headSize() % HEAD_UNIT != 0) {
            throw new IllegalArgumentException(
                    "heads of %d elements; this backend needs a multiple of %d".formatted(shape.headSize(), HEAD_UNIT));
        }
        return own(newKvCache(shape));
    }

    // A step

    @Override
    public final void begin(StepInputs inputs) {
        checkOpen();
        if (step == null) {
            step = new StepInputs(inputs.limits());
        }
        step.copyFrom(inputs);
        stepping = true;
        onBegin(step);
    }

    @Override
    public final void embed(Weight table, Buffer out) {
        HostTable from = owned(table, HostTable.class);
        HostBuffer to = owned(out);
        checkColumns("table", from.columns(), "out", to.columns());
        produce(to, false);
        onEmbed(from, to);
    }

    @Override
    public final void rmsNorm(Buffer x, Weight weight, float epsilon, Buffer out) {
        HostBuffer from = owned(x);
        HostVector by = owned(weight, HostVector.class);
        HostBuffer to = owned(out);
        checkColumns("x", from.columns(), "weight", by.columns());
        checkColumns("x", from.columns(), "out", to.columns());
        produce(to, from.gathered());
        onRmsNorm(from, by, epsilon, to);
    }

    @Override
    public final void matmul(Weight weight, Buffer x, Buffer out) {
        checkMatmul(weight, x, out);
        produce(owned(out), owned(x).gathered());
        onMatmul(weight, owned(x), owned(out));
    }

    @Override
    public final void matmulAdd(Weight weight, Buffer x, Buffer inOut) {
        checkMatmul(weight, x, inOut);
        if (owned(inOut).gathered() != owned(x).gathered()) {
            throw new IllegalArgumentException("only one of x and inOut is gathered");
        }
        onMatmulAdd(weight, owned(x), owned(inOut));
    }

    @Override
    public final void gatedMatmul(Weight gateUp, Buffer x, Buffer out) {
        checkMatmul(gateUp, x, out);
        produce(owned(out), owned(x).gathered());
        onGatedMatmul(gateUp, owned(x), owned(out));
    }

    @Override
    public final void ropeAndStore(Buffer qkv, AttentionShape shape, Rope rope, KvCache cache, int layer) {
        HostBuffer rows = owned(qkv);
        checkAttention(rows, shape, cache, layer);
        if (rope.dimensions() > shape.headSize()) {
            throw new IllegalArgumentException(
                    "a rope of %d elements, heads of %d".formatted(rope.dimensions(), shape.headSize()));
        }
        RopeTable table = ropes.get(rope);
        if (table == null) {
            table = new RopeTable(rope);
            ropes.put(rope, table);
        }
        onRopeAndStore(rows, shape, rope, table, cache, layer);
    }

    @Override
    public final void attention(Buffer qkv, AttentionShape shape, KvCache cache, int layer, Buffer out) {
        HostBuffer rows = owned(qkv);
        HostBuffer to = owned(out);
        checkAttention(rows, shape, cache, layer);
        checkColumns("query heads", shape.queryHeads() * shape.headSize(), "out", to.columns());
        produce(to, false);
        onAttention(rows, shape, cache, layer, to);
    }

    @Override
    public final void gather(Buffer x, Buffer out) {
        HostBuffer from = owned(x);
        HostBuffer to = owned(out);
        checkColumns("x", from.columns(), "out", to.columns());
        if (from == to || from.gathered()) {
            throw new IllegalArgumentException("only another buffer of the step's tokens can be gathered");
        }
        produce(to, true);
        onGather(from, to);
    }

    @Override
    public final void sample(Buffer logits) {
        HostBuffer rows = owned(logits);
        if (!rows.gathered()) {
            throw new IllegalArgumentException("logits were not computed from gathered rows");
        }
        onSample(rows);
    }

    @Override
    public final StepOutputs finish() {
        checkStepping();
        stepping = false;
        return onFinish();
    }

    @Override
    public final void close() {
        if (closed) {
            return;
        }
        closed = true;
        stepping = false;
        onClose();
        ropes.values().forEach(RopeTable::close);
        if (step != null) {
            step.close();
        }
        arena.close();
    }

    // For those below

    final Arena arena() {
        return arena;
    }

    /** The step's inputs, copied. */
    final StepInputs step() {
        checkStepping();
        if (step == null) {
            throw new IllegalStateException("no step has begun");
        }
        return step;
    }

    final int rows(HostBuffer buffer) {
        return buffer.gathered() ? step().outputs() : step().tokens();
    }

    abstract Weight newWeight(List<HostMatrix> stacked);

    abstract Weight newGatedWeight(HostMatrix gate, HostMatrix up);

    abstract KvCache newKvCache(KvCache.Shape shape);

    abstract void onBegin(StepInputs step);

    abstract void onEmbed(HostTable table, HostBuffer out);

    abstract void onRmsNorm(HostBuffer x, HostVector weight, float epsilon, HostBuffer out);

    abstract void onMatmul(Weight weight, HostBuffer x, HostBuffer out);

    abstract void onMatmulAdd(Weight weight, HostBuffer x, HostBuffer inOut);

    abstract void onGatedMatmul(Weight gateUp, HostBuffer x, HostBuffer out);

    abstract void onRopeAndStore(
            HostBuffer qkv, AttentionShape shape, Rope rope, RopeTable table, KvCache cache, int layer);

    abstract void onAttention(HostBuffer qkv, AttentionShape shape, KvCache cache, int layer, HostBuffer out);

    abstract void onGather(HostBuffer x, HostBuffer out);

    abstract void onSample(HostBuffer logits);

    abstract StepOutputs onFinish();

    abstract void onClose();

    // Checks

    private <T> T own(T made) {
        owned.add(made);
        return made;
    }

    private HostBuffer owned(Buffer buffer) {
        return owned(buffer, HostBuffer.class);
    }

    private <T> T owned(Object made, Class<T> type) {
        checkStepping();
        if (!owned.contains(made)) {
            throw new IllegalArgumentException(made + " is not this backend's");
        }
        if (!type.isInstance(made)) {
            throw new IllegalArgumentException("a %s is needed, not a %s"
                    .formatted(type.getSimpleName(), made.getClass().getSimpleName()));
        }
        return type.cast(made);
    }

    private void checkMatmul(Weight weight, Buffer x, Buffer out) {
        owned(weight, Weight.class);
        if (weight instanceof HostTable || weight instanceof HostVector) {
            throw new IllegalArgumentException("a table or a vector does not multiply");
        }
        if (owned(x) == owned(out)) {
            throw new IllegalArgumentException("a product cannot replace its own factor");
        }
        checkColumns("weight", weight.columns(), "x", x.columns());
        checkColumns("weight's rows", weight.rows(), "out", out.columns());
    }

    private void checkAttention(HostBuffer qkv, AttentionShape shape, KvCache cache, int layer) {
        owned(cache, KvCache.class);
        KvCache.Shape held = cache.shape();
        checkColumns("qkv", qkv.columns(), "attention", shape.fusedColumns());
        if (held.heads() != shape.kvHeads() || held.headSize() != shape.headSize()) {
            throw new IllegalArgumentException("attention has %d heads of %d, the cache %d of %d"
                    .formatted(shape.kvHeads(), shape.headSize(), held.heads(), held.headSize()));
        }
        if (layer < 0 || layer >= held.layers()) {
            throw new IllegalArgumentException("layer %d of %d".formatted(layer, held.layers()));
        }
        if (qkv.gathered()) {
            throw new IllegalArgumentException("attention needs all tokens of the step, not gathered rows");
        }
    }

    /** Gated weights are for gated products, and no others. */
    static void checkGated(boolean weight, boolean operation) {
        if (weight != operation) {
            throw new IllegalArgumentException(
                    operation ? "gatedMatmul needs a gatedWeight" : "a gatedWeight is for gatedMatmul only");
        }
    }

    private static void checkColumns(String one, int columns, String other, int columnsThere) {
        if (columns != columnsThere) {
            throw new IllegalArgumentException("%s has %d columns, %s %d".formatted(one, columns, other, columnsThere));
        }
    }

    private void produce(HostBuffer out, boolean gathered) {
        out.gathered(gathered);
        if (rows(out) > out.maxRows()) {
            throw new IllegalArgumentException(
                    "the step has %d rows, the buffer holds %d".formatted(rows(out), out.maxRows()));
        }
    }

    private void checkStepping() {
        checkOpen();
        if (!stepping) {
            throw new IllegalStateException("no step has begun");
        }
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the backend is closed");
        }
    }
}
