package dev.skein.gateway.text;

import java.util.Arrays;

/**
 * Which two neighbours become one, and how soon. An open hash table over pairs of ids: looking one up is what
 * tokenizing consists of.
 */
final class Merges {
    private static final long EMPTY = -1;
    /** The rank of a pair that does not merge. */
    static final int NEVER = Integer.MAX_VALUE;

    private final long[] pairs;
    private final int[] ranks;
    private final int[] merged;
    private final int mask;

    Merges(int count) {
        int size = Math.max(16, Integer.highestOneBit(Math.max(1, count)) << 2);
        pairs = new long[size];
        ranks = new int[size];
        merged = new int[size];
        mask = size - 1;
        Arrays.fill(pairs, EMPTY);
    }

    /** Of a pair given twice the first counts. */
    void put(int left, int right, int rank, int id) {
        long pair = pair(left, right);
        int slot = slot(pair);
        if (pairs[slot] == EMPTY) {
            pairs[slot] = pair;
            ranks[slot] = rank;
            merged[slot] = id;
        }
    }

    /** Lower merges sooner; {@link #NEVER} if it does not. */
    int rank(int left, int right) {
        int slot = slot(pair(left, right));
        return pairs[slot] == EMPTY ? NEVER : ranks[slot];
    }

    /** The id that a pair which merges becomes. */
    int merged(int left, int right) {
        return merged[slot(pair(left, right))];
    }

    private int slot(long pair) {
        int slot = (int) ((pair * 0x9E3779B97F4A7C15L) >>> 32) & mask;
        while (pairs[slot] != EMPTY && pairs[slot] != pair) {
            slot = slot + 1 & mask;
        }
        return slot;
    }

    private static long pair(int left, int right) {
        return (long) left << 32 | right;
    }
}
