package dev.skein.compute;

/**
 * Rotary position embedding (Su et al., RoFormer, arXiv 2104.09864).
 *
 * @param inverseFrequencies of each rotated pair, scaling already applied; half the rotated dimensions long; none where
 *     positions are told in another way
 * @param interleaved true: pairs are (2i, 2i+1), as GGUF's llama architecture stores its rows; false: (i, i + d/2)
 * @param magnitude multiplies cosine and sine; 1 but for YaRN
 */
public record Rope(float[] inverseFrequencies, boolean interleaved, float magnitude) {
    public Rope {
        inverseFrequencies = inverseFrequencies.clone();
    }

    /** One that turns nothing. */
    public static Rope none() {
        return new Rope(new float[0], false, 1f);
    }

    @Override
    public float[] inverseFrequencies() {
        return inverseFrequencies.clone();
    }

    /** Rotated elements at the start of each head. */
    public int dimensions() {
        return 2 * inverseFrequencies.length;
    }
}
