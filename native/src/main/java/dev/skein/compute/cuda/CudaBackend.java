package dev.skein.compute.cuda;

import dev.skein.compute.Activation;
import dev.skein.compute.AttentionShape;
import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.ComputeException;
import dev.skein.compute.DeviceGauges;
import dev.skein.compute.ExpertWeights;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.KvCache;
import dev.skein.compute.OwnMemory;
import dev.skein.compute.Rope;
import dev.skein.compute.Routing;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepInputs.Output;
import dev.skein.compute.StepInputs.Region;
import dev.skein.compute.StepOutputs;
import dev.skein.compute.Weight;
import dev.skein.compute.collective.Collective;
import dev.skein.compute.cpu.HostRows;
import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import dev.skein.compute.cuda.CudaMatmul.Store;
import dev.skein.compute.cuda.CudaWeight.Form;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * One GPU. Weights of Q4_0 and Q4_1 are kept as they are; those of other types become bf16, and so do keys and values; sums, the
 * residual stream and logits are 32-bit floats. An operation is launched when it is enqueued; only {@link #finish} waits, and one
 * step may be enqueued meanwhile: the device then goes on from one to the next by itself.
 *
 * <p>A step whose ids, positions, slots or blocks are out of range fails as a {@link ComputeException} of {@link #finish}, and
 * nothing that would have read them is launched. So does NaN among logits.
 */
public final class CudaBackend implements Backend {
    private static final int WARP = 32;
    private static final int THREADS = 256;
    private static final int MOST_THREADS = 1024;

    /** So few that a row is best shared by as many threads as a block may have. */
    private static final int FEW_ROWS = 64;

    /** Numbers that a thread adds at once. */
    private static final int FOUR = 4;

    /** Steps that may be enqueued before the one before is finished. */
    private static final int MOST_AHEAD = 1;

    private final CudaContext context;
    private final CudaStream stream;
    private final CudaLoader loader;
    private final CudaMatmul matmul;
    private final CudaAttention attention;
    private final CudaRopes ropes;
    private final CudaStep step;
    private final CudaScratch results;
    private final CudaExperts experts;
    private final CudaKernel embed;
    private final CudaKernel gather;
    private final CudaKernel round;
    private final CudaKernel bias;
    private final CudaKernel rmsNorm;
    private final CudaKernel rmsNormAdd;
    private final CudaKernel headNorm;
    private final CudaKernel ropeAndStore;
    private final CudaKernel sample;
    private final CudaRanks ranks;
    private final CudaGraphs graphs;
    private final CudaTape tape = new CudaTape();
    private final boolean mayReplay;
    private final Optional<Nvml> nvml;
    private final CudaScratch rounded;
    private final CudaScratch processed;
    private final CudaScratch weights;
    /** Of the step that began last, and what the one after it will take. */
    private CudaOutputs outputs;

    private CudaOutputs nextOutputs;
    private final Deque<Submitted> submitted = new ArrayDeque<>();
    /** Where submitted steps end, in turns. */
    private final CudaEvent[] ends;

    private int nextEnd;
    private final Set<Object> owned = Collections.newSetFromMap(new IdentityHashMap<>());
    private @Nullable StepInputs inputs;
    private @Nullable ComputeException failure;
    private @Nullable Runnable recording;
    private boolean stepping;
    /** How many outputs of the step before this one's ids may name. */
    private int named;

    private boolean closed;

    /** A step that the device computes, or that failed before it came to that. */
    private record Submitted(
            CudaOutputs outputs, CudaEvent done, @Nullable ComputeException failure) {}

    private CudaBackend(CudaContext context, byte[] image, boolean mayReplay, boolean sameBits) {
        this.context = context;
        this.mayReplay = mayReplay;
        nvml = Nvml.open(context.bus());
        stream = context.stream();
        ends = new CudaEvent[] {context.event(), context.event()};
        graphs = new CudaGraphs(context, stream);
        CudaKernels kernels = context.kernels(image);
        loader = new CudaLoader(context, stream, kernels);
        matmul = new CudaMatmul(context, stream, kernels, sameBits);
        attention = new CudaAttention(context, kernels, sameBits);
        ropes = new CudaRopes(context, stream);
        step = new CudaStep(context);
        results = new CudaScratch(context);
        outputs = new CudaOutputs(context, results);
        nextOutputs = new CudaOutputs(context, results);
        experts = new CudaExperts(context, kernels, loader, sameBits);
        embed = kernels.kernel("skein_embed");
        gather = kernels.kernel("skein_gather");
        round = kernels.kernel("skein_round");
        bias = kernels.kernel("skein_bias");
        rmsNorm = kernels.kernel("skein_rms_norm");
        rmsNormAdd = kernels.kernel("skein_rms_norm_add");
        headNorm = kernels.kernel("skein_head_norm");
        ropeAndStore = kernels.kernel("skein_rope_store");
        sample = kernels.kernel("skein_sample");
        ranks = new CudaRanks(context, stream, kernels);
        rounded = new CudaScratch(context);
        processed = new CudaScratch(context);
        weights = new CudaScratch(context);
    }

    /**
     * Opens a GPU with the kernels of this jar.
     *
     * @param graphs whether steps of one token a sequence are captured and replayed
     * @param sameBits whether a token must get the same logits, bit for bit, whatever else is in the step: what costs some of the
     *     speed on compute capability 9.0, and nothing elsewhere
     * @throws ComputeException if it cannot be used; the message says why
     */
    public static CudaBackend create(int ordinal, boolean graphs, boolean sameBits) {
        byte[] image = CudaKernels.image()
                .orElseThrow(() -> new ComputeException(
                        "this Skein was built without CUDA kernels: nvcc was missing when the build ran", true));
        return create(ordinal, image, graphs, sameBits);
    }

    static CudaBackend create(int ordinal, byte[] image, boolean graphs, boolean sameBits) {
        CudaContext context = CudaContext.open(ordinal);
        try {
            return new CudaBackend(context, image, graphs, sameBits);
        } catch (RuntimeException e) {
            context.close();
            throw e;
        }
    }

    @Override
    public String description() {
        CudaDevice device = context.device();
        return "cuda %s, %d multiprocessors, %d GiB"
                .formatted(device.name(), device.multiprocessors(), device.bytes() >> 30);
    }

    @Override
    public Optional<OwnMemory> memory() {
        return Optional.of(new CudaMemory(context));
    }

    @Override
    public Optional<DeviceGauges> gauges() {
        return nvml.flatMap(Nvml::read);
    }

    @Override
    public Optional<String> objection(KvCache.Shape shape) {
        return CudaAttention.HEAD_SIZES.contains(shape.headSize())
                ? Optional.empty()
                : Optional.of("heads of %d elements; the CUDA kernels have those of %s"
                        .formatted(shape.headSize(), CudaAttention.HEAD_SIZES));
    }

    // Memory

    @Override
    public Weight weight(List<HostMatrix> stacked) {
        enter();
        if (stacked.isEmpty()) {
            throw new IllegalArgumentException("a weight is at least one matrix");
        }
        for (HostMatrix each : stacked) {
            checkColumns(
                    each.name(), each.columns(), "the first", stacked.getFirst().columns());
            checkTiles(each);
        }
        return own(loader.tiles(stacked));
    }

    @Override
    public Weight gatedWeight(HostMatrix gate, HostMatrix up) {
        enter();
        checkGated(gate, up);
        return own(loader.gatedTiles(gate, up));
    }

    @Override
    public Weight table(HostMatrix matrix) {
        enter();
        return own(loader.table(matrix));
    }

    @Override
    public Weight vector(HostMatrix matrix) {
        enter();
        return own(loader.vector(HostRows.vector(matrix)));
    }

    @Override
    public ExpertWeights experts(List<HostMatrix> gate, List<HostMatrix> up, List<HostMatrix> down) {
        enter();
        if (gate.isEmpty() || gate.size() != up.size() || gate.size() != down.size()) {
            throw new IllegalArgumentException(
                    "%d gates, %d ups and %d downs do not make experts".formatted(gate.size(), up.size(), down.size()));
        }
        for (int e = 0; e < gate.size(); e++) {
            checkGated(gate.get(e), up.get(e));
            checkColumns(
                    "gate", gate.get(e).columns(), "the first", gate.getFirst().columns());
            checkColumns(
                    "down",
                    down.get(e).columns(),
                    "the first gate's rows",
                    gate.getFirst().rows());
            checkColumns(
                    "down's rows", down.get(e).rows(), "gate", gate.getFirst().columns());
            checkTiles(down.get(e));
        }
        return own(experts.load(gate, up, down));
    }

    @Override
    public Buffer buffer(int maxRows, int columns) {
        enter();
        if (maxRows <= 0 || columns <= 0) {
            throw new IllegalArgumentException("a buffer of %d x %d".formatted(maxRows, columns));
        }
        DeviceMemory memory = context.allocate(Math.multiplyExact(4L * maxRows, columns));
        // Rows that stand for no token are computed with, too.
        stream.fill(memory, 0);
        return own(new CudaBuffer(maxRows, columns, memory));
    }

    @Override
    public KvCache kvCache(KvCache.Shape shape) {
        enter();
        objection(shape).ifPresent(objection -> {
            throw new IllegalArgumentException(objection);
        });
        CudaKvCache cache = new CudaKvCache(shape, context.allocate(shape.bytes()));
        // What no token has filled has weight 0, but 0 times NaN is NaN.
        stream.fill(cache.memory(), 0);
        return own(cache);
    }

    @Override
    public void join(@Nullable Collective tensor, @Nullable Collective previous, @Nullable Collective next) {
        enter();
        if (previous != null || next != null) {
            throw new UnsupportedOperationException(
                    "GPUs split layers among them, but not the model into stages of layers");
        }
        ranks.leave();
        if (tensor != null) {
            ranks.meet(tensor);
        }
    }

    // A step

    @Override
    public void begin(StepInputs given) {
        enter();
        StepInputs copy = inputs;
        if (copy == null) {
            copy = new StepInputs(given.limits());
            inputs = copy;
        }
        copy.copyFrom(given);
        if (submitted.size() > MOST_AHEAD) {
            throw new IllegalStateException("%d steps are not finished, and no more than %d may be"
                    .formatted(submitted.size(), MOST_AHEAD + 1));
        }
        stepping = true;
        failure = null;
        CudaOutputs fresh = nextOutputs;
        nextOutputs = outputs;
        outputs = fresh;
        fresh.clear();
        named = submitted.isEmpty() ? 0 : nextOutputs.count();
        recording = null;
        StepInputs begun = copy;
        check(() -> step.begin(begun, given.limits(), mayReplay && graphs.usable(), stream));
    }

    @Override
    public void enqueue(Runnable pass) {
        checkStepping();
        if (failure != null || !step.replayable() || recording != null) {
            pass.run();
            return;
        }
        try {
            if (graphs.replay(step.shape(), pass)) {
                return;
            }
        } catch (ComputeException refused) {
            failure = refused;
            return;
        }
        record(pass);
    }

    private void record(Runnable pass) {
        tape.clear();
        recording = pass;
        try {
            pass.run();
        } catch (RuntimeException | Error broken) {
            // Half of a pass is not to be replayed.
            recording = null;
            throw broken;
        }
    }

    @Override
    public void embed(Weight table, float scale, Buffer out) {
        CudaWeight from = owned(table, Form.TABLE);
        CudaBuffer to = owned(out);
        checkColumns("table", from.columns(), "out", to.columns());
        produce(to, false, false);
        prepare(() -> step.checkIds(from.rows(), named));
        int rows = rows(to);
        launch(() -> {
            embed.with(from.memory()).with(step.address(Region.IDS)).with(scale).with(to.memory());
            embed.with(to.columns()).with(from.rows()).with(results.atLeast(CudaOutputs.RESULT_BYTES));
            embed.with(CudaOutputs.RESULT_BYTES / Integer.BYTES).launch(stream, rows, THREADS);
        });
    }

    @Override
    public void rmsNorm(Buffer x, Weight weight, float epsilon, Buffer out) {
        CudaBuffer from = floats(x);
        CudaBuffer to = owned(out);
        CudaWeight by = owned(weight, Form.VECTOR);
        checkColumns("x", from.columns(), "weight", by.columns());
        checkColumns("x", from.columns(), "out", to.columns());
        checkDiffer(from, to);
        produce(to, true, from.gathered());
        int rows = rows(to);
        launch(() -> {
            rmsNorm.with(from.memory()).with(by.memory()).with(epsilon).with(to.memory());
            rmsNorm.with(to.columns()).launch(stream, rows, normThreads(to.columns()));
        });
    }

    @Override
    public void rmsNormAdd(Buffer x, Weight weight, float epsilon, Buffer inOut) {
        CudaBuffer from = floats(x);
        CudaBuffer to = floats(inOut);
        CudaWeight by = owned(weight, Form.VECTOR);
        checkColumns("x", from.columns(), "weight", by.columns());
        checkColumns("x", from.columns(), "inOut", to.columns());
        checkDiffer(from, to);
        checkSameRows(from, to);
        int rows = rows(to);
        launch(() -> {
            rmsNormAdd.with(from.memory()).with(by.memory()).with(epsilon).with(to.memory());
            rmsNormAdd.with(to.columns()).launch(stream, rows, normThreads(to.columns()));
        });
    }

    /** A thread for sixteen columns, in whole warps: on an H200 as fast for one row as more of them, and faster for many rows. */
    private static int normThreads(int columns) {
        int warps = (columns / 16 + WARP - 1) / WARP;
        return Math.clamp((long) warps * WARP, 2 * WARP, MOST_THREADS);
    }

    @Override
    public void layerNorm(Buffer x, Weight weight, Weight by, float epsilon, Buffer out) {
        throw onCoresOnly();
    }

    @Override
    public void addPositions(Weight table, Buffer inOut) {
        throw onCoresOnly();
    }

    @Override
    public void activate(Activation activation, Buffer inOut) {
        throw onCoresOnly();
    }

    @Override
    public void read(Buffer buffer, int row, float[] into) {
        throw onCoresOnly();
    }

    private static UnsupportedOperationException onCoresOnly() {
        return new UnsupportedOperationException("encoders and embeddings are computed on cores only");
    }

    @Override
    public void bias(Weight vector, Buffer inOut) {
        CudaBuffer to = floats(inOut);
        CudaWeight by = owned(vector, Form.VECTOR);
        checkColumns("vector", by.columns(), "inOut", to.columns());
        int rows = rows(to);
        launch(() -> bias.with(to.memory()).with(by.memory()).with(to.columns()).launch(stream, rows, THREADS));
    }

    @Override
    public void matmul(Weight weight, Buffer x, Buffer out) {
        CudaWeight by = factor(weight, Form.TILES, x, out);
        produce(owned(out), false, owned(x).gathered());
        product(by, owned(x), owned(out), Store.FLOAT);
    }

    @Override
    public void matmulAdd(Weight weight, Buffer x, Buffer inOut) {
        CudaWeight by = factor(weight, Form.TILES, x, inOut);
        checkSameRows(owned(x), floats(inOut));
        product(by, owned(x), owned(inOut), Store.ADD);
    }

    @Override
    public void gatedMatmul(Weight gateUp, Activation activation, Buffer x, Buffer out) {
        CudaWeight by = factor(gateUp, Form.GATED_TILES, x, out);
        produce(owned(out), true, owned(x).gathered());
        product(by, owned(x), owned(out), Store.gated(activation));
    }

    private CudaWeight factor(Weight weight, Form form, Buffer x, Buffer out) {
        CudaWeight by = owned(weight, form);
        checkColumns("weight", by.columns(), "x", x.columns());
        checkColumns("weight's rows", by.rows(), "out", out.columns());
        checkDiffer(owned(x), owned(out));
        return by;
    }

    private void product(CudaWeight weight, CudaBuffer x, CudaBuffer out, Store store) {
        int rows = rows(x);
        boolean isRounded = x.rounded();
        launch(() -> matmul.enqueue(stream, weight, read(x, isRounded, rows), out, rows, store));
    }

    /** Where a buffer's rows lie as bf16. */
    private long read(CudaBuffer x, boolean isRounded, int rows) {
        if (isRounded) {
            return x.memory().address();
        }
        DeviceMemory copy = rounded.atLeast(2L * rows * x.columns());
        round.with(x.memory()).with(copy).with(x.columns()).launch(stream, rows, THREADS);
        return copy.address();
    }

    @Override
    public void experts(Buffer routerLogits, Routing routing, ExpertWeights weights, Buffer x, Buffer inOut) {
        CudaBuffer logits = floats(routerLogits);
        CudaBuffer from = owned(x);
        CudaBuffer to = floats(inOut);
        CudaExperts.Weights by = own(weights, CudaExperts.Weights.class);
        checkColumns("router", logits.columns(), "experts", by.count());
        checkColumns("experts", by.hidden(), "x", from.columns());
        checkColumns("experts", by.hidden(), "inOut", to.columns());
        checkDiffer(from, to);
        checkSameRows(from, to);
        checkSameRows(logits, to);
        if (routing.chosen() > by.count()) {
            throw new IllegalArgumentException(
                    "%d experts for each token, of %d".formatted(routing.chosen(), by.count()));
        }
        int rows = rows(from);
        boolean isRounded = from.rounded();
        launch(() -> experts.enqueue(stream, logits, routing, by, read(from, isRounded, rows), to, rows));
    }

    @Override
    public void headNorm(Buffer qkv, AttentionShape shape, Weight queryNorm, Weight keyNorm, float epsilon) {
        CudaBuffer rows = floats(qkv);
        CudaWeight query = owned(queryNorm, Form.VECTOR);
        CudaWeight key = owned(keyNorm, Form.VECTOR);
        checkColumns("qkv", rows.columns(), "attention", shape.fusedColumns());
        checkColumns("query norm", query.columns(), "a head", shape.headSize());
        checkColumns("key norm", key.columns(), "a head", shape.headSize());
        int count = rows(rows);
        launch(() -> {
            headNorm.with(rows.memory()).with(query.memory()).with(key.memory()).with(epsilon);
            headNorm.with(shape.queryHeads()).with(shape.kvHeads()).with(shape.headSize());
            headNorm.launch(stream, count, THREADS);
        });
    }

    @Override
    public void ropeAndStore(Buffer qkv, AttentionShape shape, Rope rope, KvCache cache, int layer) {
        CudaBuffer rows = floats(qkv);
        CudaKvCache into = checkAttention(rows, shape, cache, layer);
        if (rope.dimensions() > shape.headSize()) {
            throw new IllegalArgumentException(
                    "a rope of %d elements, heads of %d".formatted(rope.dimensions(), shape.headSize()));
        }
        prepare(() -> {
            step.checkSlots(into.shape().blocks());
            ropes.upTo(rope, step.lastPosition());
        });
        int count = rows(rows);
        Runnable launch = () -> {
            ropeAndStore
                    .with(rows.memory())
                    .with(step.address(Region.POSITIONS))
                    .with(step.address(Region.SLOTS));
            ropeAndStore
                    .with(ropes.upTo(rope, step.lastPosition()))
                    .with(rope.dimensions() / 2)
                    .with(rope.interleaved() ? 1 : 0);
            ropeAndStore.with(into.keys(layer)).with(into.values(layer));
            ropeAndStore.with(shape.queryHeads()).with(shape.kvHeads()).with(shape.headSize());
            ropeAndStore.launch(stream, count, count <= FEW_ROWS ? MOST_THREADS : THREADS);
        };
        launch(launch);
    }

    @Override
    public void attention(Buffer qkv, AttentionShape shape, KvCache cache, int layer, Buffer out) {
        CudaBuffer rows = floats(qkv);
        CudaBuffer to = owned(out);
        CudaKvCache from = checkAttention(rows, shape, cache, layer);
        checkColumns("query heads", shape.queryHeads() * shape.headSize(), "out", to.columns());
        checkDiffer(rows, to);
        if (shape.seesAll()) {
            throw onCoresOnly();
        }
        produce(to, true, false);
        prepare(() -> step.checkBlocks(from.shape().blocks()));
        launch(() -> attention.enqueue(stream, step, rows, shape, from, layer, to));
    }

    private CudaKvCache checkAttention(CudaBuffer qkv, AttentionShape shape, KvCache cache, int layer) {
        CudaKvCache held = own(cache, CudaKvCache.class);
        if (!shape.hasWholeGroups()) {
            throw new IllegalArgumentException(
                    "%s: on a GPU, each key/value head needs all of its %d query heads, and no other rank may have them"
                            .formatted(shape, shape.group()));
        }
        checkColumns("qkv", qkv.columns(), "attention", shape.fusedColumns());
        if (held.shape().heads() != shape.kvHeads() || held.shape().headSize() != shape.headSize()) {
            throw new IllegalArgumentException("attention has %d heads of %d, the cache %d of %d"
                    .formatted(
                            shape.kvHeads(),
                            shape.headSize(),
                            held.shape().heads(),
                            held.shape().headSize()));
        }
        if (layer < 0 || layer >= held.shape().layers()) {
            throw new IllegalArgumentException(
                    "layer %d of %d".formatted(layer, held.shape().layers()));
        }
        if (qkv.gathered()) {
            throw new IllegalArgumentException("attention needs all tokens of the step, not gathered rows");
        }
        return held;
    }

    @Override
    public void gather(Buffer x, Buffer out) {
        CudaBuffer from = floats(x);
        CudaBuffer to = owned(out);
        checkColumns("x", from.columns(), "out", to.columns());
        if (from == to || from.gathered()) {
            throw new IllegalArgumentException("only another buffer of the step's tokens can be gathered");
        }
        produce(to, false, true);
        prepare(this::checkOutputRows);
        int rows = rows(to);
        launch(() -> {
            gather.with(from.memory()).with(step.address(Region.OUTPUTS)).with(Output.values().length);
            gather.with(to.memory()).with(to.columns()).launch(stream, rows, THREADS);
        });
    }

    private void checkOutputRows() {
        StepInputs begun = begun();
        for (int output = 0; output < begun.outputs(); output++) {
            int row = begun.get(output, Output.ROW);
            if (row < 0 || row >= begun.tokens()) {
                throw new ComputeException(
                        "gather failed: row %d of row %d is not in 0..%d".formatted(row, output, begun.tokens() - 1),
                        false);
            }
        }
    }

    // Among ranks

    @Override
    public void zero(Buffer x) {
        CudaBuffer to = owned(x);
        produce(to, false, to.gathered());
        DeviceMemory live = live(to);
        launch(() -> stream.fill(live, 0));
    }

    @Override
    public void allReduce(Buffer inOut) {
        CudaBuffer to = floats(inOut);
        if (to.columns() % FOUR != 0) {
            throw new IllegalArgumentException(
                    "rows of %d columns; the CUDA kernels sum up multiples of %d".formatted(to.columns(), FOUR));
        }
        DeviceMemory live = live(to);
        launch(() -> ranks.allReduce(live));
    }

    @Override
    public void gatherColumns(Buffer part, int[] columns, @Nullable Buffer all) {
        CudaBuffer from = floats(part);
        int count = rows(from);
        long to = 0;
        if (all != null) {
            CudaBuffer whole = owned(all);
            checkColumns(
                    "all", whole.columns(), "all parts", IntStream.of(columns).sum());
            checkDiffer(from, whole);
            produce(whole, false, from.gathered());
            to = whole.memory().address();
        }
        long address = to;
        launch(() -> ranks.gatherColumns(from.memory(), columns, address, count));
    }

    /** A buffer's rows of this step, as 32-bit floats. */
    private DeviceMemory live(CudaBuffer buffer) {
        return new DeviceMemory(buffer.memory().address(), 4L * rows(buffer) * buffer.columns());
    }

    // Back to one

    @Override
    public void sample(Buffer logits) {
        CudaBuffer rows = floats(logits);
        if (!rows.gathered()) {
            throw new IllegalArgumentException("logits were not computed from gathered rows");
        }
        int count = rows(rows);
        prepare(() -> outputs.prepare(begun(), count, rows.columns()));
        long bytes = 4L * count * rows.columns();
        Runnable launch = () -> {
            sample.with(rows.memory()).with(rows.columns()).with(step.address(Region.OUTPUTS));
            sample.with(step.address(Region.HISTORY))
                    .with(step.address(Region.BIAS))
                    .with(step.address(Region.ALLOWED));
            sample.with(processed.atLeast(bytes)).with(weights.atLeast(bytes));
            sample.with(outputs.results()).with(outputs.tops());
            sample.launch(stream, count, MOST_THREADS);
        };
        launch(launch);
    }

    @Override
    public boolean runsAhead() {
        return true;
    }

    @Override
    public void submit() {
        checkStepping();
        check(() -> outputs.copyDown(stream));
        CudaEvent done = ends[nextEnd];
        nextEnd = 1 - nextEnd;
        check(() -> stream.record(done));
        Runnable pass = recording;
        if (pass != null) {
            // While the device is at work on what was enqueued.
            check(() -> graphs.record(step.shape(), pass, tape));
        }
        submitted.add(new Submitted(outputs, done, failure));
        stepping = false;
    }

    @Override
    public StepOutputs finish() {
        enter();
        if (stepping) {
            submit();
        }
        Submitted oldest = submitted.poll();
        if (oldest == null) {
            throw new IllegalStateException("no step has begun");
        }
        if (oldest.failure != null) {
            throw ended(oldest.failure);
        }
        if (ranks.met()) {
            ranks.await(oldest.done);
        } else {
            oldest.done.synchronize();
        }
        oldest.outputs.check();
        return oldest.outputs;
    }

    /** The other ranks of a group go on with a step that this one cannot finish, and wait for it. */
    private ComputeException ended(ComputeException failure) {
        ranks.stop();
        stream.synchronize();
        return !ranks.met() || failure.fatal()
                ? failure
                : new ComputeException(String.valueOf(failure.getMessage()), true);
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        stepping = false;
        context.enter();
        ranks.stop();
        if (inputs != null) {
            inputs.close();
        }
        context.close();
    }

    // For tests

    CudaContext context() {
        return context;
    }

    CudaStream stream() {
        return stream;
    }

    CudaGraphs graphs() {
        return graphs;
    }

    // Checks

    /** After a failure the rest of the step is left out. */
    private void check(Runnable action) {
        if (failure != null) {
            return;
        }
        try {
            action.run();
        } catch (ComputeException e) {
            failure = e;
        }
    }

    /** Checks a step's inputs for an operation, or makes room for it: also where a recorded pass is replayed. */
    private void prepare(Runnable action) {
        check(action);
        if (recording != null) {
            tape.preparation(action);
        }
    }

    /**
     * Launches an operation. What the launch is made of must have been found out before, but for addresses: the same launch is
     * captured when the step is done, and buffers are in another state then.
     */
    private void launch(Runnable action) {
        check(action);
        if (recording != null) {
            tape.launch(action);
        }
    }

    private int rows(CudaBuffer buffer) {
        return buffer.gathered() ? step.outputs() : step.rows();
    }

    private StepInputs begun() {
        checkStepping();
        if (inputs == null) {
            throw new IllegalStateException("no step has begun");
        }
        return inputs;
    }

    private <T> T own(T made) {
        owned.add(made);
        return made;
    }

    private <T> T own(Object made, Class<T> type) {
        checkStepping();
        if (!owned.contains(made)) {
            throw new IllegalArgumentException(made + " is not this backend's");
        }
        return type.cast(made);
    }

    private CudaBuffer owned(Buffer buffer) {
        return own(buffer, CudaBuffer.class);
    }

    private CudaBuffer floats(Buffer buffer) {
        CudaBuffer held = owned(buffer);
        if (held.rounded()) {
            throw new IllegalArgumentException("what a norm, a gate or attention wrote is for products only");
        }
        return held;
    }

    private CudaWeight owned(Weight weight, Form form) {
        CudaWeight held = own(weight, CudaWeight.class);
        if (held.form() != form) {
            throw new IllegalArgumentException(
                    "a weight in the form %s is needed, not %s".formatted(form, held.form()));
        }
        return held;
    }

    private void produce(CudaBuffer out, boolean asRounded, boolean asGathered) {
        out.written(asRounded, asGathered);
        if (rows(out) > out.maxRows()) {
            throw new IllegalArgumentException(
                    "the step has %d rows, the buffer holds %d".formatted(rows(out), out.maxRows()));
        }
    }

    private static void checkGated(HostMatrix gate, HostMatrix up) {
        if (gate.columns() != up.columns() || gate.rows() != up.rows()) {
            throw new IllegalArgumentException("gate is %d x %d, up %d x %d: they must be alike"
                    .formatted(gate.rows(), gate.columns(), up.rows(), up.columns()));
        }
        checkTiles(gate);
    }

    private static void checkTiles(HostMatrix matrix) {
        if (matrix.columns() % CudaWeight.TILE != 0) {
            throw new IllegalArgumentException("%s has %d columns; the CUDA kernels need a multiple of %d"
                    .formatted(matrix.name(), matrix.columns(), CudaWeight.TILE));
        }
    }

    private static void checkDiffer(CudaBuffer one, CudaBuffer other) {
        if (one == other) {
            throw new IllegalArgumentException("an operation cannot write over what it reads");
        }
    }

    private static void checkSameRows(CudaBuffer one, CudaBuffer other) {
        if (one.gathered() != other.gathered()) {
            throw new IllegalArgumentException("only one of two buffers is gathered");
        }
    }

    private static void checkColumns(String one, int columns, String other, int columnsThere) {
        if (columns != columnsThere) {
            throw new IllegalArgumentException("%s has %d columns, %s %d".formatted(one, columns, other, columnsThere));
        }
    }

    private void enter() {
        if (closed) {
            throw new IllegalStateException("the backend is closed");
        }
        context.enter();
    }

    private void checkStepping() {
        enter();
        if (!stepping) {
            throw new IllegalStateException("no step has begun");
        }
    }
}
