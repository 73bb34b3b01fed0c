package dev.skein.compute.cpu;

import dev.skein.compute.StepInputs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** Steps for tests of attention. */
final class Steps {
    private Steps() {}

    /** Whole prompts of these lengths, whose blocks are drawn from those of the cache. */
    static StepInputs prompts(int[] lengths, int blocks, Random random) {
        int tokens = Arrays.stream(lengths).sum();
        StepInputs step = new StepInputs(new StepInputs.Limits(tokens, lengths.length, 1, blocks, 1));
        List<Integer> free = new ArrayList<>();
        for (int block = 0; block < blocks; block++) {
            free.add(block);
        }
        Collections.shuffle(free, random);
        for (int length : lengths) {
            step.sequence();
            int block = -1;
            for (int i = 0; i < length; i++) {
                if (i % 16 == 0) {
                    block = free.removeLast();
                    step.block(block);
                }
                step.token(0, i, block * 16 + i % 16);
            }
        }
        return step;
    }

    /** Tokens of one sequence, from (inclusive) to (exclusive), in blocks 0, 1, ... */
    static StepInputs tokens(int from, int to) {
        StepInputs step = new StepInputs(new StepInputs.Limits(to - from, 1, 1, to / 16 + 1, 1));
        step.sequence();
        for (int block = 0; block * 16 < to; block++) {
            step.block(block);
        }
        for (int i = from; i < to; i++) {
            step.token(0, i, i);
        }
        return step;
    }

    /** Rows of prompts that come in a turn: first all but the last ones, then one of each in each turn. */
    static int[] turn(int[] lengths, int turn, int decoded) {
        List<Integer> rows = new ArrayList<>();
        int from = 0;
        for (int length : lengths) {
            int first = turn == 0 ? 0 : length - decoded + turn - 1;
            int end = turn == 0 ? length - decoded : first + 1;
            for (int i = first; i < end; i++) {
                rows.add(from + i);
            }
            from += length;
        }
        return rows.stream().mapToInt(Integer::intValue).toArray();
    }

    /** A step of some rows of another, with its whole block tables. */
    static StepInputs only(StepInputs whole, int sequences, int[] rows) {
        StepInputs step = new StepInputs(
                new StepInputs.Limits(rows.length, sequences, 1, whole.used(StepInputs.Region.BLOCKS), 1));
        int at = 0;
        for (int sequence = 0; sequence < sequences; sequence++) {
            step.sequence();
            int end = sequence + 1 < sequences
                    ? whole.get(StepInputs.Region.BLOCK_START, sequence + 1)
                    : whole.used(StepInputs.Region.BLOCKS);
            for (int block = whole.get(StepInputs.Region.BLOCK_START, sequence); block < end; block++) {
                step.block(whole.get(StepInputs.Region.BLOCKS, block));
            }
            for (; at < rows.length && whole.get(StepInputs.Region.SEQUENCE, rows[at]) == sequence; at++) {
                step.token(
                        0,
                        whole.get(StepInputs.Region.POSITIONS, rows[at]),
                        whole.get(StepInputs.Region.SLOTS, rows[at]));
            }
        }
        return step;
    }
}
