package dev.skein.compute;

/**
 * How a router's logits choose among experts. Weights are the softmax of the logits.
 *
 * @param chosen experts for each token: those of the highest logits, of equal ones those with the lower index
 * @param normalised whether the chosen ones' weights are divided by their sum (Mixtral, Qwen3-MoE with norm_topk_prob), or
 *     stay what the softmax over all experts gave them
 */
public record Routing(int chosen, boolean normalised) {
    public Routing {
        if (chosen <= 0) {
            throw new IllegalArgumentException("%d experts for each token; at least one must be".formatted(chosen));
        }
    }
}
