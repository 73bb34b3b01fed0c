package dev.skein.loadtest.measure;

import io.vertx.core.json.JsonObject;
import java.util.Arrays;
import java.util.Collection;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// Values of one kind, such as all times to first token. There may be none: then every figure of them is NaN.
public final class Samples {
    private final double[] sorted;

    private Samples(double[] sorted) {
        this.sorted = sorted;
    }

    public static Samples of(double... values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return new Samples(sorted);
    }

    /// All of them as one.
    public static Samples pooled(Collection<Samples> parts) {
        return of(parts.stream()
                .flatMapToDouble(part -> Arrays.stream(part.sorted))
                .toArray());
    }

    public int count() {
        return sorted.length;
    }

    /// The value that the given share of all is at or below, such as 0.99, by nearest rank.
    public double quantile(double share) {
        return sorted.length == 0
                ? Double.NaN
                : sorted[Math.clamp((int) Math.ceil(share * sorted.length) - 1, 0, sorted.length - 1)];
    }

    /// The middle one, or the mean of the two in the middle.
    public double median() {
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 || sorted.length == 0 ? quantile(0.5) : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    public double mean() {
        return Arrays.stream(sorted).average().orElse(Double.NaN);
    }

    public double least() {
        return quantile(0);
    }

    public double most() {
        return quantile(1);
    }

    /// Median (least-most).
    public String text() {
        return sorted.length == 0 ? "none" : String.format(Locale.ROOT, "%.1f (%.1f-%.1f)", median(), least(), most());
    }

    /// Median, least and most; nulls where there are no values.
    public JsonObject json() {
        return new JsonObject()
                .put("median", finite(median()))
                .put("min", finite(least()))
                .put("max", finite(most()));
    }

    /// JSON has no NaN.
    private static @Nullable Double finite(double value) {
        return Double.isFinite(value) ? value : null;
    }
}
