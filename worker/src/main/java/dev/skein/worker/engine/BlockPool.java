package dev.skein.worker.engine;

/**
 * Which blocks of the cache are free. A stack: the block given back last is taken first, while it may still be warm in a
 * processor's cache.
 */
final class BlockPool {
    private final int total;
    private final IntList free;

    BlockPool(int blocks) {
        if (blocks <= 0) {
            throw new IllegalArgumentException("a cache has at least one block, not %d".formatted(blocks));
        }
        total = blocks;
        free = new IntList(blocks);
        for (int block = blocks - 1; block >= 0; block--) {
            free.add(block);
        }
    }

    int total() {
        return total;
    }

    int free() {
        return free.size();
    }

    int used() {
        return total - free.size();
    }

    /** Appends blocks to a table until it has that many. There must be enough free ones. */
    void extend(IntList table, int blocks) {
        while (table.size() < blocks) {
            table.add(free.removeLast());
        }
    }

    /** Takes all blocks of a table back, its last block first. */
    void release(IntList table) {
        while (table.size() > 0) {
            free.add(table.removeLast());
        }
    }
}
