package dev.skein.gateway.text;

import java.util.Arrays;
import java.util.PriorityQueue;

/**
 * Merges the symbols of one word, best pair first, and of equals the leftmost. The buffers are used again from word to
 * word. Not thread-safe.
 *
 * <p>A short word is searched through for each merge. A long one (a page of letters without a space is one word) would
 * take the square of its length so, and gets a queue of pairs instead.
 */
final class WordEncoder {
    private static final int SHORT = 48;

    private final Merges merges;
    private int[] symbols = new int[SHORT];
    private int count;
    private int[] ids = new int[256];
    private int length;

    WordEncoder(Merges merges) {
        this.merges = merges;
    }

    /** All ids so far. */
    int[] ids() {
        return Arrays.copyOf(ids, length);
    }

    /** Adds an id that is no part of a word. */
    void id(int id) {
        if (length == ids.length) {
            ids = Arrays.copyOf(ids, length * 2);
        }
        ids[length++] = id;
    }

    /** Adds a symbol to the word that {@link #endWord} ends. */
    void symbol(int id) {
        if (count == symbols.length) {
            symbols = Arrays.copyOf(symbols, count * 2);
        }
        symbols[count++] = id;
    }

    void endWord() {
        if (count <= SHORT) {
            mergeBySearch();
        } else {
            mergeByQueue();
        }
        for (int i = 0; i < count; i++) {
            id(symbols[i]);
        }
        count = 0;
    }

    private void mergeBySearch() {
        while (true) {
            int best = Merges.NEVER;
            int at = -1;
            for (int i = 0; i + 1 < count; i++) {
                int rank = merges.rank(symbols[i], symbols[i + 1]);
                if (rank < best) {
                    best = rank;
                    at = i;
                }
            }
            if (at < 0) {
                return;
            }
            symbols[at] = merges.merged(symbols[at], symbols[at + 1]);
            System.arraycopy(symbols, at + 2, symbols, at + 1, count - at - 2);
            count--;
        }
    }

    /** A pair as it was when it was queued: rank, place of its left symbol, and both ids. */
    private record Pair(int rank, int at, int left, int right) implements Comparable<Pair> {
        @Override
        public int compareTo(Pair other) {
            return rank == other.rank ? Integer.compare(at, other.at) : Integer.compare(rank, other.rank);
        }
    }

    private void mergeByQueue() {
        Links links = new Links(count);
        PriorityQueue<Pair> queue = new PriorityQueue<>();
        for (int i = 0; i + 1 < count; i++) {
            queue(queue, i, i + 1);
        }
        for (Pair pair = queue.poll(); pair != null; pair = queue.poll()) {
            int right = links.next[pair.at()];
            if (right < 0 || symbols[pair.at()] != pair.left() || symbols[right] != pair.right()) {
                continue;
            }
            symbols[pair.at()] = merges.merged(pair.left(), pair.right());
            symbols[right] = -1;
            links.remove(right);
            queue(queue, links.previous[pair.at()], pair.at());
            queue(queue, pair.at(), links.next[pair.at()]);
        }
        int kept = 0;
        for (int i = 0; i < count; i++) {
            if (symbols[i] >= 0) {
                symbols[kept++] = symbols[i];
            }
        }
        count = kept;
    }

    private void queue(PriorityQueue<Pair> queue, int left, int right) {
        if (left >= 0 && right >= 0) {
            int rank = merges.rank(symbols[left], symbols[right]);
            if (rank != Merges.NEVER) {
                queue.add(new Pair(rank, left, symbols[left], symbols[right]));
            }
        }
    }

    /** Who stands beside whom, while symbols go; -1 for nobody. */
    private static final class Links {
        private final int[] previous;
        private final int[] next;

        Links(int count) {
            previous = new int[count];
            next = new int[count];
            for (int i = 0; i < count; i++) {
                previous[i] = i - 1;
                next[i] = i + 1 < count ? i + 1 : -1;
            }
        }

        void remove(int at) {
            next[previous[at]] = next[at];
            if (next[at] >= 0) {
                previous[next[at]] = previous[at];
            }
        }
    }
}
