package dev.skein.compute;

/**
 * The heads of an attention layer of this rank. A fused row is all query heads, then all key heads, then all value
 * heads: {@code (queryHeads + 2 * kvHeads) * headSize} elements.
 *
 * @param scale multiplies the dot products before the softmax
 * @param window how many positions a token attends to, its own and those before it (Mistral, Gemma 3); 0: all; {@link
 *     #WHOLE}: also those after it (BERT), which must all be in the same step
 */
public record AttentionShape(int queryHeads, int kvHeads, int headSize, float scale, int window) {
    /** A window that is the whole sequence, in both directions. */
    public static final int WHOLE = -1;

    public AttentionShape {
        if (queryHeads <= 0 || kvHeads <= 0 || headSize <= 0 || queryHeads % kvHeads != 0) {
            throw new IllegalArgumentException("%d query heads do not share %d key/value heads of %d evenly"
                    .formatted(queryHeads, kvHeads, headSize));
        }
        if (window < WHOLE) {
            throw new IllegalArgumentException(
                    "a window of %d positions; 0 stands for all up to a token, %d for the whole sequence"
                            .formatted(window, WHOLE));
        }
    }

    /** Without a window. */
    public AttentionShape(int queryHeads, int kvHeads, int headSize, float scale) {
        this(queryHeads, kvHeads, headSize, scale, 0);
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
