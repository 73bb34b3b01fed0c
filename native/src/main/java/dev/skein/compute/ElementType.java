package dev.skein.compute;

/**
 * How a matrix's elements lie in a model file. Quantised types hold rows in blocks of 32 elements; layouts are those of
 * the GGUF specification (ggml-org/ggml, docs/gguf.md) and of the block structures it names.
 */
public enum ElementType {
    F32(1, 4),
    F16(1, 2),
    BF16(1, 2),
    /** An F16 scale d and 32 signed bytes q: w = d q. */
    Q8_0(32, 34),
    /** An F16 scale d and 32 nibbles q, element i low in byte i, element i + 16 high: w = d (q - 8). */
    Q4_0(32, 18),
    /** F16 scale d, F16 minimum m and nibbles as in Q4_0: w = d q + m. */
    Q4_1(32, 20);

    private final int blockElements;
    private final int blockBytes;

    ElementType(int blockElements, int blockBytes) {
        this.blockElements = blockElements;
        this.blockBytes = blockBytes;
    }

    /** Elements in a block: a row's length must be a multiple of it. */
    public int blockElements() {
        return blockElements;
    }

    public int blockBytes() {
        return blockBytes;
    }

    /**
     * Bytes of a row.
     *
     * @throws IllegalArgumentException if the row is not whole blocks
     */
    public long rowBytes(long columns) {
        if (columns <= 0 || columns % blockElements != 0) {
            throw new IllegalArgumentException(
                    "%s rows are whole blocks of %d elements, not %d".formatted(this, blockElements, columns));
        }
        return Math.multiplyExact(columns / blockElements, (long) blockBytes);
    }
}
