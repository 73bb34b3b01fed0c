package dev.skein.compute;

import dev.skein.compute.collective.Collective;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

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
 * @implSpec The result of a row must not depend, in any bit, on the other rows of the step nor on the number of threads, unless
 *     the backend was made to put speed before that.
 */
public interface Backend extends AutoCloseable {

    /** What computes and why it was chosen, for people: "cpu avx512-vnni, 2 threads". */
    String description();

    /** The memory that weights, buffers and caches take, if it is not this machine's. */
    default Optional<OwnMemory> memory() {
        return Optional.empty();
    }

    /** How the device is, if something tells. Any thread may ask, also while a step is computed; it may take milliseconds. */
    default Optional<DeviceGauges> gauges() {
        return Optional.empty();
    }

    /** Why {@link #kvCache} would refuse a shape whatever its number of blocks, for people; empty if it would not. */
    default Optional<String> objection(KvCache.Shape shape) {
        return Optional.empty();
    }

    // Memory

    /** Copies matrices of the same columns into the backend's layout as one, rows below rows. Types may differ. */
    Weight weight(List<HostMatrix> stacked);

    /** As {@link #weight}, but for {@link #gatedMatmul}: gate and up have the same shape; their types may differ. */
    Weight gatedWeight(HostMatrix gate, HostMatrix up);

    /** A table for {@link #embed} or {@link #addPositions}. May keep reading the matrix's own memory, which must outlive the backend. */
    Weight table(HostMatrix matrix);

    /** A vector (norm weight, bias) of F32, F16 or BF16 as 32-bit floats. */
    Weight vector(HostMatrix matrix);

    /**
     * For {@link #experts(Buffer, Routing, ExpertWeights, Buffer, Buffer)}: expert e is made of the e-th of each list.
     * All gates and ups have the same shape, all downs that shape turned; types may differ.
     */
    ExpertWeights experts(List<HostMatrix> gate, List<HostMatrix> up, List<HostMatrix> down);

    Buffer buffer(int maxRows, int columns);

    KvCache kvCache(KvCache.Shape shape);

    /**
     * Computes a model together with other ranks from the next step on. All of them run the same steps in the same order,
     * and those that split layers the same operations; one that does not come makes the operation that waits for it fail
     * for good. The ends stay their owner's.
     *
     * @param tensor those that split each layer with this one
     * @param previous the rank whose rows this one goes on with, and this one
     * @param next this one, and the rank that goes on with its rows
     * @throws UnsupportedOperationException if this backend computes alone
     */
    default void join(@Nullable Collective tensor, @Nullable Collective previous, @Nullable Collective next) {
        throw alone();
    }

    // A step

    /** Copies the inputs; they may be changed again when it returns. */
    void begin(StepInputs inputs);

    /**
     * Enqueues what a pass enqueues. That must depend on nothing but the step's inputs whenever the same object is given, so
     * that a backend may do again what it recorded, without asking.
     */
    default void enqueue(Runnable pass) {
        pass.run();
    }

    /**
     * Whether a step may begin before the one before is finished, once that is {@linkplain #submit submitted}. Its ids may then name
     * outputs of that step, whose ids nobody knows yet: see {@link StepInputs#token}.
     */
    default boolean runsAhead() {
        return false;
    }

    /**
     * Nothing more is enqueued in this step. Where the backend {@link #runsAhead}, one more may begin now; each is finished by
     * a {@link #finish} of its own, in their order.
     */
    default void submit() {}

    /** {@code out[t] = scale * table[ids[t]]}; Gemma scales, by the root of the row's length. */
    void embed(Weight table, float scale, Buffer out);

    /** {@code out[t] = x[t] / sqrt(mean(x[t]^2) + epsilon) * weight}. */
    void rmsNorm(Buffer x, Weight weight, float epsilon, Buffer out);

    /** {@code inOut[t] += norm(x[t])} with {@link #rmsNorm}'s norm: of what goes back into the residual stream (Gemma). */
    void rmsNormAdd(Buffer x, Weight weight, float epsilon, Buffer inOut);

    /** {@code out[t] = (x[t] - mean(x[t])) / sqrt(variance(x[t]) + epsilon) * weight + bias}; out may be x (BERT). */
    void layerNorm(Buffer x, Weight weight, Weight bias, float epsilon, Buffer out);

