package dev.skein.worker.engine;

import java.util.Arrays;

/** A growing list of ints that boxes nothing. Not safe for several threads. */
final class IntList {
    private int[] values;
    private int size;

    IntList(int capacity) {
        values = new int[Math.max(1, capacity)];
    }

    IntList(int[] initial) {
        values = Arrays.copyOf(initial, initial.length + 16);
        size = initial.length;
    }

    int size() {
        return size;
    }

    int get(int index) {
        if (index >= size) {
            throw new IndexOutOfBoundsException("index %d of %d".formatted(index, size));
        }
        return values[index];
    }

    void add(int value) {
        if (size == values.length) {
            values = Arrays.copyOf(values, Math.multiplyExact(2, size));
        }
        values[size++] = value;
    }

    void clear() {
        size = 0;
    }

    int removeLast() {
        if (size == 0) {
            throw new IndexOutOfBoundsException("the list is empty");
        }
        return values[--size];
    }
}
