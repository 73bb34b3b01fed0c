package dev.skein.cli.model.hub;

import java.util.function.LongSupplier;

/// How far a pull has come, how fast it goes and how long it will take. For one thread.
final class Rate {
    /// Over how many seconds the speed is an average, roughly.
    private static final double WINDOW = 5;

    private static final double NANOS = 1e9;

    private final String title;
    private final int count;
    private final long total;
    private final LongSupplier received;
    private long lastBytes = -1;
    private long lastNanos;
    private double speed;

    /// @param count of files
    /// @param total of their bytes
    /// @param received bytes that are there now
    Rate(String title, int count, long total, LongSupplier received) {
        this.title = title;
        this.count = count;
        this.total = total;
        this.received = received;
    }

    /// @param now in nanoseconds
    /// @param done files that are whole
    String line(long now, int done) {
        long bytes = received.getAsLong();
        average(bytes, now);
        String files = count == 1 ? "" : done + " of " + count + " files, ";
        String left = speed < 1 ? "" : ", " + duration((long) ((total - bytes) / speed)) + " left";
        return "%s: %s%s of %s (%d %%), %s/s%s"
                .formatted(
                        title,
                        files,
                        Words.size(bytes),
                        Words.size(total),
                        total == 0 ? 100 : 100 * bytes / total,
                        Words.size((long) speed),
                        left);
    }

    /// The first look sees what earlier runs left, which is no speed.
    private void average(long bytes, long now) {
        if (lastBytes >= 0 && now > lastNanos) {
            double seconds = (now - lastNanos) / NANOS;
            double share = speed == 0 ? 1 : 1 - Math.exp(-seconds / WINDOW);
            speed += share * (Math.max(0, bytes - lastBytes) / seconds - speed);
        }
        lastBytes = bytes;
        lastNanos = now;
    }

    private static String duration(long seconds) {
        return seconds < 120
                ? seconds + " s"
                : seconds < 7200 ? seconds / 60 + " min" : seconds / 3600 + " h " + seconds % 3600 / 60 + " min";
    }
}
