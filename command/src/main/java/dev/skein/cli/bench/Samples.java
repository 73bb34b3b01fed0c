package dev.skein.cli.bench;

import io.vertx.core.json.JsonObject;
import java.util.Arrays;
import java.util.Locale;

/// Figures of several runs.
record Samples(double[] sorted) {

    static Samples of(double... values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        if (sorted.length == 0) {
            throw new IllegalArgumentException("no runs, no figures");
        }
        return new Samples(sorted);
    }

    /// The value that the given share of all is at or below, such as 0.99.
    double quantile(double share) {
        return sorted[Math.clamp((int) Math.ceil(share * sorted.length) - 1, 0, sorted.length - 1)];
    }

    double median() {
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    double least() {
        return sorted[0];
    }

    double most() {
        return sorted[sorted.length - 1];
    }

    String text() {
        return String.format(Locale.ROOT, "%.1f (%.1f-%.1f)", median(), least(), most());
    }

    JsonObject json() {
        return new JsonObject().put("median", median()).put("min", least()).put("max", most());
    }
}
