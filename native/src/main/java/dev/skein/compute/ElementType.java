package dev.skein.compute;

/**
 * How a matrix's elements lie in a model file. Quantised types hold rows in blocks of 32 or 256 elements; layouts are
 * those of the GGUF specification (ggml-org/ggml, docs/gguf.md) and of the block structures it names. Of an element w, q
 * is its integer, d an F16 scale and m an F16 minimum of a block, and s and t are small integers of a part of a block.
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
    Q4_1(32, 20),
    /** F16 scale d, fifth bits of 32 integers, nibbles as in Q4_0: w = d (q - 16). */
    Q5_0(32, 22),
    /** F16 scale d, F16 minimum m, fifth bits and nibbles: w = d q + m. */
    Q5_1(32, 24),
    /** 16 parts of 16 integers of 2 bits, each with s and t of 4 bits: w = (d s) q - (m t). */
    Q2_K(256, 84),
    /** 16 parts of 16 integers of 3 bits, each with s of 6 bits: w = (d (s - 32)) (q - 4). */
    Q3_K(256, 110),
    /** 8 parts of 32 integers of 4 bits, each with s and t of 6 bits: w = (d s) q - (m t). */
    Q4_K(256, 144),
    /** 8 parts of 32 integers of 5 bits, each with s and t of 6 bits: w = (d s) q - (m t). */
    Q5_K(256, 176),
    /** 16 parts of 16 integers of 6 bits, each with a signed byte s: w = (d s) (q - 32). */
    Q6_K(256, 210),
    /** As Q4_0, but the nibbles are places in a table of 16 unevenly spaced integers: w = d table[q]. */
    IQ4_NL(32, 18);

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
