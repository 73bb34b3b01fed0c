package dev.skein.loadtest;

import dev.skein.loadtest.measure.Exchange;
import dev.skein.loadtest.measure.Outcome;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.time.Duration;

/// A server that answers.
///
/// @param model that requests name
/// @param software what it says it is, from its `server` header and `/version`; empty if it says nothing
record Target(Address address, String model, String software) {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int UNAUTHORIZED = 401;

    /// Asks a server what it serves.
    ///
    /// @throws LoadException if it does not answer as a server of OpenAI's interface does
    static Target ask(Wire wire, Address address) {
        Exchange models = get(wire, address, "/v1/models");
        if (models.status() == UNAUTHORIZED) {
            throw new LoadException(address.url() + " needs a key: --api-key or SKEIN_API_KEY");
        }
        Outcome.Failure failure = models.failure();
        if (failure != null) {
            throw new LoadException("no model is listed at " + address.url() + "/v1/models: " + failure.cause() + ": "
                    + failure.example()
                    + (models.status() == 0 ? "; start a server there with skein serve, or name another" : ""));
        }
        String model = address.model() == null ? first(address, models.text()) : address.model();
        return new Target(address, model, (models.server() + " " + version(wire, address)).strip());
    }

    private static String first(Address address, String body) {
        try {
            JsonArray models = new JsonObject(body).getJsonArray("data");
            if (models != null && !models.isEmpty()) {
                String id = models.getJsonObject(0).getString("id");
                if (id != null) {
                    return id;
                }
            }
        } catch (DecodeException | ClassCastException e) {
            throw new LoadException(address.url() + "/v1/models answers with something that is no list of models");
        }
        throw new LoadException(address.url() + " serves no model");
    }

    private static String version(Wire wire, Address address) {
        Exchange answer = get(wire, address, "/version");
        try {
            return answer.failure() != null ? "" : new JsonObject(answer.text()).getString("version", "");
        } catch (DecodeException | ClassCastException e) {
            return "";
        }
    }

    /// Whether something answers there that is ready to serve.
    static boolean ready(Wire wire, Address address) {
        return get(wire, address, "/health").failure() == null
                || get(wire, address, "/v1/models").failure() == null;
    }

    private static Exchange get(Wire wire, Address address, String path) {
        return wire.get(address, path, System.nanoTime(), PATIENCE).join();
    }
}
