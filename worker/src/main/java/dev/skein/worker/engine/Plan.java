package dev.skein.worker.engine;

import java.util.Arrays;

/** What a step computes: sequences in order and how many tokens of each. Reused from step to step. */
final class Plan {
    private Sequence[] sequences = new Sequence[16];
    private int[] tokens = new int[16];
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

    /** How many tokens of that sequence; they end at its {@link Sequence#computed}, which is already advanced. */
    int tokens(int index) {
        return tokens[index];
    }

    void clear() {
        Arrays.fill(sequences, 0, size, null);
        size = 0;
        totalTokens = 0;
    }

    void add(Sequence sequence, int count) {
        if (size == tokens.length) {
            sequences = Arrays.copyOf(sequences, 2 * size);
            tokens = Arrays.copyOf(tokens, 2 * size);
        }
        sequences[size] = sequence;
        tokens[size++] = count;
        totalTokens += count;
    }
}
