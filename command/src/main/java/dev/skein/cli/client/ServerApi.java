package dev.skein.cli.client;

import dev.skein.cli.CommandException;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// The HTTP interface of a server. Every failure is a [CommandException] of one line.
public final class ServerApi {
    private static final Duration CONNECT = Duration.ofSeconds(5);
    private static final int UNAUTHORIZED = 401;
    private static final int LAST_PORT = 65_535;

    private final String url;
    private final @Nullable String key;
    private final HttpClient client = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(CONNECT)
            .build();

    /// @param url with or without the `/v1` that OpenAI's clients want
    /// @param key the bearer token; null for none
    public ServerApi(String url, @Nullable String key) {
        this.url = url.replaceFirst("/+$", "").replaceFirst("/v1$", "");
        this.key = key;
        if (!isAddress(this.url)) {
            throw CommandException.usage("--url " + url + " is no address; give one such as http://127.0.0.1:8000");
        }
    }

    private static boolean isAddress(String url) {
        try {
            URI uri = URI.create(url);
            return uri.getHost() != null
                    && uri.getPort() <= LAST_PORT
                    && ("http".equalsIgnoreCase(uri.getScheme()) || "https".equalsIgnoreCase(uri.getScheme()));
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    public String url() {
        return url;
    }

    /// Whether something answers there that is alive.
    public boolean answers() {
        try {
            HttpRequest request = request("/health").GET().build();
            return client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode() == 200;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    public JsonObject get(String path) {
        HttpResponse<String> response =
                send(request(path).GET().build(), HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
        if (response.statusCode() != 200) {
            throw refused(response.statusCode(), response.body());
        }
        try {
            return new JsonObject(response.body());
        } catch (DecodeException e) {
            throw CommandException.failed(url + path + " answers with something that is not JSON");
        }
    }

    /// The first model served.
    public String model() {
        JsonArray models = get("/v1/models").getJsonArray("data", new JsonArray());
        if (models.isEmpty()) {
            throw CommandException.failed(url + " serves no model");
        }
        return models.getJsonObject(0).getString("id");
    }

    /// The bytes of a stream; closing it, from any thread, ends the request on the server.
    public InputStream stream(String path, JsonObject body) {
        HttpRequest request = request(path)
                .header("content-type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body.encode()))
                .build();
        HttpResponse<InputStream> response = send(request, HttpResponse.BodyHandlers.ofInputStream());
        if (response.statusCode() != 200) {
            throw refused(response.statusCode(), text(response.body()));
        }
        return response.body();
    }

    private static String text(InputStream body) {
        try (body) {
            return new String(body.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            return "";
        }
    }

    private HttpRequest.Builder request(String path) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + path));
        return key == null ? request : request.header("authorization", "Bearer " + key);
    }

    private <T> HttpResponse<T> send(HttpRequest request, HttpResponse.BodyHandler<T> handler) {
        try {
            return client.send(request, handler);
        } catch (ConnectException e) {
            throw CommandException.failed(
                    "no server answers at " + url + "; start one with skein serve or name it with --url");
        } catch (IOException e) {
            throw CommandException.failed(url + " does not answer: " + e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw CommandException.failed("interrupted");
        }
    }

    private CommandException refused(int status, String body) {
        if (status == UNAUTHORIZED) {
            return CommandException.failed(url + " needs a key: --api-key or SKEIN_API_KEY");
        }
        return CommandException.failed(url + " answers " + status + ": " + message(body));
    }

    /// The text of an error body as OpenAI's servers write it.
    static String message(String body) {
        try {
            JsonObject json = new JsonObject(body);
            return json.getValue("error") instanceof JsonObject error
                    ? error.getString("message", body)
                    : String.valueOf(json.getValue("error"));
        } catch (DecodeException | ClassCastException e) {
            return body.isEmpty() ? "nothing more" : body;
        }
    }
}
