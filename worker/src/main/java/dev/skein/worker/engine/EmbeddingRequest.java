package dev.skein.worker.engine;

import static dev.skein.worker.engine.EngineException.invalid;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Texts to make vectors of.
 *
 * @param id names it in logs
 * @param texts at least one, each of at least one id; not to be changed
 * @param dimensions how many of a vector's first elements are wanted; empty for all
 * @param normalised whether vectors are scaled to length 1; empty for what the model was made for
 */
public record EmbeddingRequest(String id, List<int[]> texts, OptionalInt dimensions, Optional<Boolean> normalised) {
    public EmbeddingRequest {
        texts = List.copyOf(texts);
        if (texts.isEmpty()) {
            throw invalid("there are no texts; there must be at least one");
        }
        for (int i = 0; i < texts.size(); i++) {
            if (texts.get(i).length == 0) {
                throw invalid("text %d is empty; it must have at least one id", i);
            }
        }
    }
}
