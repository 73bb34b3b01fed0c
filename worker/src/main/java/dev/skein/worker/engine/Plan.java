package dev.skein.worker.engine;

import java.util.Arrays;

/** What a step computes: sequences in order and how many tokens of each. Reused from step to step. */
final class Plan {
    private Sequence[] sequences = new Sequence[16];
    private int[] tokens = new int[16];
    private int[] ends = new int[16];
    private int[] firstOutputs = new int[16];
    /** Blocks that the step fills. */
    private final IntList filled = new IntList(16);

    private int size;
    private int totalTokens;

    int size() {
        return size;
    }

    /** Tokens of all sequences. */
    int totalTokens() {
        return totalTokens;
    }

    Sequence sequence(int index) {
        return sequences[index];
    }

    /** How many tokens of that sequence. */
    int tokens(int index) {
        return tokens[index];
    }

    /** How many tokens of that sequence are computed when the step is done. */
    int end(int index) {
        return ends[index];
    }

    /** The first of the step's outputs that is that sequence's. */
    int firstOutput(int index) {
        return firstOutputs[index];
    }

    void firstOutput(int index, int output) {
        firstOutputs[index] = output;
    }

    IntList filled() {
        return filled;
    }

    void clear() {
        Arrays.fill(sequences, 0, size, null);
        size = 0;
        totalTokens = 0;
        filled.clear();
    }

    /** Adds a sequence that is {@linkplain Sequence#advance advanced} already. */
    void add(Sequence sequence, int count) {
        if (size == tokens.length) {
            sequences = Arrays.copyOf(sequences, 2 * size);
            tokens = Arrays.copyOf(tokens, 2 * size);
            ends = Arrays.copyOf(ends, 2 * size);
            firstOutputs = Arrays.copyOf(firstOutputs, 2 * size);
        }
        sequences[size] = sequence;
        ends[size] = sequence.computed();
        tokens[size++] = count;
        totalTokens += count;
    }
}
