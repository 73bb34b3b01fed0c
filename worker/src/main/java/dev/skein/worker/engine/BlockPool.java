package dev.skein.worker.engine;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Who holds which blocks of the cache, and which blocks are worth finding again.
 *
 * <p>A block is held by as many sequences as share it; one that nobody holds is free. A free block that was {@link
 * #remember remembered} keeps what it holds, and can be {@link #find found}, until it is taken for something else. Taken
 * first are blocks that nobody could find, the one given back last before others, as it may still be warm in a processor's
 * cache; then those that were given back longest ago. The blocks of a table are given back from its end, so that of a long
 * prefix the tail is lost before the head, without which the tail is worth nothing.
 */
final class BlockPool {
    private static final int NONE = -1;

    private final int total;
    private final int[] holders;
    private final @Nullable PrefixKey[] keys;
    private final Map<PrefixKey, Integer> blocks = new HashMap<>();
    /** The free blocks as a list in both directions; the index `total` stands for both its ends. */
    private final int[] after;

    private final int[] before;
    private int free;

    BlockPool(int blocks) {
        if (blocks <= 0) {
            throw new IllegalArgumentException("a cache has at least one block, not %d".formatted(blocks));
        }
        total = blocks;
        holders = new int[blocks];
        keys = new PrefixKey[blocks];
        after = new int[blocks + 1];
        before = new int[blocks + 1];
        Arrays.setAll(after, i -> i == blocks ? 0 : i + 1);
        Arrays.setAll(before, i -> i == 0 ? blocks : i - 1);
        free = blocks;
    }

    int total() {
        return total;
    }

    int free() {
        return free;
    }

    int used() {
        return total - free;
    }

    /** How many sequences hold a block. */
    int holders(int block) {
        return holders[block];
    }

    /** A block that holds what the key says, or -1. */
    int find(PrefixKey key) {
        return blocks.getOrDefault(key, NONE);
    }

    /** Appends a block that was found to a table. */
    void share(IntList table, int block) {
        if (holders[block]++ == 0) {
            unlink(block);
        }
        table.add(block);
    }

    /** Appends blocks of its own to a table until it has that many. There must be enough free ones. */
    void extend(IntList table, int size) {
        while (table.size() < size) {
            int block = after[total];
            if (block == total) {
                throw new IllegalStateException("no block is free");
            }
            forget(block);
            holders[block] = 1;
            unlink(block);
            table.add(block);
        }
    }

    /** Lets what a block holds be found by its key; false if another block already is. */
    boolean remember(int block, PrefixKey key) {
        if (keys[block] != null || blocks.putIfAbsent(key, block) != null) {
            return false;
        }
        keys[block] = key;
        return true;
    }

    /** Lets nobody find a block any more. */
    void forget(int block) {
        PrefixKey key = keys[block];
        if (key != null) {
            blocks.remove(key);
            keys[block] = null;
        }
    }

    /** Lets nobody find any block. */
    void forgetAll() {
        blocks.clear();
        Arrays.fill(keys, null);
    }

    /** Gives back all blocks of a table, its last block first. */
    void release(IntList table) {
        while (table.size() > 0) {
            int block = table.removeLast();
            if (--holders[block] == 0) {
                link(block, keys[block] == null ? total : before[total]);
            }
        }
    }

    private void unlink(int block) {
        after[before[block]] = after[block];
        before[after[block]] = before[block];
        free--;
    }

    private void link(int block, int place) {
        after[block] = after[place];
        before[block] = place;
        before[after[block]] = block;
        after[place] = block;
        free++;
    }
}
