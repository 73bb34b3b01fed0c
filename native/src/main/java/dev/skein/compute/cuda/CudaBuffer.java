package dev.skein.compute.cuda;

import dev.skein.compute.Buffer;
import dev.skein.compute.cuda.CudaContext.DeviceMemory;

/**
 * Rows on the device. What the residual stream, fused rows and logits hold is 32-bit floats; what only products read is bf16,
 * in the first half of the same memory. Which of them it is, the operation that writes it decides.
 */
final class CudaBuffer implements Buffer {
    private final int maxRows;
    private final int columns;
    private final DeviceMemory memory;
    private boolean rounded;
    private boolean gathered;

    CudaBuffer(int maxRows, int columns, DeviceMemory memory) {
        this.maxRows = maxRows;
        this.columns = columns;
        this.memory = memory;
    }

    @Override
    public int maxRows() {
        return maxRows;
    }

    @Override
    public int columns() {
        return columns;
    }

    DeviceMemory memory() {
        return memory;
    }

    /** Whether it holds bf16. */
    boolean rounded() {
        return rounded;
    }

    /** Whether its rows are the step's outputs, not its tokens. */
    boolean gathered() {
        return gathered;
    }

    void written(boolean asRounded, boolean asGathered) {
        rounded = asRounded;
        gathered = asGathered;
    }
}
