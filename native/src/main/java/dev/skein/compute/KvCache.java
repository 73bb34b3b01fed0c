package dev.skein.compute;

/**
 * Keys and values of all layers, in blocks of {@link #BLOCK_SIZE} tokens. Which sequence owns which block is the
 * engine's affair. Owned by the backend that made it and closed with it.
 */
public interface KvCache {
    /** Tokens in a block. */
    int BLOCK_SIZE = 16;

    Shape shape();

    /**
     * What a cache must hold.
     *
     * @param layers layers of this rank
     * @param heads key and value heads of this rank
     * @param headSize elements of a head
     * @param blocks blocks of {@link #BLOCK_SIZE} tokens
     */
    record Shape(int layers, int heads, int headSize, int blocks) {
        /** Bytes for one block over all layers, keys and values, two bytes an element. */
        public static long blockBytes(int layers, int heads, int headSize) {
            return 2L * 2 * layers * heads * headSize * BLOCK_SIZE;
        }

        public long bytes() {
            return blocks * blockBytes(layers, heads, headSize);
        }
    }
}
