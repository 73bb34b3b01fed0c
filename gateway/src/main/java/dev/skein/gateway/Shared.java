package dev.skein.gateway;

import dev.skein.gateway.json.JsonReader;
import dev.skein.gateway.metrics.HttpMetrics;
import dev.skein.gateway.metrics.ModelMetrics;
import dev.skein.gateway.traffic.Dialect;
import dev.skein.gateway.traffic.Fleet;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.vertx.core.WorkerExecutor;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** What all event loops of a gateway share. Thread-safe. */
final class Shared {
    /**
     * What is known once a leader has told its model.
     *
     * @param dialect which groups can take its requests
     */
    record Serving(Dialect dialect, ServedModel model, Preparation preparation, ModelMetrics metrics) {

        /** The same under other names; empty for those that it has. */
        Serving named(List<String> names) {
            if (names.isEmpty() || names.equals(model.names())) {
                return this;
            }
            ServedModel renamed = model.named(names);
            return new Serving(dialect, renamed, preparation.of(renamed), metrics);
        }
    }

    private final GatewayOptions options;
    private final Fleet fleet;
    private final WorkerExecutor pool;
    private final JsonReader json;
    private final ApiKeys keys;
    private final PrometheusRegistry registry = new PrometheusRegistry();
    private final HttpMetrics httpMetrics = new HttpMetrics(registry);
    private final Catalog catalog = new Catalog();
    private final AtomicInteger requests = new AtomicInteger();
    private final AtomicLong bodyBytes = new AtomicLong();
    private final Seeds seeds;

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

    Catalog catalog() {
        return catalog;
    }

    /** Whether requests can be answered; of what is scaled to nothing they wait for a group. */
    boolean ready() {
        return !catalog.models().isEmpty() && (!fleet.picture().ready().isEmpty() || fleet.asleep());
    }
}
