package dev.skein.compute;

import java.util.List;

/**
 * A device, or the cores of this machine: owns weights, buffers and caches, and runs a model's operations in the order
 * they were given.
 *
 * <p>A step: {@link #begin} copies the inputs up; each operation method enqueues and returns at once; {@link #finish}
 * waits for all of them and hands out the outputs. Row counts follow from the inputs: before {@link #gather} an
 * operation acts on all {@link StepInputs#tokens()} rows, on gathered buffers on {@link StepInputs#outputs()} rows.
 *
 * <p>One thread, the step loop's, makes all calls. Closing frees everything the backend made.
 *
 * @implSpec The result of a row must not depend, in any bit, on the other rows of the step nor on the number of threads.
 */
public interface Backend extends AutoCloseable {

    /** What computes and why it was chosen, for people: "cpu avx512-vnni, 2 threads". */
    String description();

    // Memory

    /** Copies matrices into the backend's layout as one, rows below rows. All have the same type and columns. */
    Weight weight(List<HostMatrix> stacked);

    /** As {@link #weight}, but for {@link #gatedMatmul}: gate and up have the same shape and type. */
    Weight gatedWeight(HostMatrix gate, HostMatrix up);

    /** A table for {@link #embed}. May keep reading the matrix's own memory, which must outlive the backend. */
    Weight table(HostMatrix matrix);

    /** A vector (norm weight, bias) of F32, F16 or BF16 as 32-bit floats. */
    Weight vector(HostMatrix matrix);

    Buffer buffer(int maxRows, int columns);

    KvCache kvCache(KvCache.Shape shape);

    // A step

    /** Copies the inputs; they may be changed again when it returns. */
    void begin(StepInputs inputs);

    /** {@code out[t] = table[ids[t]]}. */
    void embed(Weight table, Buffer out);

    /** {@code out[t] = x[t] / sqrt(mean(x[t]^2) + epsilon) * weight}. */
    void rmsNorm(Buffer x, Weight weight, float epsilon, Buffer out);

    /** {@code out[t] = W x[t]}. */
    void matmul(Weight weight, Buffer x, Buffer out);

    /** {@code inOut[t] += W x[t]}: a projection back into the residual stream. */
    void matmulAdd(Weight weight, Buffer x, Buffer inOut);

    /** {@code out[t] = silu(G x[t]) * (U x[t])} with a {@link #gatedWeight}: SwiGLU (Shazeer, arXiv 2002.05202). */
    void gatedMatmul(Weight gateUp, Buffer x, Buffer out);

    /** Rotates the query and key heads of fused rows in place, and stores keys and values into the step's slots. */
    void ropeAndStore(Buffer qkv, AttentionShape shape, Rope rope, KvCache cache, int layer);

    /**
     * Causal attention of each token's query heads over its sequence's cached tokens up to and including its own
     * position. {@code out} rows are {@code queryHeads * headSize} elements.
     */
    void attention(Buffer qkv, AttentionShape shape, KvCache cache, int layer, Buffer out);

    /** {@code out[r] = x[outputRow[r]]}: only rows whose logits are wanted go on. */
    void gather(Buffer x, Buffer out);

    /** Samples or scores each gathered row of logits by its parameters in the inputs (see {@link StepInputs}). */
    void sample(Buffer logits);

    /**
     * Waits for all enqueued operations.
     *
     * @return valid until the next {@link #begin}
     * @throws ComputeException if an operation failed; the step's results are lost, the backend stays usable unless
     *     {@link ComputeException#fatal}
     */
    StepOutputs finish();

    @Override
    void close();
}
