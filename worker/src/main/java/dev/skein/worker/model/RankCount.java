package dev.skein.worker.model;

/**
 * How many ranks compute a model together.
 *
 * @param tensor that share each layer
 * @param pipeline stages that share the layers, each of `tensor` ranks
 */
public record RankCount(int tensor, int pipeline) {
    public static final RankCount ONE = new RankCount(1, 1);

    public RankCount {
        if (tensor < 1 || pipeline < 1) {
            throw new IllegalArgumentException(
                    "tensor parallel %d and pipeline parallel %d; each is at least 1".formatted(tensor, pipeline));
        }
    }

    public int all() {
        return Math.multiplyExact(tensor, pipeline);
    }
}
