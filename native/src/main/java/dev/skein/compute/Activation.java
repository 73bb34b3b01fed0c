package dev.skein.compute;

/** What the gate of a gated product, or a row between two products, passes through. */
public enum Activation {
    /** {@code x / (1 + e^-x)}, of SwiGLU (Shazeer, arXiv 2002.05202). */
    SILU,
    /**
     * {@code x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))}, the usual approximation of GELU (Hendrycks and
     * Gimpel, arXiv 1606.08415), computed as the same function {@code x / (1 + e^(-2 sqrt(2 / pi) (x + 0.044715 x^3)))}.
     */
    GELU_TANH,
    /** {@code x} times the share of a normal distribution that lies below it: GELU itself (BERT). */
    GELU
}
