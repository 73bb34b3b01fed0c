package dev.skein.compute.cuda;

import dev.skein.compute.ExpertWeights;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.Routing;
import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import dev.skein.compute.cuda.CudaMatmul.Store;
import java.util.List;
import java.util.Optional;

/** Launches {@code experts.cu}, and {@link CudaHopperExperts} for its products of more than a few tokens. */
final class CudaExperts {
    private static final int WARP = 32;
    private static final int LIST_THREADS = 1024;
    private static final int THREADS = 256;
    private static final int FEW = 8;
    private static final int MANY = 64;

    /** Of each element of the rows that are brought together, between the products and behind them, and of a choice. */
    private static final long BROUGHT_BYTES = 2;

    private static final long INNER_BYTES = 2;
    private static final long PRODUCT_BYTES = 4;
    private static final long CHOICE_BYTES = 12;

    /** Elements of bf16 in 16 bytes. */
    private static final int VECTOR = 8;

    private final CudaLoader loader;
    private final CudaKernel route;
    private final CudaKernel list;
    private final CudaKernel few;
    private final CudaKernel many;
    private final CudaKernel bring;
    private final CudaKernel mix;
    private final Optional<CudaHopperExperts> hopper;
    private final CudaScratch choices;
    private final CudaScratch brought;
    private final CudaScratch inner;
    private final CudaScratch products;

    /** All experts of a layer: each one's gate and up, one after the other, and each one's down. */
    record Weights(int count, CudaWeight gateUp, CudaWeight down) implements ExpertWeights {
        @Override
        public int hidden() {
            return down.rows();
        }

        @Override
        public int inner() {
            return gateUp.rows();
        }

        @Override
        public long bytes() {
            return gateUp.bytes() + down.bytes();
        }
    }

    /** What {@code skein_route} and {@code skein_list} write, by address. */
    private record Choices(long expert, long weight, long start, long list) {}

    /** @param sameBits whether a row must get the same bits whatever the step */
    CudaExperts(CudaContext context, CudaKernels kernels, CudaLoader loader, boolean sameBits) {
        this.loader = loader;
        route = kernels.kernel("skein_route");
        list = kernels.kernel("skein_list");
        few = kernels.kernel("skein_experts_8");
        many = kernels.kernel("skein_experts_64");
        bring = kernels.kernel("skein_bring");
        mix = kernels.kernel("skein_mix");
        hopper = CudaHopperExperts.of(context, kernels, sameBits);
        choices = new CudaScratch(context);
        brought = new CudaScratch(context);
        inner = new CudaScratch(context);
        products = new CudaScratch(context);
    }

    Weights load(List<HostMatrix> gate, List<HostMatrix> up, List<HostMatrix> down) {
        return new Weights(gate.size(), loader.gatedTiles(gate, up), loader.tilesEach(down));
    }

    /** @param x where the tokens' rows lie as bf16 */
    void enqueue(
            CudaStream stream,
            CudaBuffer logits,
            Routing routing,
            Weights weights,
            long x,
            CudaBuffer inOut,
            int tokens) {
        int chosen = routing.chosen();
        int slots = Math.multiplyExact(tokens, chosen);
        Choices made = choices(slots, weights.count);
        route.with(logits.memory()).with(weights.count).with(chosen).with(routing.normalised() ? 1 : 0);
        route.with(made.expert).with(made.weight).launch(stream, tokens, WARP);
        list.with(made.expert).with(slots).with(weights.count).with(made.start).with(made.list);
        list.launch(stream, 1, 1, 1, LIST_THREADS, 4 * (weights.count + 1));

        DeviceMemory gated = inner.atLeast(INNER_BYTES * slots * weights.inner());
        DeviceMemory out = products.atLeast(PRODUCT_BYTES * slots * weights.hidden());
        if (hopper.isPresent() && tokens > FEW) {
            multiply(hopper.get(), stream, weights, x, gated, out, made, chosen, slots);
        } else {
            multiply(stream, weights, weights.gateUp, x, gated, made, chosen, tokens, Store.GATED_SILU);
            multiply(stream, weights, weights.down, gated.address(), out, made, 1, tokens, Store.FLOAT);
        }
        mix.with(out).with(made.weight).with(chosen).with(inOut.memory()).with(weights.hidden());
        mix.launch(stream, tokens, THREADS);
    }

    /** What {@link #enqueue} makes room for, but for what grows with the number of experts. */
    static long workBytes(long slots, int hidden, int inner) {
        return slots * (BROUGHT_BYTES * hidden + INNER_BYTES * inner + PRODUCT_BYTES * hidden + CHOICE_BYTES);
    }

    private Choices choices(int slots, int count) {
        long each = 4L * slots + 15 & -16L;
        long at = choices.atLeast(3 * each + 4L * (count + 1)).address();
        return new Choices(at, at + each, at + 3 * each, at + 2 * each);
    }

    /** Both products, by rows that lie by expert. */
    private void multiply(
            CudaHopperExperts products,
            CudaStream stream,
            Weights weights,
            long x,
            DeviceMemory gated,
            DeviceMemory out,
            Choices made,
            int chosen,
            int slots) {
        DeviceMemory rows = brought.atLeast(BROUGHT_BYTES * slots * weights.hidden());
        bring.with(x).with(made.list).with(chosen).with(rows).with(weights.hidden() / VECTOR);
        bring.launch(stream, slots, THREADS);
        products.enqueue(stream, weights.gateUp, weights.count, rows, gated, slots, made.start, 0, Store.GATED_SILU);
        products.enqueue(stream, weights.down, weights.count, gated, out, slots, made.start, made.list, Store.FLOAT);
    }

    private void multiply(
            CudaStream stream,
            Weights weights,
            CudaWeight weight,
            long x,
            DeviceMemory out,
            Choices made,
            int share,
            int tokens,
            Store store) {
        boolean several = tokens > FEW;
        CudaKernel kernel = several ? many : few;
        int atOnce = several ? MANY : FEW;
        int rowTiles = several ? 2 : 1;
        kernel.with(weight.memory()).with(x).with(out).with(weight.rows()).with(weight.rowTiles());
        kernel.with(weight.columnTiles())
                .with(made.start)
                .with(made.list)
                .with(share)
                .with(store.ordinal());
        kernel.launch(
                stream,
                (tokens + atOnce - 1) / atOnce,
                (weight.rowTiles() + rowTiles - 1) / rowTiles,
                weights.count,
                THREADS,
                0);
    }
}
