package dev.skein.gateway.traffic;

import dev.skein.protocol.v1.GenerateRequest;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * How prompts begin, as hashes of their blocks, each over all that comes before it: two prompts share the hash of a block
 * when they are alike up to its end and their salts are.
 *
 * @param tokens of the prompt
 */
record Prefix(long[] hashes, int tokens) {
    private static final int BLOCK = 64;
    // Beyond so many tokens prompts are rarely alike, and where they are the first part decides.
    private static final int MOST_BLOCKS = 256;
    private static final long MIX = 0x9E37_79B9_7F4A_7C15L;

    static Prefix of(GenerateRequest request) {
        int tokens = request.getPromptCount();
        long[] hashes = new long[Math.min(MOST_BLOCKS, tokens / BLOCK)];
        long hash = mixed(request.getCacheSalt().hashCode());
        for (int block = 0; block < hashes.length; block++) {
            for (int i = block * BLOCK; i < (block + 1) * BLOCK; i++) {
                hash = (hash ^ request.getPrompt(i)) * MIX;
            }
            hash = mixed(hash);
            hashes[block] = hash;
        }
        return new Prefix(hashes, tokens);
    }

    private static long mixed(long hash) {
        long once = (hash ^ hash >>> 32) * MIX;
        return once ^ once >>> 29;
    }

    /**
     * The beginnings that one leader was given lately: a table that forgets what falls on the same place. What event loops
     * write at the same time may be lost, which costs a guess.
     */
    static final class Memory {
        private static final int PLACES = 1 << 14;

        private final AtomicLongArray places = new AtomicLongArray(PLACES);

        void note(Prefix prefix) {
            for (long hash : prefix.hashes) {
                places.setPlain(place(hash), hash);
            }
        }

        /** Tokens at the prompt's beginning that were noted. */
        int seen(Prefix prefix) {
            int blocks = 0;
            while (blocks < prefix.hashes.length
                    && places.getPlain(place(prefix.hashes[blocks])) == prefix.hashes[blocks]) {
                blocks++;
            }
            return blocks * BLOCK;
        }

        private static int place(long hash) {
            return (int) hash & PLACES - 1;
        }
    }
}
