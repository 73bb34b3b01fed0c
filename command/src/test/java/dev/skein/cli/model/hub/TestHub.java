package dev.skein.cli.model.hub;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/// A hub of models on loopback, with the storage for large files that real ones have at another address.
///
/// Small files come from the hub itself and have git's hash; GGUF and safetensors files are large, have a SHA-256 and
/// come by a redirect to the storage. What should go wrong is queued for a file's name, or for a model's to go wrong
/// with
/// its listing; each request takes one fault.
final class TestHub implements AutoCloseable {
    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    private static final Pattern API = Pattern.compile("/api/models/([^/]+/[^/]+)/revision/([^/]+)");
    private static final Pattern FILE = Pattern.compile("/([^/]+/[^/]+)/resolve/([0-9a-f]+)/(.+)");
    private static final Pattern RANGE = Pattern.compile("bytes=(\\d+)-");

    /// A request as it came, `range` and `authorization` empty where there were none.
    record Seen(String method, String path, String query, String range, String authorization) {}

    /// Answers in place of the right answer.
    @FunctionalInterface
    interface Fault {
        void answer(HttpExchange exchange, byte[] content, int from) throws IOException;
    }

    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final HttpServer hub = server(this::answer);
    private final HttpServer storage = server(this::store);
    private final Map<String, Map<String, byte[]>> files = new ConcurrentHashMap<>();
    private final Map<String, Map<String, String>> revisions = new ConcurrentHashMap<>();
    private final Map<String, Queue<Fault>> faults = new ConcurrentHashMap<>();
    private final Queue<Seen> seen = new ConcurrentLinkedQueue<>();
    private final Queue<Seen> stored = new ConcurrentLinkedQueue<>();
    private volatile boolean described = true;

