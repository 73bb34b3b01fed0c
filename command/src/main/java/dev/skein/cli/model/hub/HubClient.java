package dev.skein.cli.model.hub;

import dev.skein.cli.CommandException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// HTTP with one hub about one model. Safe for several threads.
///
/// Redirects are followed here and not by Java's client: the token must stay with the hub, and the checksum stands in
/// the header of the answer that redirects.
final class HubClient implements AutoCloseable {
    private static final int MOST_REDIRECTS = 5;
    private static final int LISTING_BYTES = 64 << 20;
    private static final int BUFFER_BYTES = 1 << 16;
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);

    private final URI endpoint;
    private final @Nullable String token;
    private final String agent;
    private final Patience patience;
    private final Refusals refusals;
    private final HttpClient http;
    private final Set<Body> open = ConcurrentHashMap.newKeySet();
    private final Thread watch;

    /// @param agent what the hub reads as the name of this program
    HubClient(HubSettings settings, HubName model, String revision, String agent, Patience patience) {
        this.endpoint = settings.address();
        this.token = settings.token();
        this.agent = agent;
        this.patience = patience;
        this.refusals = new Refusals(model, revision, endpoint, token != null);
        // HTTP/2 would put all files on one connection, which is slower where each connection is slowed down.
        this.http = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .proxy(new ProxyVariables(System.getenv()))
                .connectTimeout(patience.connect())
                .build();
        this.watch = Thread.ofVirtual().name("hub-silence").start(this::watch);
    }

    /// For one request and those that repeat it.
    Retries retries(Consumer<String> notes) {
        return new Retries(patience, endpoint, notes);
    }

    /// The listing of the revision.
    ///
    /// @throws CommandException if there is none
    Listing listing() throws IOException, InterruptedException {
        URI uri = URI.create(endpoint + "/api/models/" + refusals.model().id() + "/revision/"
                + encode(refusals.revision()) + "?blobs=true");
        try (Answer answer = get(uri, null, 0)) {
            return Listing.parse(bytes(answer.body()));
        }
    }

    private static byte[] bytes(Body body) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        byte[] buffer = new byte[BUFFER_BYTES];
        for (int read = body.read(buffer); read >= 0; read = body.read(buffer)) {
            if (all.size() + read > LISTING_BYTES) {
                throw CommandException.failed(
                        "the hub's listing of the model is longer than " + LISTING_BYTES + " bytes");
            }
            all.write(buffer, 0, read);
        }
        return all.toByteArray();
    }

    /// The content of a file from an offset on, as far as the hub heeds the offset: status 206 if so, else 200, or 416
    /// if the file ends before it.
    Answer content(String commit, String path, long from) throws IOException, InterruptedException {
        return get(address(commit, path), path, from);
    }

    private URI address(String commit, String path) {
        return URI.create(endpoint + "/" + refusals.model().id() + "/resolve/" + commit + "/"
                + Arrays.stream(path.split("/")).map(HubClient::encode).collect(Collectors.joining("/")));
    }

    /// A file with what the listing did not say of it, as headers say it.
    HubFile described(String commit, HubFile file) throws IOException, InterruptedException {
        URI uri = address(commit, file.path());
        for (int hops = 0; hops <= MOST_REDIRECTS; hops++) {
            HttpResponse<InputStream> response = send(request(uri, true).HEAD().build());
            response.body().close();
            HttpHeaders headers = response.headers();
            refusals.check(response.statusCode(), headers, file.path(), true);
            boolean redirected = REDIRECTS.contains(response.statusCode());
            Optional<String> etag = headers.firstValue("X-Linked-Etag")
                    .or(() -> redirected ? Optional.empty() : headers.firstValue("ETag"));
            URI next = redirected ? redirect(uri, headers) : uri;
            if (redirected && etag.isEmpty() && isHub(next)) {
                uri = next;
                continue;
            }
            OptionalLong size = headers.firstValueAsLong(redirected ? "X-Linked-Size" : "Content-Length");
            Checksum sum = etag.flatMap(Checksum::of).orElse(null);
            return new HubFile(
                    file.path(),
                    file.size() >= 0
                            ? file.size()
                            : headers.firstValueAsLong("X-Linked-Size").orElse(size.orElse(-1)),
                    file.checksum() != null ? file.checksum() : sum);
        }
        throw CommandException.failed("the hub redirects " + file.path() + " more than " + MOST_REDIRECTS + " times");
    }

    private Answer get(URI first, @Nullable String file, long from) throws IOException, InterruptedException {
        URI uri = first;
        boolean ours = true;
        for (int hops = 0; hops <= MOST_REDIRECTS; hops++) {
            HttpRequest.Builder request = request(uri, ours).GET();
            if (from > 0) {
                request.header("Range", "bytes=" + from + "-");
            }
            HttpResponse<InputStream> response = send(request.build());
            int status = response.statusCode();
            if (!REDIRECTS.contains(status)) {
                return answer(response, file, from, ours);
            }
            response.body().close();
            uri = redirect(uri, response.headers());
            ours = ours && isHub(uri);
        }
        throw CommandException.failed(
                "the hub redirects " + first.getPath() + " more than " + MOST_REDIRECTS + " times");
    }

    private Answer answer(HttpResponse<InputStream> response, @Nullable String file, long from, boolean ours)
            throws IOException {
        int status = response.statusCode();
        if (status != 200 && status != 206 && !(status == 416 && from > 0)) {
            try (InputStream ignored = response.body()) {
                refusals.check(status, response.headers(), file, ours);
                throw new IOException("the hub answers " + status + " without the file");
            }
        }
        Body body = new Body(response.body(), patience.silence());
        open.removeIf(Body::closed);
        open.add(body);
        return new Answer(status, response.headers(), body);
    }

    /// The token goes to the hub and to nobody it sends us to.
    private HttpRequest.Builder request(URI uri, boolean ours) {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(uri).timeout(patience.silence()).header("User-Agent", agent);
        if (ours && token != null) {
            request.header("Authorization", "Bearer " + token);
        }
        return request;
    }

    private HttpResponse<InputStream> send(HttpRequest request) throws IOException, InterruptedException {
        return http.send(request, HttpResponse.BodyHandlers.ofInputStream());
    }

    private URI redirect(URI from, HttpHeaders headers) {
        String location = headers.firstValue("Location").orElse("");
        try {
            URI to = from.resolve(location);
            boolean web = to.getHost() != null && ("https".equals(to.getScheme()) || "http".equals(to.getScheme()));
            if (!location.isEmpty() && web && !("https".equals(from.getScheme()) && "http".equals(to.getScheme()))) {
                return to;
            }
        } catch (IllegalArgumentException e) {
            // Said below.
        }
        throw CommandException.failed(
                "the hub redirects to '" + Words.printable(location) + "', which is no address or not a safe one");
    }

    private boolean isHub(URI uri) {
        return endpoint.getScheme().equalsIgnoreCase(uri.getScheme())
                && endpoint.getHost().equalsIgnoreCase(uri.getHost())
                && port(endpoint) == port(uri);
    }

    private static int port(URI uri) {
        return uri.getPort() >= 0 ? uri.getPort() : "https".equalsIgnoreCase(uri.getScheme()) ? 443 : 80;
    }

    /// Percent signs where [URLEncoder], which is for forms, writes a plus.
    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    private void watch() {
        try {
            while (true) {
                Thread.sleep(patience.silence().dividedBy(8));
                for (Body body : open) {
                    body.cutIfSilent(System.nanoTime());
                }
            }
        } catch (InterruptedException e) {
            // Closed.
        }
    }

    @Override
    public void close() {
        watch.interrupt();
        http.shutdownNow();
    }
}
