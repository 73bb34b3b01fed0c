package dev.skein.worker.model;

import java.util.List;
import java.util.OptionalInt;

/**
 * How a model makes one vector of a text: of its tokens' last states one is taken or their mean is, and that is scaled to
 * length 1.
 *
 * @param longest ids that a text may have, where that is less than the model's positions
 * @param normalised whether vectors are scaled to length 1 unless a request says otherwise
 * @param shortening which shorter vectors may be asked for
 */
public record EmbeddingConfig(Pooling pooling, boolean normalised, OptionalInt longest, Shortening shortening) {
    /** Which of a text's states make its vector. */
    public enum Pooling {
        MEAN,
        /** The first token's. */
        CLS,
        /** The last token's. */
        LAST
    }

    /**
     * Whether a vector's beginning is a vector too (Kusupati et al., arXiv 2205.13147), which a model must have been
     * trained for.
     *
     * @param lengths the only ones that it may have; empty for all
     */
    public record Shortening(boolean possible, List<Integer> lengths) {
        public static final Shortening NONE = new Shortening(false, List.of());

        public Shortening {
            lengths = List.copyOf(lengths);
        }
    }
}
