package dev.skein.compute.cpu;

import dev.skein.compute.Activation;
import dev.skein.compute.AttentionShape;
import dev.skein.compute.Rope;
import dev.skein.compute.Routing;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A list of {@code skein_op}, filled in place. */
final class CpuOps {
    /** {@code enum skein_op_kind}. */
    enum Kind {
        EMBED,
        RMS_NORM,
        MATMUL,
        MATMUL_ADD,
        GATED_MATMUL,
        ROPE_STORE,
        ATTENTION,
        GATHER,
        SAMPLE,
        BIAS,
        HEAD_NORM,
        RMS_NORM_ADD,
        EXPERTS,
        LAYER_NORM,
        ADD_POSITIONS,
        ACTIVATE
    }

    private static final int OP_BYTES = 136;
    private static final int KIND = 0;
    private static final int ROWS = 4;
    private static final int COLUMNS = 8;
    private static final int TYPE = 12;
    private static final int QUERY_HEADS = 16;
    private static final int KV_HEADS = 20;
    private static final int HEAD_SIZE = 24;
    private static final int LAYER = 28;
    private static final int ROPE_PAIRS = 32;
    private static final int ROPE_INTERLEAVED = 36;
    private static final int BOUND = 40;
    private static final int NUMBER = 44;
    private static final int WINDOW = 48;
    private static final int ACTIVATION = 52;
    private static final int CHOSEN = 56;
    private static final int NORMALISED = 60;
    private static final int GROUP = 64;
    private static final int SKIPPED = 68;
    private static final int SHARED = 72;
    private static final int WEIGHT = 80;
    private static final int OTHER = 88;
    private static final int X = 96;
    private static final int OUT = 104;
    private static final int CACHE = 112;
    private static final int RESULTS = 120;
    private static final int TOPS = 128;
    private static final int FIRST_CAPACITY = 1024;
    private static final Kind[] KINDS = Kind.values();

    private Arena arena = Arena.ofShared();
    private MemorySegment list = arena.allocate((long) OP_BYTES * FIRST_CAPACITY, 64);
    private int count;

    void clear() {
        count = 0;
    }

    int count() {
        return count;
    }

    MemorySegment list() {
        return list;
    }

    Kind kind(int op) {
        return KINDS[list.get(ValueLayout.JAVA_INT, (long) op * OP_BYTES + KIND)];
    }

    void embed(HostTable table, float scale, int rows, HostBuffer out) {
        long op = add(Kind.EMBED, rows, out.columns());
        set(op, TYPE, table.matrix().type().ordinal());
        set(op, BOUND, table.rows());
        set(op, NUMBER, scale);
        set(op, WEIGHT, table.matrix().data());
        set(op, OUT, out.data());
    }

    /** RMS_NORM or RMS_NORM_ADD. */
    void rmsNorm(Kind kind, HostBuffer x, HostVector weight, float epsilon, int rows, HostBuffer out) {
        long op = add(kind, rows, x.columns());
        set(op, NUMBER, epsilon);
        set(op, WEIGHT, weight.data());
        set(op, X, x.data());
        set(op, OUT, out.data());
    }

    void layerNorm(HostBuffer x, HostVector weight, HostVector bias, float epsilon, int rows, HostBuffer out) {
        long op = add(Kind.LAYER_NORM, rows, x.columns());
        set(op, NUMBER, epsilon);
        set(op, WEIGHT, weight.data());
        set(op, OTHER, bias.data());
        set(op, X, x.data());
        set(op, OUT, out.data());
    }

    void addPositions(HostTable table, int rows, HostBuffer inOut) {
        long op = add(Kind.ADD_POSITIONS, rows, inOut.columns());
        set(op, TYPE, table.matrix().type().ordinal());
        set(op, BOUND, table.rows());
        set(op, WEIGHT, table.matrix().data());
        set(op, OUT, inOut.data());
    }

    void activate(Activation activation, int rows, HostBuffer inOut) {
        long op = add(Kind.ACTIVATE, rows, inOut.columns());
        set(op, ACTIVATION, activation.ordinal());
        set(op, OUT, inOut.data());
    }

    void bias(HostVector vector, int rows, HostBuffer inOut) {
        long op = add(Kind.BIAS, rows, inOut.columns());
        set(op, WEIGHT, vector.data());
        set(op, OUT, inOut.data());
    }

