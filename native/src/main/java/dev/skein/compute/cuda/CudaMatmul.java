package dev.skein.compute.cuda;

import dev.skein.compute.Activation;
import java.util.List;

/** Launches {@code matmul.cu} and {@code matmul_many.cu}: the kernel for so many rows. All give the same bits. */
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
            };
        }

        boolean rounds() {
            return this != FLOAT && this != ADD;
        }
    }

    /** A kernel and what one of its blocks does. */
    private record Variant(CudaKernel kernel, int rows, int rowTiles, int threads, int shared) {}

    private final List<Variant> variants;

    CudaMatmul(CudaKernels kernels) {
        variants = List.of(
                new Variant(kernels.kernel("skein_matmul_8"), 8, 1, 256, 0),
                new Variant(kernels.kernel("skein_matmul_16"), 16, 1, 256, 0),
                new Variant(kernels.kernel("skein_matmul_32"), 32, 2, 256, 0),
                new Variant(kernels.kernel("skein_matmul_64"), 64, 2, 256, 0),
                new Variant(kernels.kernel("skein_matmul_many"), 128, 8, 512, 64 << 10));
    }

    void enqueue(CudaStream stream, CudaWeight weight, long x, CudaBuffer out, int rows, Store store) {
        Variant variant = variant(rows);
        variant.kernel
                .with(weight.memory())
                .with(x)
                .with(out.memory())
                .with(weight.rows())
                .with(weight.rowTiles())
                .with(weight.columnTiles())
                .with(rows)
                .with(store.ordinal());
        variant.kernel.launch(
                stream,
                (rows + variant.rows - 1) / variant.rows,
                (weight.rowTiles() + variant.rowTiles - 1) / variant.rowTiles,
                1,
                variant.threads,
                variant.shared);
    }

    private Variant variant(int rows) {
        for (Variant variant : variants) {
            if (rows <= variant.rows) {
                return variant;
            }
        }
        return variants.getLast();
    }
}