    private HttpServer server(com.sun.net.httpserver.HttpHandler handler) {
        try {
            HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.createContext("/", handler);
            server.setExecutor(threads);
            server.start();
            return server;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Puts a model there, its branch `main` at that commit.
    TestHub model(String id, String commit, Map<String, byte[]> content) {
        files.put(id + "@" + commit, new LinkedHashMap<>(content));
        return revision(id, HubCache.MAIN, commit);
    }

    TestHub revision(String id, String revision, String commit) {
        revisions.computeIfAbsent(id, added -> new ConcurrentHashMap<>()).put(revision, commit);
        return this;
    }

    /// Queues what happens to requests for a file, or for the listing of a model.
    TestHub fault(String fileOrModel, Fault... added) {
        faults.computeIfAbsent(fileOrModel, name -> new ConcurrentLinkedQueue<>())
                .addAll(Arrays.asList(added));
        return this;
    }

    /// Listings say names only.
    TestHub withoutBlobs() {
        described = false;
        return this;
    }

    URI address() {
        return address(hub);
    }

    private static URI address(HttpServer server) {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    /// Requests to the hub.
    List<Seen> seen() {
        return List.copyOf(seen);
    }

    /// Requests to its storage.
    List<Seen> stored() {
        return List.copyOf(stored);
    }

    /// Ranges that were asked for, of requests for a file's content.
    List<String> ranges(String file) {
        List<Seen> all = new ArrayList<>(isLarge(file) ? stored : seen);
        return all.stream()
                .filter(request ->
                        request.method().equals("GET") && request.path().endsWith("/" + file))
                .map(Seen::range)
                .toList();
    }

    // --- Answers ---

    private void answer(HttpExchange exchange) throws IOException {
        note(exchange, seen);
        Matcher api = API.matcher(exchange.getRequestURI().getRawPath());
        Matcher file = FILE.matcher(exchange.getRequestURI().getPath());
        if (api.matches()) {
            list(exchange, api.group(1), java.net.URLDecoder.decode(api.group(2), StandardCharsets.UTF_8));
        } else if (file.matches()) {
            send(exchange, file.group(1), file.group(2), file.group(3));
        } else {
            refuse(exchange, 404, "");
        }
    }

    private void list(HttpExchange exchange, String id, String revision) throws IOException {
        Map<String, String> known = revisions.getOrDefault(id, Map.of());
        String commit = files.containsKey(id + "@" + revision) ? revision : known.get(revision);
        byte[] listing =
                commit == null ? new byte[0] : listing(commit, files.getOrDefault(id + "@" + commit, Map.of()));
        Fault fault = next(id);
        if (fault != null) {
            fault.answer(exchange, listing, 0);
        } else if (known.isEmpty()) {
            refuse(exchange, 401, "RepoNotFound");
        } else if (commit == null) {
            refuse(exchange, 404, "RevisionNotFound");
        } else {
            content(exchange, listing, 0);
        }
    }

    private byte[] listing(String commit, Map<String, byte[]> content) {
        ObjectNode root = JsonNodeFactory.instance.objectNode().put("sha", commit);
        ArrayNode siblings = root.putArray("siblings");
        content.forEach((name, bytes) -> {
            ObjectNode sibling = siblings.addObject().put("rfilename", name);
            if (described) {
                sibling.put("size", bytes.length).put("blobId", isLarge(name) ? "f".repeat(40) : git(bytes));
            }
            if (described && isLarge(name)) {
                sibling.putObject("lfs").put("sha256", sha256(bytes)).put("size", bytes.length);
            }
        });
        return root.toString().getBytes(StandardCharsets.UTF_8);
    }

    private void send(HttpExchange exchange, String id, String commit, String file) throws IOException {
        byte[] bytes = files.getOrDefault(id + "@" + commit, Map.of()).get(file);
        Fault fault = isLarge(file) ? null : next(file);
        if (bytes == null) {
            refuse(exchange, 404, "EntryNotFound");
        } else if (fault != null) {
            fault.answer(exchange, bytes, from(exchange));
        } else if (isLarge(file)) {
            exchange.getResponseHeaders().set("X-Linked-Etag", "\"" + sha256(bytes) + "\"");
            exchange.getResponseHeaders().set("X-Linked-Size", String.valueOf(bytes.length));
            exchange.getResponseHeaders()
                    .set("Location", address(storage) + exchange.getRequestURI().getRawPath() + "?signed=yes");
            status(exchange, 302);
        } else {
            exchange.getResponseHeaders().set("ETag", "\"" + git(bytes) + "\"");
            content(exchange, bytes, from(exchange));
        }
    }

    private void store(HttpExchange exchange) throws IOException {
        note(exchange, stored);
        Matcher file = FILE.matcher(exchange.getRequestURI().getPath());
        byte[] bytes = file.matches()
                ? files.getOrDefault(file.group(1) + "@" + file.group(2), Map.of())
                        .get(file.group(3))
                : null;
        Fault fault = bytes == null ? refusal(404) : next(file.group(3));
        (fault == null ? none() : fault).answer(exchange, bytes == null ? new byte[0] : bytes, from(exchange));
    }

    private @Nullable Fault next(String name) {
        Queue<Fault> queue = faults.get(name);
        return queue == null ? null : queue.poll();
    }

    private static void note(HttpExchange exchange, Queue<Seen> list) {
        list.add(new Seen(
                exchange.getRequestMethod(),
                exchange.getRequestURI().getRawPath(),
                String.valueOf(exchange.getRequestURI().getRawQuery()),
                header(exchange, "Range"),
                header(exchange, "Authorization")));
    }

    private static String header(HttpExchange exchange, String name) {
        String value = exchange.getRequestHeaders().getFirst(name);
        return value == null ? "" : value;
    }

    private static int from(HttpExchange exchange) {
        Matcher range = RANGE.matcher(header(exchange, "Range"));
        return range.matches() ? Integer.parseInt(range.group(1)) : 0;
    }

    private static boolean isLarge(String name) {
        return name.endsWith(".gguf") || name.endsWith(".safetensors");
    }

    private static void status(HttpExchange exchange, int status) throws IOException {
        exchange.sendResponseHeaders(status, -1);
        exchange.close();
    }

    private static void refuse(HttpExchange exchange, int status, String code) throws IOException {
        if (!code.isEmpty()) {
            exchange.getResponseHeaders().set("X-Error-Code", code);
        }
        status(exchange, status);
    }

    private static void content(HttpExchange exchange, byte[] bytes, int from) throws IOException {
        begin(exchange, bytes, from);
        if (exchange.getRequestMethod().equals("GET")) {
            exchange.getResponseBody().write(bytes, from, bytes.length - from);
        }
        exchange.close();
    }

    private static void begin(HttpExchange exchange, byte[] bytes, int from) throws IOException {
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", String.valueOf(bytes.length));
            exchange.sendResponseHeaders(200, -1);
            return;
        }
        if (from > 0) {
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes " + from + "-" + (bytes.length - 1) + "/" + bytes.length);
        }
        // For this server 0 is a length that is not told, and -1 is 0.
        exchange.sendResponseHeaders(from > 0 ? 206 : 200, bytes.length == from ? -1 : bytes.length - from);
    }

    // --- Faults ---

    /// The right answer, to wait for a later fault.
    static Fault none() {
        return TestHub::content;
    }

    static Fault refusal(int status, String... headers) {
        return (exchange, content, from) -> {
            for (int i = 0; i < headers.length; i += 2) {
                exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
            }
            status(exchange, status);
        };
    }

    static Fault redirect(String location) {
        return refusal(307, "Location", location);
    }

    /// The connection breaks when that many bytes are out.
    static Fault cutAfter(int bytes) {
        return (exchange, content, from) -> {
            begin(exchange, content, from);
            exchange.getResponseBody().write(content, from, bytes);
            exchange.close();
        };
    }

    /// No byte more comes after so many, until the hub is told to go on.
    static Fault silentAfter(int bytes, CountDownLatch silent, CountDownLatch goOn) {
        return (exchange, content, from) -> {
            try (OutputStream out = exchange.getResponseBody()) {
                begin(exchange, content, from);
                exchange.getResponseBody().write(content, from, bytes);
                exchange.getResponseBody().flush();
                silent.countDown();
                goOn.await();
                out.write(content, from + bytes, content.length - from - bytes);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        };
    }

    /// Other bytes of whatever length, well announced.
    static Fault instead(byte[] other) {
        return (exchange, content, from) -> content(exchange, other, 0);
    }

    /// Other bytes, and their length is not told before.
    static Fault unannounced(byte[] other) {
        return (exchange, content, from) -> {
            exchange.sendResponseHeaders(200, 0);
            try (OutputStream out = exchange.getResponseBody()) {
                out.write(other);
            }
        };
    }

    /// The whole file, whatever range was asked for.
    static Fault rangeUnheeded() {
        return (exchange, content, from) -> content(exchange, content, 0);
    }

    // --- Hashes ---

    static String sha256(byte[] content) {
        return hash("SHA-256", content);
    }

    static String git(byte[] content) {
        byte[] head = ("blob " + content.length + "\0").getBytes(StandardCharsets.US_ASCII);
        byte[] all = Arrays.copyOf(head, head.length + content.length);
        System.arraycopy(content, 0, all, head.length, content.length);
        return hash("SHA-1", all);
    }

    private static String hash(String algorithm, byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        hub.stop(0);
        storage.stop(0);
        threads.shutdownNow();
    }
}
