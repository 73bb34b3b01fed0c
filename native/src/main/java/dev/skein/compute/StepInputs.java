package dev.skein.compute;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * All inputs of a step in one piece of host memory, filled in place by the step loop and copied up in one go. Nothing is
 * allocated while it is filled.
 *
 * <p>Filling order: {@link #clear}; for each sequence {@link #sequence}, then its {@link #token}s in order of position,
 * and {@link #output} after each token whose logits are wanted; last what an output's sampling needs.
 *
 * <p>The layout is shared with native code ({@code skein_step} in {@code skein_cpu.h}) as regions at offsets that
 * {@link #offset} names; all are 32-bit values unless a region says otherwise.
 */
public final class StepInputs {
    /** A 32-bit slot of {@link Region#OUTPUTS}, in this order. */
    public enum Output {
        /** Index of the token whose logits are wanted. */
        ROW,
        /** Id to score instead of sampling, or -1 to sample. */
        TARGET,
        /** Likeliest ids wanted with the result, or -1 when not even the result's own logprob is wanted. */
        LOGPROBS,
        /** 0 is off. */
        TOP_K,
        /** Float; 0 is greedy. */
        TEMPERATURE,
        /** Float. */
        TOP_P,
        /** Float. */
        MIN_P,
        /** Float. */
        REPETITION_PENALTY,
        /** Float. */
        FREQUENCY_PENALTY,
        /** Float. */
        PRESENCE_PENALTY,
        /** Low half of the seed. */
        SEED_LOW,
        SEED_HIGH,
        /** Which of the sequence's output ids this is, from 0: random numbers are a function of seed and this. */
        POSITION,
        /** First id in {@link Region#HISTORY}, and how many; empty when no penalty is on. */
        HISTORY_START,
        HISTORY_LENGTH,
        /** How many ids at the history's start are prompt: only repetition penalty counts them. */
        HISTORY_PROMPT,
        /** First entry in {@link Region#BIAS}, and how many. */
        BIAS_START,
        BIAS_LENGTH,
        /** First entry in {@link Region#ALLOWED}, and how many; 0 entries: all are allowed. */
        ALLOWED_START,
        ALLOWED_LENGTH
    }

    /** The regions. */
    public enum Region {
        /** Token ids, or negative numbers for those that are not known yet: see {@link StepInputs#token}. */
        IDS,
        /** Position of each token in its sequence. */
        POSITIONS,
        /** Index of each token's sequence in this step. */
        SEQUENCE,
        /** Cache slot of each token: block * BLOCK_SIZE + offset. */
        SLOTS,
        /** First block of each sequence in {@link #BLOCKS}, and one past the last. */
        BLOCK_START,
        /** Block tables, one after the other. */
        BLOCKS,
        /** {@link Output} slots of each output. */
        OUTPUTS,
        /** Token histories for penalties. */
        HISTORY,
        /** Pairs of token id and float to add to its logit; negative infinity bans it. */
        BIAS,
        /** Token ids. */
        ALLOWED
    }

    /**
     * How much a step may hold.
     *
     * @param tokens tokens in a step
     * @param sequences sequences in a step
     * @param outputs rows of logits in a step
     * @param blocks entries in all block tables of a step, where sequences share few blocks; more make {@link StepInputs}
     *     grow
     * @param history ids in all histories of a step; more make it grow too
     */
    public record Limits(int tokens, int sequences, int outputs, int blocks, int history) {}

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final ValueLayout.OfInt PACKED = ValueLayout.JAVA_INT_UNALIGNED;
    private static final int OUTPUT_SLOTS = Output.values().length;
    private static final Region[] REGIONS = Region.values();
    private static final int INITIAL_PAIRS = 1024;

    private final Limits limits;
    private final long[] offsets = new long[REGIONS.length];
    private final int[] capacity = new int[REGIONS.length];
    private final int[] used = new int[REGIONS.length];
    private Arena arena;
    private MemorySegment memory;
    private int sequences;

    public StepInputs(Limits limits) {
        this.limits = limits;
        capacity[Region.IDS.ordinal()] = limits.tokens;
        capacity[Region.POSITIONS.ordinal()] = limits.tokens;
        capacity[Region.SEQUENCE.ordinal()] = limits.tokens;
        capacity[Region.SLOTS.ordinal()] = limits.tokens;
        capacity[Region.BLOCK_START.ordinal()] = limits.sequences + 1;
        capacity[Region.BLOCKS.ordinal()] = limits.blocks;
        capacity[Region.OUTPUTS.ordinal()] = Math.multiplyExact(limits.outputs, OUTPUT_SLOTS);
        capacity[Region.HISTORY.ordinal()] = limits.history;
        capacity[Region.BIAS.ordinal()] = 2 * INITIAL_PAIRS;
        capacity[Region.ALLOWED.ordinal()] = INITIAL_PAIRS;
        arena = Arena.ofShared();
        memory = arena.allocate(layOut(), 64);
    }

    private long layOut() {
        long at = 0;
        for (Region region : REGIONS) {
            offsets[region.ordinal()] = at;
            at += (4L * capacity[region.ordinal()] + 63) & -64L;
        }
        return at;
    }

    /** Forgets the step before. */
    public void clear() {
        Arrays.fill(used, 0);
        sequences = 0;
    }

    /** Starts a sequence of which tokens follow. */
    public void sequence() {
        if (sequences == limits.sequences) {
            throw new IllegalStateException("a step holds %d sequences at most".formatted(limits.sequences));
        }
        put(Region.BLOCK_START, used[Region.BLOCKS.ordinal()]);
        sequences++;
    }

    /** Appends a block to the table of the sequence started last. */
    public void block(int block) {
        put(Region.BLOCKS, block);
    }

    /**
     * Appends a token of the sequence started last.
     *
     * @param id or, where the backend {@linkplain Backend#runsAhead runs ahead} of a step that is not finished, -1 - o for
     *     what that step's output o becomes
     */
    public void token(int id, int position, int slot) {
        put(Region.IDS, id);
        put(Region.POSITIONS, position);
        put(Region.SEQUENCE, sequences - 1);
        put(Region.SLOTS, slot);
    }

    /**
     * Wants the logits of the token appended last; all its slots are 0 but {@link Output#ROW}, {@link Output#TARGET} -1,
     * {@link Output#LOGPROBS} -1, and the neutral values of float parameters.
     *
     * @return the output's index
     */
    public int output() {
        int index = outputs();
        for (int slot = 0; slot < OUTPUT_SLOTS; slot++) {
            put(Region.OUTPUTS, 0);
        }
        set(index, Output.ROW, tokens() - 1);
        set(index, Output.TARGET, -1);
        set(index, Output.LOGPROBS, -1);
        set(index, Output.TOP_P, 1f);
        set(index, Output.REPETITION_PENALTY, 1f);
        set(index, Output.HISTORY_START, used[Region.HISTORY.ordinal()]);
        set(index, Output.BIAS_START, used[Region.BIAS.ordinal()] / 2);
        set(index, Output.ALLOWED_START, used[Region.ALLOWED.ordinal()]);
        return index;
    }

    public void set(int output, Output slot, int value) {
        memory.set(INT, outputOffset(output, slot), value);
    }

    public void set(int output, Output slot, float value) {
        memory.set(FLOAT, outputOffset(output, slot), value);
    }

    /** Appends an id to the history of the output made last. */
    public void history(int output, int id, boolean prompt) {
        put(Region.HISTORY, id);
        increment(output, Output.HISTORY_LENGTH);
        if (prompt) {
            increment(output, Output.HISTORY_PROMPT);
        }
    }

    /** Adds to a logit of the output made last. */
    public void bias(int output, int id, float value) {
        put(Region.BIAS, id);
        put(Region.BIAS, Float.floatToRawIntBits(value));
        increment(output, Output.BIAS_LENGTH);
    }

    /** Allows an id of the output made last; ids never named are then banned. */
    public void allow(int output, int id) {
        put(Region.ALLOWED, id);
        increment(output, Output.ALLOWED_LENGTH);
    }

    /** Tokens in the step. */
    public int tokens() {
        return used[Region.IDS.ordinal()];
    }

    public int sequences() {
        return sequences;
    }

    /** Rows of logits wanted. */
    public int outputs() {
        return used[Region.OUTPUTS.ordinal()] / OUTPUT_SLOTS;
    }

    public Limits limits() {
        return limits;
    }

    /** Where a region starts in {@link #memory}, in bytes. */
    public long offset(Region region) {
        return offsets[region.ordinal()];
    }

    /** Values in a region. */
    public int used(Region region) {
        return used[region.ordinal()];
    }

    /** The whole; another segment after a region has grown. */
    public MemorySegment memory() {
        return memory;
    }

    /** Value at an index of a region. */
    public int get(Region region, int index) {
        return memory.get(INT, offset(region) + 4L * index);
    }

    public int get(int output, Output slot) {
        return memory.get(INT, outputOffset(output, slot));
    }

    public float getFloat(int output, Output slot) {
        return memory.get(FLOAT, outputOffset(output, slot));
    }

    private long outputOffset(int output, Output slot) {
        return offset(Region.OUTPUTS) + 4L * ((long) output * OUTPUT_SLOTS + slot.ordinal());
    }

    private void increment(int output, Output slot) {
        set(output, slot, get(output, slot) + 1);
    }

    private void put(Region region, int value) {
        int index = used[region.ordinal()];
        if (index == capacity[region.ordinal()]) {
            grow(region);
        }
        memory.set(INT, offset(region) + 4L * index, value);
        used[region.ordinal()] = index + 1;
    }

    private void grow(Region region) {
        MemorySegment old = memory;
        long[] from = offsets.clone();
        capacity[region.ordinal()] = Math.multiplyExact(2, Math.max(1, capacity[region.ordinal()]));
        Arena next = Arena.ofShared();
        memory = next.allocate(layOut(), 64);
        for (Region each : REGIONS) {
            MemorySegment.copy(old, from[each.ordinal()], memory, offset(each), 4L * used[each.ordinal()]);
        }
        arena.close();
        arena = next;
    }

    /**
     * Takes over all that another holds, with its regions at the same offsets, and ends {@link Region#BLOCK_START}. For
     * backends: one's own copy lives until the step is done.
     */
    public void copyFrom(StepInputs other) {
        if (!Arrays.equals(capacity, other.capacity)) {
            System.arraycopy(other.capacity, 0, capacity, 0, capacity.length);
            arena.close();
            arena = Arena.ofShared();
            memory = arena.allocate(layOut(), 64);
        }
        System.arraycopy(other.used, 0, used, 0, used.length);
        sequences = other.sequences;
        for (Region region : REGIONS) {
            long at = offset(region);
            MemorySegment.copy(other.memory, at, memory, at, 4L * used(region));
        }
        memory.set(INT, offset(Region.BLOCK_START) + 4L * sequences, used(Region.BLOCKS));
    }

    /** Bytes that {@link #pack} writes. */
    public long packedBytes() {
        long values = 0;
        for (int each : used) {
            values += each;
        }
        return 4L * (REGIONS.length + 1 + values);
    }

    /** Writes all that it holds, closely, for another process on a machine of the same byte order to {@link #unpack}. */
    public void pack(MemorySegment into) {
        long at = 0;
        for (int each : used) {
            into.set(PACKED, at, each);
            at += 4;
        }
        into.set(PACKED, at, sequences);
        at += 4;
        for (Region region : REGIONS) {
            MemorySegment.copy(memory, offset(region), into, at, 4L * used(region));
            at += 4L * used(region);
        }
    }

    /**
     * Takes over what another packed, in place of all that it held.
     *
     * @throws IllegalArgumentException if the bytes are not those of one
     */
    public void unpack(MemorySegment from) {
        clear();
        long at = 4L * (REGIONS.length + 1);
        for (Region region : REGIONS) {
            int values = from.get(PACKED, 4L * region.ordinal());
            if (values < 0 || at + 4L * values > from.byteSize()) {
                throw new IllegalArgumentException(
                        "%d values of %s do not lie in %d bytes of a step".formatted(values, region, from.byteSize()));
            }
            while (values > capacity[region.ordinal()]) {
                grow(region);
            }
            MemorySegment.copy(from, at, memory, offset(region), 4L * values);
            used[region.ordinal()] = values;
            at += 4L * values;
        }
        sequences = from.get(PACKED, 4L * REGIONS.length);
    }

    /** Frees the memory. */
    public void close() {
        arena.close();
    }
}
