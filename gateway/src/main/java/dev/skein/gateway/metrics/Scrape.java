package dev.skein.gateway.metrics;

import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.DataPointSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** One scrape of several registries: what has the same name in them is one metric, told apart by its labels. */
public final class Scrape {
    private Scrape() {}

    /** @throws IllegalStateException for a kind of metric that is not used here */
    public static MetricSnapshots of(List<PrometheusRegistry> registries) {
        Map<String, MetricSnapshot> all = new TreeMap<>();
        for (PrometheusRegistry registry : registries) {
            for (MetricSnapshot snapshot : registry.scrape()) {
                all.merge(snapshot.getMetadata().getPrometheusName(), snapshot, Scrape::joined);
            }
        }
        return new MetricSnapshots(List.copyOf(all.values()));
    }

    private static MetricSnapshot joined(MetricSnapshot one, MetricSnapshot other) {
        return switch (one) {
            case CounterSnapshot counter ->
                new CounterSnapshot(
                        counter.getMetadata(),
                        points(counter.getDataPoints(), ((CounterSnapshot) other).getDataPoints()));
            case GaugeSnapshot gauge ->
                new GaugeSnapshot(
                        gauge.getMetadata(), points(gauge.getDataPoints(), ((GaugeSnapshot) other).getDataPoints()));
            case HistogramSnapshot histogram ->
                new HistogramSnapshot(
                        histogram.getMetadata(),
                        points(histogram.getDataPoints(), ((HistogramSnapshot) other).getDataPoints()));
            default ->
                throw new IllegalStateException(
                        "no such metric is used: " + one.getMetadata().getName());
        };
    }

    private static <T extends DataPointSnapshot> List<T> points(List<T> one, List<T> other) {
        return Stream.concat(one.stream(), other.stream()).toList();
    }
}
