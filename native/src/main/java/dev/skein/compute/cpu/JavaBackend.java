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
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * All operations in plain Java on one thread, at once when they are enqueued. A failure is kept until {@link #finish},
 * and what follows it in the step is left out. Not fast: hundreds of times slower than C with vectors.
 */
public final class JavaBackend extends HostBackend {
    private static final int BLOCK_SIZE = KvCache.BLOCK_SIZE;

    private final HostOutputs outputs = new HostOutputs();
    private @Nullable ComputeException failure;

    @Override
    public String description() {
        return "plain Java, 1 thread";
    }

    @Override
    Weight newWeight(List<HostMatrix> stacked) {
        return JavaWeight.stacked(stacked, arena());
    }

    @Override
    Weight newGatedWeight(HostMatrix gate, HostMatrix up) {
        return JavaWeight.gated(gate, up, arena());
    }

    @Override
    KvCache newKvCache(KvCache.Shape shape) {
        return new JavaKvCache(shape);
    }

    @Override
    void onBegin(StepInputs step) {
        failure = null;
        outputs.clear();
    }

    @Override
    void onEmbed(HostTable table, float scale, HostBuffer out) {
        run(() -> {
            float[] row = new float[table.columns()];
            for (int token = 0; token < rows(out); token++) {
                int id = step().get(Region.IDS, token);
                check(id, table.rows(), "embed", "id", token);
                HostRows.read(table.matrix(), id, row);
                for (int i = 0; i < row.length; i++) {
                    row[i] *= scale;
                }
                out.row(token, row);
            }
        });
    }

    @Override
    void onRmsNorm(HostBuffer x, HostVector weight, float epsilon, HostBuffer out) {
        run(() -> {
            float[] weights = weight.values();
            for (int r = 0; r < rows(x); r++) {
                out.row(r, normed(x.row(r), weights, epsilon));
            }
        });
    }

    private static float[] normed(float[] row, float[] weights, float epsilon) {
        float scale = Arithmetic.inverseRms(row, epsilon);
        float[] normed = new float[row.length];
        for (int i = 0; i < row.length; i++) {
            normed[i] = row[i] * scale * weights[i];
        }
        return normed;
    }

    @Override
    void onRmsNormAdd(HostBuffer x, HostVector weight, float epsilon, HostBuffer inOut) {
        run(() -> {
            for (int r = 0; r < rows(x); r++) {
                inOut.row(r, sum(inOut.row(r), normed(x.row(r), weight.values(), epsilon)));
            }
        });
    }

    @Override
    void onLayerNorm(HostBuffer x, HostVector weight, HostVector bias, float epsilon, HostBuffer out) {
        run(() -> {
            for (int r = 0; r < rows(x); r++) {
                out.row(r, Arithmetic.layerNorm(x.row(r), weight.values(), bias.values(), epsilon));
            }
        });
    }

    @Override
    void onAddPositions(HostTable table, HostBuffer inOut) {
        run(() -> {
            float[] place = new float[table.columns()];
            for (int token = 0; token < rows(inOut); token++) {
                int position = step().get(Region.POSITIONS, token);
                check(position, table.rows(), "addPositions", "position", token);
                HostRows.read(table.matrix(), position, place);
                inOut.row(token, sum(inOut.row(token), place));
            }
        });
    }

    @Override
    void onActivate(Activation activation, HostBuffer inOut) {
        run(() -> {
            for (int r = 0; r < rows(inOut); r++) {
                float[] row = inOut.row(r);
                for (int i = 0; i < row.length; i++) {
                    row[i] = Arithmetic.activate(activation, row[i]);
                }
                inOut.row(r, row);
            }
        });
    }

    @Override
    void onBias(HostVector vector, HostBuffer inOut) {
        run(() -> {
            for (int r = 0; r < rows(inOut); r++) {
                inOut.row(r, sum(inOut.row(r), vector.values()));
            }
        });
    }

    private static float[] sum(float[] one, float[] other) {
        float[] sum = new float[one.length];
        for (int i = 0; i < sum.length; i++) {
            sum[i] = one[i] + other[i];
        }
        return sum;
    }

    @Override
    void onHeadNorm(HostBuffer qkv, AttentionShape shape, HostVector queryNorm, HostVector keyNorm, float epsilon) {
        run(() -> {
            for (int r = 0; r < rows(qkv); r++) {
                float[] row = qkv.row(r);
                for (int head = 0; head < shape.queryHeads() + shape.kvHeads(); head++) {
                    HostVector by = head < shape.queryHeads() ? queryNorm : keyNorm;
                    int at = head * shape.headSize();
                    float[] part = Arrays.copyOfRange(row, at, at + shape.headSize());
                    System.arraycopy(normed(part, by.values(), epsilon), 0, row, at, part.length);
                }
                qkv.row(r, row);
            }
        });
    }

    @Override
    void onMatmul(Weight weight, HostBuffer x, HostBuffer out) {
        run(() -> {
            float[][] products = product(weight, x, false);
            for (int r = 0; r < products.length; r++) {
                out.row(r, products[r]);
            }
        });
    }

    @Override
    void onMatmulAdd(Weight weight, HostBuffer x, HostBuffer inOut) {
        run(() -> {
            float[][] products = product(weight, x, false);
            for (int r = 0; r < products.length; r++) {
                inOut.row(r, sum(inOut.row(r), products[r]));
            }
        });
    }

    @Override
    void onGatedMatmul(Weight gateUp, Activation activation, HostBuffer x, HostBuffer out) {
        run(() -> {
            float[][] products = product(gateUp, x, true);
            for (int r = 0; r < products.length; r++) {
                out.row(r, gated(products[r], activation));
            }
        });
    }

    /** Gate's products by up's, which come after them. */
    private static float[] gated(float[] products, Activation activation) {
        float[] row = new float[products.length / 2];
        for (int i = 0; i < row.length; i++) {
            row[i] = Arithmetic.activate(activation, products[i]) * products[row.length + i];
        }
        return row;
    }

    @Override
    void onExperts(HostBuffer logits, Routing routing, HostExperts experts, HostBuffer x, HostBuffer inOut) {
        run(() -> {
            for (int r = 0; r < rows(x); r++) {
                JavaRouter chosen = new JavaRouter(logits.row(r), routing);
                float[] mixed = new float[x.columns()];
                for (int i = 0; i < routing.chosen(); i++) {
                    float[] product = expert(experts, chosen.experts[i], x.row(r));
                    for (int k = 0; k < mixed.length; k++) {
                        mixed[k] = Math.fma(chosen.weights[i], product[k], mixed[k]);
                    }
                }
                inOut.row(r, sum(inOut.row(r), mixed));
            }
        });
    }

    private static float[] expert(HostExperts experts, int expert, float[] x) {
        float[] products = ((JavaWeight) experts.gateUp().get(expert)).times(new float[][] {x})[0];
        float[] inner = gated(products, Activation.SILU);
        return ((JavaWeight) experts.down().get(expert)).times(new float[][] {inner})[0];
    }

    private float[][] product(Weight weight, HostBuffer x, boolean gated) {
        JavaWeight matrix = (JavaWeight) weight;
        checkGated(matrix.gated(), gated);
        float[][] rows = new float[rows(x)][];
        for (int r = 0; r < rows.length; r++) {
            rows[r] = x.row(r);
        }
        return matrix.times(rows);
    }

    @Override
    void onRopeAndStore(HostBuffer qkv, AttentionShape shape, Rope rope, RopeTable table, KvCache cache, int layer) {
        run(() -> {
            JavaKvCache into = (JavaKvCache) cache;
            for (int token = 0; token < rows(qkv); token++) {
                int position = position(token);
                int slot = step().get(Region.SLOTS, token);
                check(slot, cache.shape().blocks() * BLOCK_SIZE, "ropeAndStore", "slot", token);
                float[] row = qkv.row(token);
                for (int head = 0; head < shape.queryHeads() + shape.kvHeads(); head++) {
                    rotate(row, head * shape.headSize(), rope, table.upTo(position), position);
                }
                qkv.row(token, row);
                int keys = shape.queryHeads() * shape.headSize();
                for (int head = 0; head < shape.kvHeads(); head++) {
                    int key = keys + head * shape.headSize();
                    into.store(layer, slot, head, row, key, key + shape.kvHeads() * shape.headSize());
                }
            }
        });
    }

    private static void rotate(float[] row, int at, Rope rope, MemorySegment table, int position) {
        int pairs = rope.dimensions() / 2;
        for (int i = 0; i < pairs; i++) {
            long angle = (long) position * rope.dimensions() + i;
            float cosine = table.getAtIndex(ValueLayout.JAVA_FLOAT, angle);
            float sine = table.getAtIndex(ValueLayout.JAVA_FLOAT, angle + pairs);
            int one = at + (rope.interleaved() ? 2 * i : i);
            int other = rope.interleaved() ? one + 1 : one + pairs;
            float a = row[one];
            float b = row[other];
            row[one] = Math.fma(a, cosine, -(b * sine));
            row[other] = Math.fma(b, cosine, a * sine);
        }
    }

    @Override
    void onAttention(HostBuffer qkv, AttentionShape shape, KvCache cache, int layer, HostBuffer out) {
        run(() -> {
            for (int token = 0; token < rows(qkv); token++) {
                float[] row = qkv.row(token);
                float[] seen = new float[out.columns()];
                int[] slots = slots((JavaKvCache) cache, shape, token);
                int first = shape.firstSeen(position(token));
                for (int head = 0; head < shape.queryHeads(); head++) {
                    if (!shape.computes(head, position(token))) {
                        continue;
                    }
                    int at = head * shape.headSize();
                    float[] query = Arrays.copyOfRange(row, at, at + shape.headSize());
                    JavaAttention.Cached cached = cached((JavaKvCache) cache, layer, slots, shape.kvHead(head));
                    float[] part = JavaAttention.attend(cached, query, shape.scale(), first, slots.length);
                    System.arraycopy(part, 0, seen, at, part.length);
                }
                out.row(token, seen);
            }
        });
    }

    private static JavaAttention.Cached cached(JavaKvCache cache, int layer, int[] slots, int head) {
        return new JavaAttention.Cached() {
            @Override
            public float key(int at, int element) {
                return cache.key(layer, slots[at], head, element);
            }

            @Override
            public float value(int at, int element) {
                return cache.value(layer, slots[at], head, element);
            }
        };
    }

    /** Where the tokens that this one may see are. */
    private int[] slots(JavaKvCache cache, AttentionShape shape, int token) {
        int from = step().get(Region.BLOCK_START, sequence(token));
        int[] slots = new int[seenUntil(shape, token)];
        for (int i = 0; i < slots.length; i++) {
            int block = step().get(Region.BLOCKS, from + i / BLOCK_SIZE);
            check(block, cache.shape().blocks(), "attention", "block", token);
            slots[i] = block * BLOCK_SIZE + i % BLOCK_SIZE;
        }
        return slots;
    }

    /** Up to where a token sees: its own position, or the end of its sequence. */
    private int seenUntil(AttentionShape shape, int token) {
        int last = token;
        while (shape.seesAll() && last + 1 < step().tokens() && sequence(last + 1) == sequence(token)) {
            last++;
        }
        return position(last) + 1;
    }

    private int sequence(int token) {
        return step().get(Region.SEQUENCE, token);
    }

    /** A token's position, which its sequence's blocks must cover. */
    private int position(int token) {
        int sequence = sequence(token);
        int blocks = step().get(Region.BLOCK_START, sequence + 1) - step().get(Region.BLOCK_START, sequence);
        int position = step().get(Region.POSITIONS, token);
        check(position, blocks * BLOCK_SIZE, "step", "position", token);
        return position;
    }

    @Override
    void onGather(HostBuffer x, HostBuffer out) {
        run(() -> {
            for (int output = 0; output < step().outputs(); output++) {
                int row = step().get(output, StepInputs.Output.ROW);
                check(row, step().tokens(), "gather", "row", output);
                out.row(output, x.row(row));
            }
        });
    }

    @Override
    void onSample(HostBuffer logits) {
        run(() -> {
            outputs.prepare(step(), logits.columns());
            for (int output = 0; output < step().outputs(); output++) {
                new JavaSampler(step(), output, logits.row(output)).run(outputs);
            }
        });
    }

    @Override
    void onFlush() {
        if (failure != null) {
            throw failure;
        }
    }

    @Override
    StepOutputs onFinish() {
        onFlush();
        return outputs;
    }

    @Override
    void onClose() {
        outputs.close();
    }

    private void run(Runnable operation) {
        if (failure != null) {
            return;
        }
        try {
            operation.run();
        } catch (ComputeException e) {
            failure = e;
        }
    }

    private static void check(int value, int bound, String operation, String what, int index) {
        if (value < 0 || value >= bound) {
            throw new ComputeException(
                    "%s failed: %s %d of row %d is not in 0..%d".formatted(operation, what, value, index, bound - 1),
                    false);
        }
    }
}
