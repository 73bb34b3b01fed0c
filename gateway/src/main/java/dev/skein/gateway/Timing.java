package dev.skein.gateway;

import dev.skein.gateway.metrics.RequestMetrics;

/** The times of one sequence as its client sees them, told to the metrics as they pass. Not thread-safe. */
final class Timing {
    private final RequestMetrics metrics;
    private final long arrived;
    private long first;
    private long last;
    private boolean over;

    /** @param arrived {@code System.nanoTime()} when the request's headers had come */
    Timing(RequestMetrics metrics, long arrived) {
        this.metrics = metrics;
        this.arrived = arrived;
    }

    /** Some ids have come, or none. */
    void came(int ids) {
        if (ids == 0) {
            return;
        }
        long now = System.nanoTime();
        if (first == 0) {
            first = now;
            metrics.firstToken(now - arrived);
        } else {
            metrics.nextToken(now - last);
        }
        last = now;
    }

    /**
     * It has ended; what is told after that does not count.
     *
     * @param reason stop, length, abort or error
     * @param most output ids that it was allowed
     */
    void ended(String reason, int prompt, int generated, int most) {
        if (!over) {
            over = true;
            metrics.sequence(new RequestMetrics.Sequence(
                    reason, System.nanoTime() - arrived, last - first, prompt, generated, most));
        }
    }
}
