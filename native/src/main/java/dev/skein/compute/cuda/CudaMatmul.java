package dev.skein.compute.cuda;

import dev.skein.compute.Activation;
import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import java.util.List;
import java.util.Optional;

/**
 * Launches {@code matmul.cu}, {@code matmul_many.cu} and {@code quantised.cu}, or {@link CudaHopperMatmul}: the kernel for so many
 * rows. Where the same bits are asked for, all give the same.
 */
final class CudaMatmul {
    /** What becomes of a sum: {@code Store} of {@code store.cuh}. */
    enum Store {
        FLOAT,
        ADD,
        GATED_SILU,
        ROUNDED,
        GATED_GELU;

        static Store gated(Activation activation) {
            return switch (activation) {
                case SILU -> GATED_SILU;
                case GELU_TANH -> GATED_GELU;
                case GELU -> throw new IllegalArgumentException("the CUDA kernels gate with SILU and GELU_TANH only");
            };
        }

        boolean rounds() {
            return this != FLOAT && this != ADD;
        }
    }

    /** A kernel and what one of its blocks does. */
    private record Variant(CudaKernel kernel, int rows, int rowTiles, int threads, int shared) {}

    /** Up to so many rows, weights of four bits are expanded in registers each time; for more, once to memory. */
    private static final int EXPANDED_BEYOND = 256;

    private static final int THREADS = 256;
    private static final int GROUPS_A_BLOCK = 8;

    private final List<Variant> tiles;
    private final List<Variant> fourBits;
    private final CudaKernel expand;
    private final CudaScratch expanded;
    private final Optional<CudaHopperMatmul> hopper;

    /** @param sameBits whether a row must get the same bits whatever the step, at some cost */
    CudaMatmul(CudaContext context, CudaStream stream, CudaKernels kernels, boolean sameBits) {
        hopper = CudaHopperMatmul.of(context, stream, kernels, sameBits);
        tiles = List.of(
                new Variant(kernels.kernel("skein_matmul_8"), 8, 1, THREADS, 0),
                new Variant(kernels.kernel("skein_matmul_16"), 16, 1, THREADS, 0),
                new Variant(kernels.kernel("skein_matmul_32"), 32, 2, THREADS, 0),
                new Variant(kernels.kernel("skein_matmul_64"), 64, 2, THREADS, 0),
                new Variant(kernels.kernel("skein_matmul_many"), 128, 8, 512, 64 << 10));
        fourBits = List.of(
                new Variant(kernels.kernel(sameBits ? "skein_matmul_q4_8" : "skein_matmul_q4r_8"), 8, 1, THREADS, 0),
                new Variant(kernels.kernel("skein_matmul_q4_16"), 16, 1, THREADS, 0),
                new Variant(kernels.kernel("skein_matmul_q4_64"), 64, 1, THREADS, 0));
        expand = kernels.kernel("skein_expand_q4");
        expanded = new CudaScratch(context);
    }

    void enqueue(CudaStream stream, CudaWeight weight, long x, CudaBuffer out, int rows, Store store) {
        if (hopper.isPresent() && hopper.get().takes(weight, rows)) {
            hopper.get().enqueue(stream, weight, x, out, rows, store);
            return;
        }
        if (weight.fourBits() && rows <= EXPANDED_BEYOND) {
            Variant variant = variant(fourBits, rows);
            variant.kernel.with(weight.memory()).with(x).with(out.memory()).with(weight.rows());
            variant.kernel.with(weight.columnTiles()).with(rows).with(store.ordinal());
            launch(stream, variant, weight, rows);
            return;
        }
        Variant variant = variant(tiles, rows);
        variant.kernel.with(weight.fourBits() ? expand(stream, weight) : weight.memory());
        variant.kernel.with(x).with(out.memory()).with(weight.rows()).with(weight.rowTiles());
        variant.kernel.with(weight.columnTiles()).with(rows).with(store.ordinal());
        launch(stream, variant, weight, rows);
    }

    private DeviceMemory expand(CudaStream stream, CudaWeight weight) {
        DeviceMemory to = expanded.atLeast(weight.tileBytes());
        expand.with(weight.memory()).with(to).with(weight.columnTiles());
        int blocks = (weight.columnGroups() + GROUPS_A_BLOCK - 1) / GROUPS_A_BLOCK;
        expand.launch(stream, blocks, weight.rowTiles(), 1, THREADS, 0);
        return to;
    }

    private static void launch(CudaStream stream, Variant variant, CudaWeight weight, int rows) {
        variant.kernel.launch(
                stream,
                (rows + variant.rows - 1) / variant.rows,
                (weight.rowTiles() + variant.rowTiles - 1) / variant.rowTiles,
                1,
                variant.threads,
                variant.shared);
    }

    private static Variant variant(List<Variant> variants, int rows) {
        for (Variant variant : variants) {
            if (rows <= variant.rows) {
                return variant;
            }
        }
        return variants.getLast();
    }
}
