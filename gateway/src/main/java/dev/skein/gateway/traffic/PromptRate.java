package dev.skein.gateway.traffic;

/**
 * How fast one leader computes prompts, as its requests tell: the tokens that were ahead of a first token, over the time
 * that it took. What is older counts less, half after a minute. Any thread may call.
 */
final class PromptRate {
    private static final double HALF_LIFE_NANOS = 60e9;
    /** Fewer say more about the way there and back than about the leader. */
    private static final long LEAST_TOKENS = 256;

    private double tokens;
    private double seconds;
    private long notedAt;

    /** Sums over requests, the recent ones most; both 0 if there were none. */
    record Sums(double tokens, double seconds) {
        static final Sums NONE = new Sums(0, 0);
    }

    /**
     * @param ahead tokens of prompts that the leader had to compute until then
     * @param now {@code System.nanoTime()}
     */
    synchronized void note(long ahead, long nanos, long now) {
        if (ahead < LEAST_TOKENS) {
            return;
        }
        Sums before = sums(now);
        tokens = before.tokens + ahead;
        seconds = before.seconds + nanos / 1e9;
        notedAt = now;
    }

    synchronized Sums sums(long now) {
        double kept = seconds == 0 ? 0 : Math.pow(0.5, (now - notedAt) / HALF_LIFE_NANOS);
        return new Sums(tokens * kept, seconds * kept);
    }
}
