package dev.skein.compute.cuda;

import dev.skein.compute.ElementType;
import dev.skein.compute.OwnMemory;
import dev.skein.compute.StepInputs;
import dev.skein.compute.cuda.CudaWeight.Form;
import java.util.List;

/** A GPU's memory, and what {@link CudaLoader} and the steps take of it. */
record CudaMemory(CudaContext context) implements OwnMemory {
    /** Parts and images of attention, tables of ropes, two buffers of the loader, slots of other ranks, what the driver keeps of graphs and kernels. */
    private static final long FIXED =
            (CudaAttention.MOST_PARTIAL_BYTES + CudaAttention.MOST_IMAGE_BYTES) * 5 / 4 + (512L << 20);

    @Override
    public long totalBytes() {
        return context.device().bytes();
    }

    @Override
    public long freeBytes() {
        context.enter();
        return context.freeBytes();
    }

    @Override
    public long weightBytes(List<ElementType> types, int rows, int columns) {
        return CudaWeight.bytes(Form.TILES, types.stream().allMatch(CudaLoader::inFourBits), rows, columns);
    }

    @Override
    public long tableBytes(int rows, int columns) {
        return 2L * rows * columns;
    }

    @Override
    public long expertBytes(int rows, int columns) {
        return CudaWeight.bytes(Form.TILES, false, rows, columns);
    }

    @Override
    public long expertWorkBytes(long rows, int hidden, int inner) {
        return CudaExperts.workBytes(rows, hidden, inner) * 5 / 4;
    }

    @Override
    public long workBytes(StepInputs.Limits limits, int vocabulary, long largestWeight) {
        long logits = 2L * Float.BYTES * limits.outputs() * vocabulary;
        return FIXED + CudaHopperMatmul.bytes(context.device()) + (logits + 2 * largestWeight) * 5 / 4;
    }
}
