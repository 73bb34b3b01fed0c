package dev.skein.compute.collective;

import java.time.Duration;

/**
 * Who an end is, and in which group. All but the rank is the same for every end of a group.
 *
 * @param group names this life of the group: who makes a group anew gives it a new name. At most 64 of letters, digits,
 *     dots, dashes and underscores
 * @param token what only ends of this group know; at least 16 characters
 * @param limit how long a call waits for another rank, and joining for all of them
 */
public record Membership(String group, String token, int rank, int size, Duration limit) {
    /** As many as one can be sure to have room for in the memory of a container. */
    public static final int MOST_RANKS = 64;

    private static final int LEAST_TOKEN = 16;
    private static final String GROUP = "[A-Za-z0-9._-]{1,64}";

    public Membership {
        if (!group.matches(GROUP)) {
            throw new IllegalArgumentException("group '%s' is not %s".formatted(group, GROUP));
        }
        if (token.length() < LEAST_TOKEN) {
            throw new IllegalArgumentException(
                    "a token of %d characters can be guessed; %d are least".formatted(token.length(), LEAST_TOKEN));
        }
        if (size < 1 || size > MOST_RANKS) {
            throw new IllegalArgumentException("%d ranks; 1 to %d make a group".formatted(size, MOST_RANKS));
        }
        if (rank < 0 || rank >= size) {
            throw new IllegalArgumentException("rank %d of %d; 0 is the first".formatted(rank, size));
        }
        if (!limit.isPositive()) {
            throw new IllegalArgumentException("a limit of %s is over before a rank can come".formatted(limit));
        }
    }

    long limitNanos() {
        return limit.toNanos();
    }

    /** The token stays out of logs. */
    @Override
    public String toString() {
        return "rank %d of %d of %s, limit %s".formatted(rank, size, group, limit);
    }
}
