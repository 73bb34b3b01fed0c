package dev.skein.gateway;

import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.TokenizerModel;
import io.vertx.core.Vertx;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** A gateway on a real port, with a fake scheduler and one fake worker behind it. */
final class Stage implements AutoCloseable {
    static final ObjectMapper JSON = new ObjectMapper();

    final Vertx vertx = Vertx.vertx();
    final FakeScheduler scheduler = new FakeScheduler(vertx);
    final FakeWorker worker;
    final Gateway gateway;
    final int port;
    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    Stage() {
        this(options -> options);
    }

    Stage(UnaryOperator<GatewayOptions> change) {
        this(TinyModel.card(), TinyModel.tokenizer(), change);
    }

    Stage(ModelCard card, TokenizerModel tokenizer, UnaryOperator<GatewayOptions> change) {
        worker = new FakeWorker(vertx, card, tokenizer);
        scheduler.tell(FakeScheduler.ready("group-0", worker));
        gateway = Gateway.create(vertx, change.apply(options(scheduler)));
        Wait.on(gateway.ready());
        port = Wait.on(gateway.listen());
    }

    static GatewayOptions options(FakeScheduler scheduler) {
        return GatewayOptions.defaults(
                        new GatewayOptions.SchedulerAddress("127.0.0.1", scheduler.port, FakeScheduler.TOKEN))
                .withAddress("127.0.0.1", 0)
                .withVersion("1.2.3")
                .withCache(Path.of("target", "tokenizer-cache").toAbsolutePath());
    }

    HttpRequest.Builder to(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path));
    }

    HttpResponse<String> get(String path) throws IOException, InterruptedException {
        return send(to(path).GET());
    }

    HttpResponse<String> post(String path, String json) throws IOException, InterruptedException {
        return send(
                to(path).header("content-type", "application/json").POST(HttpRequest.BodyPublishers.ofString(json)));
    }

    HttpResponse<String> send(HttpRequest.Builder request) throws IOException, InterruptedException {
        return http.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    JsonNode json(HttpResponse<String> response) {
        return JSON.readTree(response.body());
    }

    /** Waits until the server's status says so at that place. */
    void awaitStatus(String place, String value) throws IOException, InterruptedException {
        while (!json(get("/skein/status")).at(place).asString("").equals(value)) {
            Thread.onSpinWait();
        }
    }

    /** The events of a stream, without their framing; it must be framed right. */
    static List<String> events(String body) {
        if (!body.endsWith("\n\n")) {
            throw new AssertionError("the stream does not end with an empty line: " + body);
        }
        return List.of(body.split("\n\n")).stream()
                .map(event -> {
                    if (!event.startsWith("data: ") || event.contains("\n")) {
                        throw new AssertionError("not one data line: " + event);
                    }
                    return event.substring(6);
                })
                .toList();
    }

    @Override
    public void close() {
        gateway.close();
        worker.close();
        scheduler.close();
        Wait.on(vertx.close());
    }
}
