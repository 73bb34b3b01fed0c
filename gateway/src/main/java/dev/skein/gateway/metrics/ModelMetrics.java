package dev.skein.gateway.metrics;

import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.util.Map;

/** What is counted of one model's requests and groups. Thread-safe. */
public final class ModelMetrics {
    private final PrometheusRegistry registry = new PrometheusRegistry();
    private final RequestMetrics requests;
    private final EngineMetrics engines;

    /**
     * @param model the first served name
     * @param maxModelLen largest bucket of token counts
     * @param cacheLabels what else {@code cache_config_info} tells
     */
    public ModelMetrics(String model, int maxModelLen, Map<String, String> cacheLabels) {
        requests = new RequestMetrics(registry, model, maxModelLen);
        engines = new EngineMetrics(model, cacheLabels);
        registry.register(engines);
    }

    public RequestMetrics requests() {
        return requests;
    }

    public EngineMetrics engines() {
        return engines;
    }

    /** All of it, to be scraped. */
    public PrometheusRegistry registry() {
        return registry;
    }
}
