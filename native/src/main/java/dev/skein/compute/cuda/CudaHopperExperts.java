package dev.skein.compute.cuda;

import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import dev.skein.compute.cuda.CudaMatmul.Store;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Launches {@code experts_hopper.cu}: products of experts on compute capability 9.0, of rows that lie by expert. All but the one
 * of the most rows, which adds up all columns in one chain, give the bits of {@code experts.cu}.
 */
final class CudaHopperExperts {
    private static final int ROW_TILES = 8;
    private static final int STAGE_BYTES = ROW_TILES * 4 * CudaWeight.TILE_BYTES;
    private static final int ROW_BYTES = 128;
    private static final int BARRIER_BYTES = 16;
    private static final int ALIGNMENT = 1024;
    private static final int THREADS = 384;

    private final int multiprocessors;
    private final List<Variant> variants;
    private final CudaMap weightMap;
    private final CudaMap rowMap;

    /** A kernel, and the rows that one of its tiles takes. */
    private record Variant(CudaKernel kernel, int rows, int shared) {}

    private CudaHopperExperts(CudaContext context, List<Variant> variants) {
        multiprocessors = context.device().multiprocessors();
        this.variants = variants;
        weightMap = new CudaMap(context.driver());
        rowMap = new CudaMap(context.driver());
    }

    /** Empty if the image has no such kernels for this device. */
    static Optional<CudaHopperExperts> of(CudaContext context, CudaKernels kernels, boolean sameBits) {
        List<Variant> found = new ArrayList<>();
        find(kernels, "skein_grouped_16", 16, 11, found);
        find(kernels, "skein_grouped_32", 32, 10, found);
        find(kernels, "skein_grouped_64", 64, 8, found);
        find(kernels, "skein_grouped_128", 128, 6, found);
        if (!sameBits) {
            find(kernels, "skein_grouped_flat_256", 256, 4, found);
        }
        return found.isEmpty() ? Optional.empty() : Optional.of(new CudaHopperExperts(context, found));
    }

    private static void find(CudaKernels kernels, String name, int rows, int stages, List<Variant> found) {
        int shared = stages * (STAGE_BYTES + rows * ROW_BYTES + BARRIER_BYTES) + ALIGNMENT;
        kernels.find(name).map(kernel -> new Variant(kernel, rows, shared)).ifPresent(found::add);
    }

    /**
     * Multiplies each expert's rows of x.
     *
     * @param weight of all experts
     * @param x rows of bf16 that lie by expert
     * @param start on the device: each expert's first row, then the number of rows
     * @param list on the device: the row of {@code out} that each row becomes, or 0 if that is the same one
     */
    void enqueue(
            CudaStream stream,
            CudaWeight weight,
            int experts,
            DeviceMemory x,
            DeviceMemory out,
            int rows,
            long start,
            long list,
            Store store) {
        Variant variant = variant(rows, experts);
        weightMap.tiles(weight.memory(), Math.multiplyExact(experts, weight.rowTiles()), weight.columnTiles());
        rowMap.rows(x.address(), rows, weight.columns(), variant.rows);
        CudaKernel kernel = variant.kernel;
        kernel.with(weightMap).with(rowMap).with(out).with(weight.rows()).with(weight.rowTiles());
        kernel.with(weight.columnTiles()).with(start).with(experts).with(list).with(store.ordinal());
        kernel.launch(stream, multiprocessors, 1, 1, THREADS, variant.shared);
    }

    /** Half as many rows again as an expert has on average: how many each has, only the device knows. */
    private Variant variant(int rows, int experts) {
        for (Variant variant : variants) {
            if (3L * rows <= 2L * experts * variant.rows) {
                return variant;
            }
        }
        return variants.getLast();
    }
}
