package dev.skein.gateway.openai;

import org.jspecify.annotations.Nullable;

/** Reads how a long prompt is to be cut. */
final class Truncations {
    private Truncations() {}

    /**
     * Null where a prompt is not to be cut.
     *
     * @param left which end is cut where the request does not say
     * @throws ApiException if it is wrong
     */
    static Decoding.@Nullable Truncation read(Fields body, boolean left) {
        Long tokens = body.integer("truncate_prompt_tokens");
        String side = body.text("truncation_side");
        body.check();
        if (side != null && !side.equals("left") && !side.equals("right")) {
            throw ApiException.bad(
                    "truncation_side", "truncation_side must be left or right, got " + ApiException.shortened(side));
        }
        if (tokens == null) {
            return null;
        }
        if (tokens < -1) {
            throw ApiException.bad(
                    "truncate_prompt_tokens",
                    "truncate_prompt_tokens must be -1 (what the context holds) or at least 0, got " + tokens);
        }
        return new Decoding.Truncation(
                (int) Math.min(tokens, Integer.MAX_VALUE), side == null ? left : side.equals("left"));
    }
}