    void headNorm(HostBuffer qkv, int rows, AttentionShape shape, HostVector query, HostVector key, float epsilon) {
        long op = add(Kind.HEAD_NORM, rows, qkv.columns());
        heads(op, shape);
        set(op, NUMBER, epsilon);
        set(op, WEIGHT, query.data());
        set(op, OTHER, key.data());
        set(op, OUT, qkv.data());
    }

    void experts(HostBuffer logits, int rows, Routing routing, HostExperts experts, HostBuffer x, HostBuffer inOut) {
        long op = add(Kind.EXPERTS, rows, x.columns());
        set(op, BOUND, experts.count());
        set(op, CHOSEN, routing.chosen());
        set(op, NORMALISED, routing.normalised() ? 1 : 0);
        set(op, WEIGHT, experts.handles());
        set(op, OTHER, logits.data());
        set(op, X, x.data());
        set(op, OUT, inOut.data());
    }

    void gatedProduct(MemorySegment weight, Activation activation, HostBuffer x, int rows, HostBuffer out) {
        set(product(Kind.GATED_MATMUL, weight, x, rows, out), ACTIVATION, activation.ordinal());
    }

    long product(Kind kind, MemorySegment weight, HostBuffer x, int rows, HostBuffer out) {
        long op = add(kind, rows, x.columns());
        set(op, WEIGHT, weight);
        set(op, X, x.data());
        set(op, OUT, out.data());
        return op;
    }

    void ropeAndStore(
            HostBuffer qkv, int rows, AttentionShape shape, Rope rope, RopeTable table, CpuKvCache cache, int layer) {
        long op = add(Kind.ROPE_STORE, rows, qkv.columns());
        heads(op, shape, cache, layer);
        set(op, ROPE_PAIRS, rope.dimensions() / 2);
        set(op, ROPE_INTERLEAVED, rope.interleaved() ? 1 : 0);
        set(op, BOUND, table.positions());
        set(op, WEIGHT, table.data());
        set(op, OUT, qkv.data());
    }

    void attention(HostBuffer qkv, int rows, AttentionShape shape, CpuKvCache cache, int layer, HostBuffer out) {
        long op = add(Kind.ATTENTION, rows, qkv.columns());
        heads(op, shape, cache, layer);
        set(op, NUMBER, shape.scale());
        set(op, WINDOW, shape.window());
        set(op, X, qkv.data());
        set(op, OUT, out.data());
    }

    void gather(HostBuffer x, int rows, HostBuffer out) {
        long op = add(Kind.GATHER, rows, x.columns());
        set(op, X, x.data());
        set(op, OUT, out.data());
    }

    void sample(HostBuffer logits, int rows, HostOutputs outputs) {
        long op = add(Kind.SAMPLE, rows, logits.columns());
        set(op, X, logits.data());
        set(op, RESULTS, outputs.results());
        set(op, TOPS, outputs.tops());
    }

    private void heads(long op, AttentionShape shape, CpuKvCache cache, int layer) {
        heads(op, shape);
        set(op, LAYER, layer);
        set(op, CACHE, cache.handle());
    }

    private void heads(long op, AttentionShape shape) {
        set(op, QUERY_HEADS, shape.queryHeads());
        set(op, KV_HEADS, shape.kvHeads());
        set(op, GROUP, shape.group());
        set(op, SKIPPED, shape.skipped());
        set(op, SHARED, shape.shared().ordinal());
        set(op, HEAD_SIZE, shape.headSize());
    }

    private long add(Kind kind, int rows, int columns) {
        long op = (long) count * OP_BYTES;
        if (op == list.byteSize()) {
            grow();
        }
        count++;
        for (int at = 0; at < OP_BYTES; at += Long.BYTES) {
            list.set(ValueLayout.JAVA_LONG, op + at, 0L);
        }
        set(op, KIND, kind.ordinal());
        set(op, ROWS, rows);
        set(op, COLUMNS, columns);
        return op;
    }

    private void grow() {
        Arena next = Arena.ofShared();
        MemorySegment longer = next.allocate(2 * list.byteSize(), 64);
        MemorySegment.copy(list, 0, longer, 0, list.byteSize());
        arena.close();
        arena = next;
        list = longer;
    }

    private void set(long op, int field, int value) {
        list.set(ValueLayout.JAVA_INT, op + field, value);
    }

    private void set(long op, int field, float value) {
        list.set(ValueLayout.JAVA_FLOAT, op + field, value);
    }

    private void set(long op, int field, MemorySegment value) {
        list.set(ValueLayout.ADDRESS, op + field, value);
    }

    void close() {
        arena.close();
    }
}
