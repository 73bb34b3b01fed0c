package dev.skein.gateway.metrics;

import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.core.metrics.Summary;
import io.prometheus.metrics.model.registry.PrometheusRegistry;

/** The web layer, under the names that vLLM's own has. Thread-safe. */
public final class HttpMetrics {
    private final Counter requests;
    private final Summary requestSize;
    private final Summary responseSize;
    private final Histogram duration;
    private final Histogram fineDuration;

    public HttpMetrics(PrometheusRegistry registry) {
        requests = Counter.builder()
                .name("http_requests")
                .help("Requests by method, status and path.")
                .labelNames("method", "status", "handler")
                .withoutExemplars()
                .register(registry);
        requestSize = summary(registry, "http_request_size_bytes", "Bytes of request bodies.");
        responseSize = summary(registry, "http_response_size_bytes", "Bytes of response bodies.");
        duration = Histogram.builder()
                .name("http_request_duration_seconds")
                .help("Time of a request, by method and path.")
                .labelNames("method", "handler")
                .classicOnly()
                .classicUpperBounds(Buckets.HTTP)
                .withoutExemplars()
                .register(registry);
        fineDuration = Histogram.builder()
                .name("http_request_duration_highr_seconds")
                .help("Time of a request, finely.")
                .classicOnly()
                .classicUpperBounds(Buckets.HTTP_FINE)
                .withoutExemplars()
                .register(registry);
    }

    private static Summary summary(PrometheusRegistry registry, String name, String help) {
        return Summary.builder()
                .name(name)
                .help(help)
                .labelNames("handler")
                .withoutExemplars()
                .register(registry);
    }

    /** @param handler a route, never a path that a client made up: each is a series */
    public void request(String method, int status, String handler, long nanos, long received, long sent) {
        double seconds = nanos / 1e9;
        requests.labelValues(method, status / 100 + "xx", handler).inc();
        requestSize.labelValues(handler).observe(received);
        responseSize.labelValues(handler).observe(sent);
        duration.labelValues(method, handler).observe(seconds);
        fineDuration.observe(seconds);
    }
}
