package dev.skein.compute.cpu;

import dev.skein.compute.StepInputs;
import dev.skein.compute.StepInputs.Output;
import dev.skein.compute.StepOutputs;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Results in host memory, filled in place: {@link #RESULT_BYTES} for each output as {@code skein_result} of
 * {@code skein_cpu.h}, then the likeliest ids and their logprobs.
 */
final class HostOutputs implements StepOutputs {
    static final int RESULT_BYTES = 24;

    private static final int ID = 0;
    private static final int LOGPROB = 4;
    private static final int RANK = 8;
    private static final int TOP_START = 12;
    private static final int TOP_COUNT = 16;

    private Arena arena = Arena.ofShared();
    private MemorySegment results = MemorySegment.NULL;
    private MemorySegment tops = MemorySegment.NULL;
    private int outputs;

    /** Makes room for the outputs of a step and says where each one's likeliest ids go. */
    void prepare(StepInputs step, int vocabulary) {
        outputs = step.outputs();
        long wanted = 0;
        for (int output = 0; output < outputs; output++) {
            wanted += topCount(step, output, vocabulary);
        }
        reserve(wanted);
        int at = 0;
        for (int output = 0; output < outputs; output++) {
            int count = topCount(step, output, vocabulary);
            set(output, TOP_START, at);
            set(output, TOP_COUNT, count);
            at += count;
        }
    }

    /** No output has a result. */
    void clear() {
        outputs = 0;
    }

    private static int topCount(StepInputs step, int output, int vocabulary) {
        return Math.clamp(step.get(output, Output.LOGPROBS), 0, vocabulary);
    }

    private void reserve(long topIds) {
        if (results.byteSize() >= (long) outputs * RESULT_BYTES && tops.byteSize() >= 8L * topIds) {
            return;
        }
        arena.close();
        arena = Arena.ofShared();
        results = arena.allocate(Math.max(64, 2L * outputs * RESULT_BYTES), 64);
        tops = arena.allocate(Math.max(64, 16L * topIds), 64);
    }

    MemorySegment results() {
        return results;
    }

    /** Pairs of an id and its logprob. */
    MemorySegment tops() {
        return tops;
    }

    void result(int output, int id) {
        set(output, ID, id);
    }

    void score(int output, float logprob, int rank) {
        results.set(ValueLayout.JAVA_FLOAT, at(output) + LOGPROB, logprob);
        set(output, RANK, rank);
    }

    void top(int output, int k, int id, float logprob) {
        tops.set(ValueLayout.JAVA_INT, topAt(output, k), id);
        tops.set(ValueLayout.JAVA_FLOAT, topAt(output, k) + 4, logprob);
    }

    @Override
    public int id(int output) {
        return get(output, ID);
    }

    @Override
    public float logprob(int output) {
        return results.get(ValueLayout.JAVA_FLOAT, at(output) + LOGPROB);
    }

    @Override
    public int rank(int output) {
        return get(output, RANK);
    }

    @Override
    public int topCount(int output) {
        return get(output, TOP_COUNT);
    }

    @Override
    public int topId(int output, int k) {
        return tops.get(ValueLayout.JAVA_INT, topAt(output, k));
    }

    @Override
    public float topLogprob(int output, int k) {
        return tops.get(ValueLayout.JAVA_FLOAT, topAt(output, k) + 4);
    }

    private long topAt(int output, int k) {
        if (k < 0 || k >= topCount(output)) {
            throw new IndexOutOfBoundsException("likeliest id %d of %d".formatted(k, topCount(output)));
        }
        return 8L * (get(output, TOP_START) + k);
    }

    private int get(int output, int field) {
        return results.get(ValueLayout.JAVA_INT, at(output) + field);
    }

    private void set(int output, int field, int value) {
        results.set(ValueLayout.JAVA_INT, at(output) + field, value);
    }

    private long at(int output) {
        if (output < 0 || output >= outputs) {
            throw new IndexOutOfBoundsException("output %d of %d".formatted(output, outputs));
        }
        return (long) output * RESULT_BYTES;
    }

    void close() {
        arena.close();
    }
}
