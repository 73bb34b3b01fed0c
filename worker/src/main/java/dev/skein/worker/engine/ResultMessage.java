package dev.skein.worker.engine;

import dev.skein.compute.ComputeException;
import dev.skein.compute.StepOutputs;
import dev.skein.compute.collective.Collective;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/** What a step brought, on its way from the rank that sampled to the leader: its outputs, or why there are none. */
final class ResultMessage implements StepOutputs, AutoCloseable {
    private static final int OUTPUTS = 1;
    private static final int FAILED = 2;

    private static final int ID = 0;
    private static final int LOGPROB = 4;
    private static final int RANK = 8;
    /** Where its likeliest ids and their logprobs are, from the start of the message. */
    private static final int TOP_START = 12;

    private static final int TOP_COUNT = 16;
    private static final int OUTPUT_BYTES = 20;
    private static final int TOP_BYTES = 8;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private final Message message = new Message();

    void outputs(StepOutputs from, int count) {
        long tops = 0;
        for (int output = 0; output < count; output++) {
            tops += from.topCount(output);
        }
        MemorySegment into = message.start(OUTPUTS, (long) OUTPUT_BYTES * count + TOP_BYTES * tops);
        int topAt = OUTPUT_BYTES * count;
        for (int output = 0; output < count; output++) {
            long at = (long) OUTPUT_BYTES * output;
            into.set(INT, at + ID, from.id(output));
            into.set(FLOAT, at + LOGPROB, from.logprob(output));
            into.set(INT, at + RANK, from.rank(output));
            into.set(INT, at + TOP_START, topAt);
            into.set(INT, at + TOP_COUNT, from.topCount(output));
            for (int k = 0; k < from.topCount(output); k++) {
                into.set(INT, topAt, from.topId(output, k));
                into.set(FLOAT, topAt + 4L, from.topLogprob(output, k));
                topAt += TOP_BYTES;
            }
        }
    }

    void failed(ComputeException reason) {
        byte[] text = String.valueOf(reason.getMessage()).getBytes(StandardCharsets.UTF_8);
        MemorySegment.copy(text, 0, message.start(FAILED, text.length), ValueLayout.JAVA_BYTE, 0, text.length);
    }

    void tell(Collective leader) {
        message.tell(leader);
    }

    void await(Collective sampler) {
        message.await(sampler, 1);
    }

    /** Throws what failed; such a step failed alone. */
    void check() {
        if (message.kind() == FAILED) {
            byte[] text = message.content().toArray(ValueLayout.JAVA_BYTE);
            throw new ComputeException(new String(text, StandardCharsets.UTF_8), false);
        }
    }

    @Override
    public int id(int output) {
        return message.content().get(INT, at(output) + ID);
    }

    @Override
    public float logprob(int output) {
        return message.content().get(FLOAT, at(output) + LOGPROB);
    }

    @Override
    public int rank(int output) {
        return message.content().get(INT, at(output) + RANK);
    }

    @Override
    public int topCount(int output) {
        return message.content().get(INT, at(output) + TOP_COUNT);
    }

    @Override
    public int topId(int output, int k) {
        return message.content().get(INT, topAt(output, k));
    }

    @Override
    public float topLogprob(int output, int k) {
        return message.content().get(FLOAT, topAt(output, k) + 4);
    }

    private long topAt(int output, int k) {
        return message.content().get(INT, at(output) + TOP_START) + (long) TOP_BYTES * k;
    }

    private static long at(int output) {
        return (long) OUTPUT_BYTES * output;
    }

    @Override
    public void close() {
        message.close();
    }
}
