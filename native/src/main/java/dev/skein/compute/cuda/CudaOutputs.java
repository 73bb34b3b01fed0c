package dev.skein.compute.cuda;

import dev.skein.compute.ComputeException;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepInputs.Output;
import dev.skein.compute.StepOutputs;
import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Results as {@code sample.cu} writes them: {@code Result} of each output, then the likeliest ids of all. Those of the next step take
 * their place on the device, which is why a step's have memory of their own on the host.
 */
final class CudaOutputs implements StepOutputs {
    static final int RESULT_BYTES = 24;
    private static final int ID = 0;
    private static final int LOGPROB = 4;
    private static final int RANK = 8;
    private static final int STATUS = 12;
    private static final int BAD = 16;
    private static final int TOP_START = 20;

    private static final int OK = 0;
    private static final int NOT_FINITE = 1;

    private final CudaContext context;
    private final CudaScratch device;
    private MemorySegment host;
    private int[] topCounts = {};
    private int outputs;
    private int vocabulary;
    private long topsAt;
    private long used;

    /** @param device of the results of all steps */
    CudaOutputs(CudaContext context, CudaScratch device) {
        this.context = context;
        this.device = device;
        host = context.allocatePinned(4096);
    }

    /** No output has a result. */
    void clear() {
        outputs = 0;
    }

    int count() {
        return outputs;
    }

    /** Makes room for the results of a step, of so many rows of which the last may be nobody's. */
    void prepare(StepInputs step, int rows, int logits) {
        outputs = step.outputs();
        vocabulary = logits;
        topsAt = (long) rows * RESULT_BYTES;
        topCounts = topCounts.length < outputs ? new int[2 * outputs] : topCounts;
        long tops = 0;
        for (int output = 0; output < outputs; output++) {
            topCounts[output] = Math.clamp(step.get(output, Output.LOGPROBS), 0, vocabulary);
            tops += topCounts[output];
        }
        long bytes = topsAt + 8 * tops;
        device.atLeast(bytes);
        if (host.byteSize() < bytes) {
            host = context.allocatePinned(2 * bytes);
        }
        used = bytes;
    }

    DeviceMemory results() {
        return device.atLeast(used);
    }

    long tops() {
        return results().address() + topsAt;
    }

    /** Nothing, if nothing was sampled. */
    void copyDown(CudaStream stream) {
        if (outputs > 0) {
            stream.copyDown(results(), 0, host.asSlice(0, used));
        }
    }

    /** Throws for the first output that could not be sampled. */
    void check() {
        for (int output = 0; output < outputs; output++) {
            int status = get(output, STATUS);
            if (status != OK) {
                throw new ComputeException(
                        status == NOT_FINITE
                                ? "sample failed: logit %d of output %d is not finite"
                                        .formatted(get(output, BAD), output)
                                : "sample failed: id %d of output %d is not among %d logits"
                                        .formatted(get(output, BAD), output, vocabulary),
                        false);
            }
        }
    }

    @Override
    public int id(int output) {
        return get(output, ID);
    }

    @Override
    public float logprob(int output) {
        return host.get(ValueLayout.JAVA_FLOAT, at(output) + LOGPROB);
    }

    @Override
    public int rank(int output) {
        return get(output, RANK);
    }

    @Override
    public int topCount(int output) {
        at(output);
        return topCounts[output];
    }

    @Override
    public int topId(int output, int k) {
        return host.get(ValueLayout.JAVA_INT, topAt(output, k));
    }

    @Override
    public float topLogprob(int output, int k) {
        return host.get(ValueLayout.JAVA_FLOAT, topAt(output, k) + 4);
    }

    private long topAt(int output, int k) {
        if (k < 0 || k >= topCount(output)) {
            throw new IndexOutOfBoundsException("likeliest id %d of %d".formatted(k, topCount(output)));
        }
        return topsAt + 8L * (get(output, TOP_START) + k);
    }

    private int get(int output, int field) {
        return host.get(ValueLayout.JAVA_INT, at(output) + field);
    }

    private long at(int output) {
        if (output < 0 || output >= outputs) {
            throw new IndexOutOfBoundsException("output %d of %d".formatted(output, outputs));
        }
        return (long) output * RESULT_BYTES;
    }
}
