package dev.skein.compute;

/**
 * The heads of an attention layer of this rank. A fused row is all query heads, then all key heads, then all value
 * heads: {@code (queryHeads + 2 * kvHeads) * headSize} elements.
 *
 * <p>Query heads that share a key and value head are a group. A rank's first and last group may be incomplete: other ranks
 * have the rest of them, and the same key and value head.
 *
 * @param scale multiplies the dot products before the softmax
 * @param window how many positions a token attends to, its own and those before it (Mistral, Gemma 3); 0: all; {@link
 *     #WHOLE}: also those after it (BERT), which must all be in the same step
 * @param group query heads that share a key and value head, those of other ranks included
 * @param skipped how many of the first group's come before this rank's
 * @param shared which query head another rank has too
 */
public record AttentionShape(
        int queryHeads, int kvHeads, int headSize, float scale, int window, int group, int skipped, Shared shared) {
    /**
     * A query head that two ranks have where heads do not come out even: they take turns of {@link #TURN} positions at
     * computing it. Who does not compute it leaves 0, so that the sum over the ranks is right.
     */
    public enum Shared {
        NONE,
        /** The first is also the last of the rank before, which has the first turn. */
        FIRST,
        /** The last is also the first of the rank after, which has the second turn. */
        LAST
    }

    /** As many positions as make whole pieces of work, with one, two or three heads of a group. */
    public static final int TURN = 24;

    /** A window that is the whole sequence, in both directions. */
    public static final int WHOLE = -1;

    public AttentionShape {
        if (queryHeads <= 0 || kvHeads <= 0 || headSize <= 0) {
            throw new IllegalArgumentException(
                    "%d query heads, %d key/value heads of %d".formatted(queryHeads, kvHeads, headSize));
        }
        if (group <= 0 || skipped < 0 || skipped >= group || Math.ceilDiv(skipped + queryHeads, group) != kvHeads) {
            throw new IllegalArgumentException(
                    "%d query heads after %d others do not share %d key/value heads by groups of %d"
                            .formatted(queryHeads, skipped, kvHeads, group));
        }
        if (window < WHOLE) {
            throw new IllegalArgumentException(
                    "a window of %d positions; 0 stands for all up to a token, %d for the whole sequence"
                            .formatted(window, WHOLE));
        }
    }

    /** Of whole groups. */
    public AttentionShape(int queryHeads, int kvHeads, int headSize, float scale, int window) {
        this(queryHeads, kvHeads, headSize, scale, window, group(queryHeads, kvHeads, headSize), 0, Shared.NONE);
    }

    private static int group(int queryHeads, int kvHeads, int headSize) {
        if (kvHeads <= 0 || queryHeads % kvHeads != 0) {
            throw new IllegalArgumentException("%d query heads do not share %d key/value heads of %d evenly"
                    .formatted(queryHeads, kvHeads, headSize));
        }
        return queryHeads / kvHeads;
    }

    /** Of whole groups, without a window. */
    public AttentionShape(int queryHeads, int kvHeads, int headSize, float scale) {
        this(queryHeads, kvHeads, headSize, scale, 0);
    }

    /** Some of these heads, which are all of a model's, for a rank that has no others. */
    public AttentionShape part(int firstQuery, int queries, Shared with) {
        int first = kvHead(firstQuery);
        int keys = kvHead(firstQuery + queries - 1) + 1 - first;
        // Of a single group it counts only what is here: its heads are computed together.
        int together = keys == 1 ? queries : group;
        int before = keys == 1 ? 0 : (skipped + firstQuery) % group;
        return new AttentionShape(queries, keys, headSize, scale, window, together, before, with);
    }

    /** The key and value head that a query head reads. */
    public int kvHead(int queryHead) {
        return (skipped + queryHead) / group;
    }

    /** Whether this rank computes a query head for a position. */
    public boolean computes(int queryHead, int position) {
        boolean second = position / TURN % 2 == 1;
        return switch (shared) {
            case NONE -> true;
            case FIRST -> queryHead > 0 || second;
            case LAST -> queryHead < queryHeads - 1 || !second;
        };
    }

    /** Whether all heads of each group are here, and nowhere else. */
    public boolean hasWholeGroups() {
        return queryHeads == group * kvHeads && shared == Shared.NONE;
    }

    /** Whether a token attends to those after it too. */
    public boolean seesAll() {
        return window == WHOLE;
    }

    public int fusedColumns() {
        return (queryHeads + 2 * kvHeads) * headSize;
    }

    /** The first position that a token at a position attends to. */
    public int firstSeen(int position) {
        return window <= 0 ? 0 : Math.max(0, position - window + 1);
    }
}
