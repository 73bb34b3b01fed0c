package dev.skein.compute.cpu;

import dev.skein.compute.Activation;
import dev.skein.compute.AttentionShape;
import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.ComputeException;
import dev.skein.compute.ExpertWeights;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.KvCache;
import dev.skein.compute.Rope;
import dev.skein.compute.Routing;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepOutputs;
import dev.skein.compute.Weight;
import dev.skein.compute.collective.Collective;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
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
    private @Nullable Collective tensor;
    private @Nullable Collective previous;
    private @Nullable Collective next;
    private @Nullable StepInputs step;
    /** Where another rank's columns wait to be put between this one's. */
    private MemorySegment columnsOfOthers = MemorySegment.NULL;

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
            if (each.columns() != first.columns()) {
                throw new IllegalArgumentException("%s: %d columns cannot be stacked on %d columns of %s"
                        .formatted(each.name(), each.columns(), first.columns(), first.name()));
            }
        }
        return own(newWeight(List.copyOf(stacked)));
    }

    @Override
    public final Weight gatedWeight(HostMatrix gate, HostMatrix up) {
        checkOpen();
        checkShape(up, gate.rows(), gate.columns());
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
    public final ExpertWeights experts(List<HostMatrix> gate, List<HostMatrix> up, List<HostMatrix> down) {
        checkOpen();
        if (gate.isEmpty() || gate.size() != up.size() || gate.size() != down.size()) {
            throw new IllegalArgumentException(
                    "%d gates, %d ups and %d downs do not make experts".formatted(gate.size(), up.size(), down.size()));
        }
        HostMatrix first = gate.getFirst();
        List<Weight> gateUp = new ArrayList<>();
        List<Weight> back = new ArrayList<>();
        for (int e = 0; e < gate.size(); e++) {
            checkShape(gate.get(e), first.rows(), first.columns());
            checkShape(up.get(e), first.rows(), first.columns());
            checkShape(down.get(e), first.columns(), first.rows());
            gateUp.add(newGatedWeight(gate.get(e), up.get(e)));
            back.add(newWeight(List.of(down.get(e))));
        }
        return own(HostExperts.of(gateUp, back, arena));
    }

    private static void checkShape(HostMatrix matrix, int rows, int columns) {
        if (matrix.rows() != rows || matrix.columns() != columns) {
            throw new IllegalArgumentException("%s is %d x %d, not %d x %d as what belongs to it asks for"
                    .formatted(matrix.name(), matrix.rows(), matrix.columns(), rows, columns));
        }
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

    @Override
    public final void join(@Nullable Collective sharing, @Nullable Collective before, @Nullable Collective after) {
        checkOpen();
        tensor = sharing;
        previous = before;
        next = after;
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
    public final void embed(Weight table, float scale, Buffer out) {
        HostTable from = owned(table, HostTable.class);
        HostBuffer to = owned(out);
        checkColumns("table", from.columns(), "out", to.columns());
        produce(to, false);
        onEmbed(from, scale, to);
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
    public final void rmsNormAdd(Buffer x, Weight weight, float epsilon, Buffer inOut) {
        HostBuffer from = owned(x);
        HostVector by = owned(weight, HostVector.class);
        HostBuffer to = owned(inOut);
        checkColumns("x", from.columns(), "weight", by.columns());
        checkColumns("x", from.columns(), "inOut", to.columns());
        checkTogether(from, to);
        onRmsNormAdd(from, by, epsilon, to);
    }

    @Override
    public final void layerNorm(Buffer x, Weight weight, Weight bias, float epsilon, Buffer out) {
        HostBuffer from = owned(x);
        HostVector by = owned(weight, HostVector.class);
        HostVector plus = owned(bias, HostVector.class);
        HostBuffer to = owned(out);
        checkColumns("x", from.columns(), "weight", by.columns());
        checkColumns("x", from.columns(), "bias", plus.columns());
        checkColumns("x", from.columns(), "out", to.columns());
        produce(to, from.gathered());
        onLayerNorm(from, by, plus, epsilon, to);
    }

    @Override
    public final void addPositions(Weight table, Buffer inOut) {
        HostTable from = owned(table, HostTable.class);
        HostBuffer to = owned(inOut);
        checkColumns("table", from.columns(), "inOut", to.columns());
        if (to.gathered()) {
            throw new IllegalArgumentException("gathered rows have no positions");
        }
        onAddPositions(from, to);
    }

    @Override
    public final void activate(Activation activation, Buffer inOut) {
        onActivate(activation, owned(inOut));
    }

    @Override
    public final void bias(Weight vector, Buffer inOut) {
        HostVector by = owned(vector, HostVector.class);
        HostBuffer to = owned(inOut);
        checkColumns("vector", by.columns(), "inOut", to.columns());
        onBias(by, to);
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
    public final void gatedMatmul(Weight gateUp, Activation activation, Buffer x, Buffer out) {
        checkMatmul(gateUp, x, out);
        produce(owned(out), owned(x).gathered());
        onGatedMatmul(gateUp, activation, owned(x), owned(out));
    }

    @Override
    public final void experts(Buffer routerLogits, Routing routing, ExpertWeights weights, Buffer x, Buffer inOut) {
        HostBuffer logits = owned(routerLogits);
        HostExperts all = owned(weights, HostExperts.class);
        HostBuffer from = owned(x);
        HostBuffer to = owned(inOut);
        checkColumns("routerLogits", logits.columns(), "experts", all.count());
        checkColumns("x", from.columns(), "experts", all.hidden());
        checkColumns("inOut", to.columns(), "experts", all.hidden());
        checkTogether(from, to);
        checkTogether(logits, from);
        if (routing.chosen() > all.count()) {
            throw new IllegalArgumentException("%d of %d experts".formatted(routing.chosen(), all.count()));
        }
        onExperts(logits, routing, all, from, to);
    }

    @Override
    public final void headNorm(Buffer qkv, AttentionShape shape, Weight queryNorm, Weight keyNorm, float epsilon) {
        HostBuffer rows = owned(qkv);
        HostVector query = owned(queryNorm, HostVector.class);
        HostVector key = owned(keyNorm, HostVector.class);
        checkColumns("qkv", rows.columns(), "attention", shape.fusedColumns());
        checkColumns("queryNorm", query.columns(), "a head", shape.headSize());
        checkColumns("keyNorm", key.columns(), "a head", shape.headSize());
        onHeadNorm(rows, shape, query, key, epsilon);
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

    // Among ranks

    @Override
    public final void flush() {
        checkStepping();
        try {
            onFlush();
        } catch (ComputeException failed) {
            // The other ranks go on with the step that this one cannot finish.
            throw failed.fatal() ? failed : new ComputeException(String.valueOf(failed.getMessage()), true);
        }
    }

    @Override
    public final void zero(Buffer x) {
        HostBuffer to = owned(x);
        flush();
        live(to).fill((byte) 0);
    }

    @Override
    public final void allReduce(Buffer inOut) {
        HostBuffer to = owned(inOut);
        Collective ranks = joined(tensor, "tensor");
        flush();
        ranks.allReduce(live(to), (long) rows(to) * to.columns());
    }

    @Override
    public final void gatherColumns(Buffer part, int[] columns, @Nullable Buffer all) {
        HostBuffer mine = owned(part);
        Collective ranks = joined(tensor, "tensor");
        checkColumns("part", mine.columns(), "this rank's share", columns[ranks.rank()]);
        flush();
        if (all == null) {
            ranks.send(live(mine), 0);
        } else {
            gather(ranks, mine, columns, owned(all));
        }
    }

    private void gather(Collective ranks, HostBuffer mine, int[] columns, HostBuffer all) {
        produce(all, mine.gathered());
        checkColumns("all", all.columns(), "all parts", IntStream.of(columns).sum());
        int rows = rows(mine);
        all.columnsFrom(live(mine), rows, 0, columns[0]);
        int at = columns[0];
        for (int rank = 1; rank < columns.length; rank++) {
            long bytes = 4L * rows * columns[rank];
            if (columnsOfOthers.byteSize() < bytes) {
                columnsOfOthers = arena.allocate(4L * mine.maxRows() * columns[rank], ALIGNMENT);
            }
            MemorySegment part = columnsOfOthers.asSlice(0, bytes);
            ranks.receive(part, rank);
            all.columnsFrom(part, rows, at, columns[rank]);
            at += columns[rank];
        }
    }

    @Override
    public final void send(Buffer x) {
        HostBuffer from = owned(x);
        Collective ranks = joined(next, "next");
        flush();
        ranks.send(live(from), 1);
    }

    @Override
    public final void receive(Buffer x) {
        HostBuffer to = owned(x);
        Collective ranks = joined(previous, "previous");
        produce(to, false);
        flush();
        ranks.receive(live(to), 0);
    }

    private static Collective joined(@Nullable Collective ranks, String which) {
        if (ranks == null) {
            throw new IllegalStateException("no %s ranks have joined".formatted(which));
        }
        return ranks;
    }

    private MemorySegment live(HostBuffer buffer) {
        return buffer.data().asSlice(0, 4L * rows(buffer) * buffer.columns());
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
    public final void read(Buffer buffer, int row, float[] into) {
        checkOpen();
        if (stepping || step == null || !owned.contains(buffer) || !(buffer instanceof HostBuffer from)) {
            throw new IllegalStateException("rows of this backend's buffers are read after a step is finished");
        }
        checkColumns("the buffer", from.columns(), "what it is read into", into.length);
        int rows = from.gathered() ? step.outputs() : step.tokens();
        if (row < 0 || row >= rows) {
            throw new IllegalArgumentException("row %d of %d".formatted(row, rows));
        }
        from.read(row, into);
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

    abstract void onEmbed(HostTable table, float scale, HostBuffer out);

    abstract void onRmsNorm(HostBuffer x, HostVector weight, float epsilon, HostBuffer out);

    abstract void onRmsNormAdd(HostBuffer x, HostVector weight, float epsilon, HostBuffer inOut);

    abstract void onLayerNorm(HostBuffer x, HostVector weight, HostVector bias, float epsilon, HostBuffer out);

    abstract void onAddPositions(HostTable table, HostBuffer inOut);

    abstract void onActivate(Activation activation, HostBuffer inOut);

    abstract void onBias(HostVector vector, HostBuffer inOut);

    abstract void onMatmul(Weight weight, HostBuffer x, HostBuffer out);

    abstract void onMatmulAdd(Weight weight, HostBuffer x, HostBuffer inOut);

    abstract void onGatedMatmul(Weight gateUp, Activation activation, HostBuffer x, HostBuffer out);

    abstract void onExperts(HostBuffer logits, Routing routing, HostExperts experts, HostBuffer x, HostBuffer inOut);

    abstract void onHeadNorm(
            HostBuffer qkv, AttentionShape shape, HostVector queryNorm, HostVector keyNorm, float epsilon);

    abstract void onRopeAndStore(
            HostBuffer qkv, AttentionShape shape, Rope rope, RopeTable table, KvCache cache, int layer);

    abstract void onAttention(HostBuffer qkv, AttentionShape shape, KvCache cache, int layer, HostBuffer out);

    abstract void onGather(HostBuffer x, HostBuffer out);

    abstract void onSample(HostBuffer logits);

    /** Computes what is enqueued. */
    abstract void onFlush();

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

    private static void checkTogether(HostBuffer one, HostBuffer other) {
        if (one == other || one.gathered() != other.gathered()) {
            throw new IllegalArgumentException(
                    "two buffers of the same rows are needed, of the step's tokens or outputs");
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
