package dev.skein.cli.bench;

import dev.skein.cli.CommandException;
import dev.skein.cli.client.ServerApi;
import io.vertx.core.json.JsonObject;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Many streaming clients at once against one server.
final class ServerBench {
    private static final String DATA = "data: ";
    private static final double MILLIS = 1e6;
    private static final double NANOS = 1e9;
    private static final String[] WORDS = {
        "goose", "river", "north", "wing", "early", "field", "cloud", "follow", "leader", "winter", "water", "long",
        "light", "road", "stone", "quiet", "many", "hill", "wind", "return"
    };

    private final ServerApi server;
    private final String model;
    private final Load load;

    /// What the clients do.
    ///
    /// @param clients that each wait for their answer before they ask again; not used with a rate
    /// @param requests of all clients together
    /// @param rate requests a second at random intervals, answered or not (open loop); 0 for clients that wait
    record Load(int clients, int requests, int promptWords, int maxTokens, double rate, long seed) {}

    /// One stream as its client saw it, in nanoseconds of one clock.
    ///
    /// @param asked when it was due; in an open loop a late start counts as waiting
    /// @param arrivals of pieces of text, at least one
    /// @param tokens that the server counted, or the pieces where it counts none
    private record Stream(long asked, long[] arrivals, int tokens) {}

    /// One run over all requests.
    record Result(double tokensPerSecond, Samples firstMillis, Samples betweenMillis) {}

    ServerBench(ServerApi server, Load load) {
        this.server = server;
        this.model = server.model();
        this.load = load;
    }

    String model() {
        return model;
    }

    /// @throws CommandException if a request fails: a figure over fewer requests would flatter
    Result run(int round) {
        long began = System.nanoTime();
        List<Stream> streams = load.rate() > 0 ? open(round, began) : closed(round);
        long end = streams.stream()
                .mapToLong(s -> s.arrivals[s.arrivals.length - 1])
                .max()
                .orElseThrow();
        int tokens = streams.stream().mapToInt(Stream::tokens).sum();
        return new Result(
                tokens * NANOS / (end - began),
                Samples.of(streams.stream()
                        .mapToDouble(s -> (s.arrivals[0] - s.asked) / MILLIS)
                        .toArray()),
                Samples.of(between(streams)));
    }

    private static double[] between(List<Stream> streams) {
        double[] gaps = streams.stream()
                .flatMapToDouble(s -> IntStream.range(1, s.arrivals.length)
                        .mapToDouble(i -> (s.arrivals[i] - s.arrivals[i - 1]) / MILLIS))
                .toArray();
        return gaps.length == 0 ? new double[] {0} : gaps;
    }

    private List<Stream> closed(int round) {
        Executor threads = task -> Thread.ofVirtual().start(task);
        List<CompletableFuture<List<Stream>>> clients = IntStream.range(0, load.clients())
                .mapToObj(client -> CompletableFuture.supplyAsync(() -> client(round, client), threads))
                .toList();
        return clients.stream().map(ServerBench::await).flatMap(List::stream).toList();
    }

    private List<Stream> client(int round, int client) {
        List<Stream> streams = new ArrayList<>();
        for (int i = client; i < load.requests(); i += load.clients()) {
            streams.add(ask(prompt(round, i), System.nanoTime()));
        }
        return streams;
    }

    /// The times between requests are exponential, so arrivals are a Poisson process.
    private List<Stream> open(int round, long began) {
        Random random = new Random(load.seed() + round);
        Executor threads = task -> Thread.ofVirtual().start(task);
        List<CompletableFuture<Stream>> streams = new ArrayList<>();
        long due = began;
        for (int i = 0; i < load.requests(); i++) {
            long at = due;
            String prompt = prompt(round, i);
            LockSupport.parkNanos(Math.max(0, at - System.nanoTime()));
            streams.add(CompletableFuture.supplyAsync(() -> ask(prompt, at), threads));
            due += (long) (-Math.log(1 - random.nextDouble()) / load.rate() * TimeUnit.SECONDS.toNanos(1));
        }
        return streams.stream().map(ServerBench::await).toList();
    }

    private static <T> T await(CompletableFuture<T> future) {
        try {
            return future.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof CommandException refused) {
                throw refused;
            }
            throw e;
        }
    }

    /// Every prompt is another, so that no cache of prefixes helps.
    private String prompt(int round, int request) {
        Random random = new Random(load.seed() * 1_000_003 + round * 10_007L + request);
        return random.ints(load.promptWords(), 0, WORDS.length)
                .mapToObj(word -> WORDS[word])
                .collect(Collectors.joining(" "));
    }

    private Stream ask(String prompt, long asked) {
        JsonObject body = new JsonObject()
                .put("model", model)
                .put("prompt", prompt)
                .put("max_tokens", load.maxTokens())
                .put("temperature", 0)
                .put("ignore_eos", true)
                .put("stream", true)
                .put("stream_options", new JsonObject().put("include_usage", true));
        try (InputStream stream = server.stream("/v1/completions", body)) {
            return read(stream, asked);
        } catch (IOException e) {
            throw CommandException.failed(server.url() + " broke off: " + e.getMessage());
        }
    }

    private Stream read(InputStream stream, long asked) throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8));
        long[] arrivals = new long[load.maxTokens() + 8];
        int pieces = 0;
        int counted = 0;
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            if (!line.startsWith(DATA) || line.endsWith("[DONE]")) {
                continue;
            }
            JsonObject event = new JsonObject(line.substring(DATA.length()));
            if (event.containsKey("error")) {
                throw CommandException.failed(server.url() + " says " + event.encode());
            }
            if (hasText(event) && pieces < arrivals.length) {
                arrivals[pieces++] = System.nanoTime();
            }
            JsonObject usage = event.getJsonObject("usage");
            counted = usage == null ? counted : usage.getInteger("completion_tokens", counted);
        }
        if (pieces == 0) {
            throw CommandException.failed(server.url() + " answered without any text");
        }
        return new Stream(asked, Arrays.copyOf(arrivals, pieces), counted > 0 ? counted : pieces);
    }

    private static boolean hasText(JsonObject event) {
        return event.getJsonArray("choices") != null
                && !event.getJsonArray("choices").isEmpty()
                && !event.getJsonArray("choices")
                        .getJsonObject(0)
                        .getString("text", "")
                        .isEmpty();
    }
}
