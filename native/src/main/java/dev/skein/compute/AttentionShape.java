package dev.skein.compute;

/**
 * The heads of an attention layer of this rank. A fused row is all query heads, then all key heads, then all value
 * heads: {@code (queryHeads + 2 * kvHeads) * headSize} elements.
 *
 * @param scale multiplies the dot products before the softmax
 */
public record AttentionShape(int queryHeads, int kvHeads, int headSize, float scale) {
    public AttentionShape {
        if (queryHeads <= 0 || kvHeads <= 0 || headSize <= 0 || queryHeads % kvHeads != 0) {
            throw new IllegalArgumentException("%d query heads do not share %d key/value heads of %d evenly"
                    .formatted(queryHeads, kvHeads, headSize));
        }
    }

    public int fusedColumns() {
        return (queryHeads + 2 * kvHeads) * headSize;
    }
}