    /** {@code inOut[t] += table[positions[t]]}: of models that learnt their positions (BERT). */
    void addPositions(Weight table, Buffer inOut);

    /** {@code inOut[t] = activation(inOut[t])}, element by element. */
    void activate(Activation activation, Buffer inOut);

    /** {@code inOut[t] += vector}. */
    void bias(Weight vector, Buffer inOut);

    /** {@code out[t] = W x[t]}. */
    void matmul(Weight weight, Buffer x, Buffer out);

    /** {@code inOut[t] += W x[t]}: a projection back into the residual stream. */
    void matmulAdd(Weight weight, Buffer x, Buffer inOut);

    /** {@code out[t] = activation(G x[t]) * (U x[t])} with a {@link #gatedWeight}. */
    void gatedMatmul(Weight gateUp, Activation activation, Buffer x, Buffer out);

    /**
     * A mixture of experts: {@code inOut[t] += sum of p_e * D_e(silu(G_e x[t]) * (U_e x[t]))} over the experts that the
     * routing chooses for a token by its router's logits, summed from the likeliest to the least likely. Tokens are
     * brought together by expert, so each expert's weights are read once in a step. A backend holds room for {@code chosen}
     * rows of {@code 3 * hidden + 2 * inner} numbers for each of the step's tokens.
     *
     * @param routerLogits a number for each expert and token
     */
    void experts(Buffer routerLogits, Routing routing, ExpertWeights weights, Buffer x, Buffer inOut);

    /**
     * RMS norm of each query head and each key head of fused rows by itself, in place; value heads stay (Qwen3, Gemma 3).
     *
     * @param queryNorm a vector of a head's size
     * @param keyNorm a vector of a head's size
     */
    void headNorm(Buffer qkv, AttentionShape shape, Weight queryNorm, Weight keyNorm, float epsilon);

    /** Rotates the query and key heads of fused rows in place, and stores keys and values into the step's slots. */
    void ropeAndStore(Buffer qkv, AttentionShape shape, Rope rope, KvCache cache, int layer);

    /**
     * Attention of each token's query heads over its sequence's cached tokens up to and including its own position, from
     * the {@linkplain AttentionShape#firstSeen first} in its window on; or over {@linkplain AttentionShape#WHOLE all} of
     * its sequence's tokens. {@code out} rows are {@code queryHeads * headSize} elements.
     */
    void attention(Buffer qkv, AttentionShape shape, KvCache cache, int layer, Buffer out);

    /** {@code out[r] = x[outputRow[r]]}: only rows whose logits are wanted go on. */
    void gather(Buffer x, Buffer out);

    // Among ranks: what came before in the step has been computed when these act

    /** {@code x[t] = 0}. */
    default void zero(Buffer x) {
        throw alone();
    }

    /** {@code inOut[t] = sum of inOut[t] over the tensor ranks}, the first rank's first: the same bits on all of them. */
    default void allReduce(Buffer inOut) {
        throw alone();
    }

    /**
     * Puts the columns of all tensor ranks side by side on the first of them.
     *
     * @param part this rank's
     * @param columns how many each rank has
     * @param all room for all of them on the first rank; null on others
     */
    default void gatherColumns(Buffer part, int[] columns, @Nullable Buffer all) {
        throw alone();
    }

    /** Hands the step's rows to the next rank, which {@link #receive}s them. */
    default void send(Buffer x) {
        throw alone();
    }

    /** Fills the step's rows with what the previous rank {@link #send}s. */
    default void receive(Buffer x) {
        throw alone();
    }

    /** Waits for all that was enqueued; the step goes on. */
    default void flush() {
        throw alone();
    }

    private UnsupportedOperationException alone() {
        return new UnsupportedOperationException(
                description() + " computes this alone, not in a group of several ranks");
    }

    // Back to one

    /** Samples or scores each gathered row of logits by its parameters in the inputs (see {@link StepInputs}). */
    void sample(Buffer logits);

    /**
     * Waits for all operations of the oldest step that is not finished.
     *
     * @return valid until the next {@link #begin}
     * @throws ComputeException if an operation failed; the step's results are lost, the backend stays usable unless
     *     {@link ComputeException#fatal}
     */
    StepOutputs finish();

    /**
     * Copies a row of a buffer as the step left it, between {@link #finish} and the next {@link #begin}.
     *
     * @param into as long as the buffer has columns
     */
    void read(Buffer buffer, int row, float[] into);

    @Override
    void close();
}
