package dev.skein.gateway;

import dev.skein.gateway.json.JsonReader;
import dev.skein.gateway.metrics.EngineMetrics;
import dev.skein.gateway.metrics.HttpMetrics;
import dev.skein.gateway.metrics.RequestMetrics;
import dev.skein.gateway.traffic.Fleet;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.vertx.core.WorkerExecutor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** What all event loops of a gateway share. Thread-safe. */
final class Shared {
    /** What is known once a leader has told its model. */
    record Serving(
            ServedModel model, Preparation preparation, RequestMetrics requestMetrics, EngineMetrics engineMetrics) {}

    private final GatewayOptions options;
    private final Fleet fleet;
    private final WorkerExecutor pool;
    private final JsonReader json;
    private final ApiKeys keys;
    private final PrometheusRegistry registry = new PrometheusRegistry();
    private final HttpMetrics httpMetrics = new HttpMetrics(registry);
    private final AtomicInteger requests = new AtomicInteger();
    private final AtomicLong bodyBytes = new AtomicLong();
    private final Seeds seeds;
    // Set once, when the tokenizer is built; read by all event loops.
    private volatile @Nullable Serving serving;

    Shared(GatewayOptions options, Fleet fleet, WorkerExecutor pool) {
        this.options = options;
        this.fleet = fleet;
        this.pool = pool;
        this.json = new JsonReader(options.limits().nesting(), options.limits().bodyBytes());
        this.keys = new ApiKeys(options.access().apiKeys());
        this.seeds = new Seeds(options.seed());
    }

    GatewayOptions options() {
        return options;
    }

    Fleet fleet() {
        return fleet;
    }

    WorkerExecutor pool() {
        return pool;
    }

    JsonReader json() {
        return json;
    }

    ApiKeys keys() {
        return keys;
    }

    PrometheusRegistry registry() {
        return registry;
    }

    HttpMetrics httpMetrics() {
        return httpMetrics;
    }

    /** Bytes of bodies whose requests are not over. */
    AtomicLong bodyBytes() {
        return bodyBytes;
    }

    /** For requests that bring no seed. */
    Seeds seeds() {
        return seeds;
    }

    /** Requests in flight that use the model. */
    AtomicInteger requests() {
        return requests;
    }

    @Nullable
    Serving serving() {
        return serving;
    }

    void serve(Serving model) {
        serving = model;
    }

    boolean ready() {
        return serving != null && !fleet.picture().ready().isEmpty();
    }
}
