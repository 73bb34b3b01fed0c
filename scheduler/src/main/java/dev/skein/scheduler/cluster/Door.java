package dev.skein.scheduler.cluster;

import dev.skein.scheduler.GroupsServer;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import io.vertx.core.http.RequestOptions;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.server.GrpcServer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// Where a machine is called: lets in who has the token. What other machines say goes to this machine's services; what
/// people and gateways ask goes to the scheduler, here or where the driver is: so any machine answers.
final class Door {
    private static final int CONNECT_MILLIS = 1_000;

    /// What one machine handed on to another, which does not drive either, goes no further.
    private static final String HANDED_ON = "skein-handed-on";

    private static final Set<String> OWN_SERVICES = Set.of("skein.v1.Agent", "skein.v1.Wishes");

    private final Member.Options options;
    private final byte[] expected;
    private final GrpcServer own;
    private final HttpClient proxy;

    // Connections that asked the scheduler, this one or the one that drives.
    private final Set<HttpConnection> callers = ConcurrentHashMap.newKeySet();

    // Written by whoever begins to drive or ends, read by the server's event loop.
    private volatile @Nullable GrpcServer scheduler;

    // Written by the agent's thread, read by the server's event loop: HOST:PORT of the driver; empty if there is none.
    private volatile String driver = "";

    // Of the agent's thread: the last driver that was heard of.
    private String last = "";

    Door(Vertx vertx, Member.Options options) {
        this.options = options;
        this.expected = ("Bearer " + options.token()).getBytes(StandardCharsets.UTF_8);
        this.own = GrpcServer.server(vertx);
        this.proxy = vertx.createHttpClient(options.encryption()
                .on(new HttpClientOptions()
                        .setProtocolVersion(HttpVersion.HTTP_2)
                        .setHttp2ClearTextUpgrade(false)
                        .setConnectTimeout(CONNECT_MILLIS)));
    }

    /// Takes the calls that other machines make.
    GrpcServer own() {
        return own;
    }

    /// Returns when it listens.
    ///
    /// @throws RuntimeException if it cannot
    void open(Vertx vertx) {
        HttpServerOptions http = new HttpServerOptions().setHost(options.host()).setPort(options.port());
        vertx.createHttpServer(options.encryption().on(http))
                .requestHandler(this::admit)
                .listen()
                .await();
    }

    /// This machine drives from now on, with this scheduler.
    void serve(GrpcServer next) {
        scheduler = next;
    }

    /// It drives no more.
    void rest() {
        scheduler = null;
        sendAway();
    }

    /// Who drives, as this machine's agent heard lately; empty for nobody. One that is not heard for a moment may go
    /// on: who watches stays with it until there is another.
    void heard(String next) {
        driver = next;
        if (!next.isEmpty() && !next.equals(last)) {
            last = next;
            sendAway();
        }
    }

    /// Who watches by way of a driver that is none any more would hear nothing: it has to ask again.
    private void sendAway() {
        List.copyOf(callers).forEach(HttpConnection::close);
    }

    private void admit(HttpServerRequest request) {
        if (!GroupsServer.carries(request, expected)) {
            GroupsServer.refuse(request, GrpcStatus.UNAUTHENTICATED, "the call does not carry the cluster's token");
        } else if (OWN_SERVICES.contains(service(request))) {
            own.handle(request);
        } else {
            if (callers.add(request.connection())) {
                request.connection().closeHandler(closed -> callers.remove(request.connection()));
            }
            answer(request);
        }
    }

    /// Of a path /SERVICE/METHOD.
    private static String service(HttpServerRequest request) {
        String[] parts = String.valueOf(request.path()).split("/");
        return parts.length > 1 ? parts[1] : "";
    }

    private void answer(HttpServerRequest request) {
        GrpcServer here = scheduler;
        String there = driver;
        if (here != null) {
            here.handle(request);
        } else if (there.isEmpty() || there.equals(options.machine().name()) || request.getHeader(HANDED_ON) != null) {
            GroupsServer.refuse(request, GrpcStatus.UNAVAILABLE, "no machine has the ear of a majority yet; try again");
        } else {
            handOn(request, there);
        }
    }

    /// The call as it is, to whoever drives.
    private void handOn(HttpServerRequest request, String to) {
        request.pause();
        RequestOptions target = new RequestOptions()
                .setHost(Member.Options.host(to))
                .setPort(Member.Options.port(to))
                .setMethod(request.method())
                .setURI(request.uri());
        proxy.request(target)
                .onSuccess(out -> exchange(request, out))
                .onFailure(error ->
                        GroupsServer.refuse(request, GrpcStatus.UNAVAILABLE, to + " drives and does not answer"));
    }

    private static void exchange(HttpServerRequest request, HttpClientRequest out) {
        request.headers().forEach((name, value) -> {
            if (!name.startsWith(":") && !name.equals("host")) {
                out.putHeader(name, value);
            }
        });
        out.putHeader(HANDED_ON, "1");
        request.exceptionHandler(gone -> out.reset());
        request.response().exceptionHandler(gone -> out.reset());
        out.setChunked(true);
        out.response()
                .onSuccess(in -> pass(in, request))
                .onFailure(error -> GroupsServer.refuse(request, GrpcStatus.UNAVAILABLE, "the driver does not answer"));
        request.handler(out::write);
        request.endHandler(end -> out.end());
        request.resume();
    }

    private static void pass(HttpClientResponse in, HttpServerRequest request) {
        var response = request.response();
        response.setStatusCode(in.statusCode());
        in.headers().forEach((name, value) -> {
            if (!name.startsWith(":")) {
                response.putHeader(name, value);
            }
        });
        response.setChunked(true);
        in.handler(response::write);
        in.exceptionHandler(broken -> response.reset());
        in.endHandler(end -> {
            in.trailers().forEach((name, value) -> response.putTrailer(name, value));
            response.end();
        });
    }
}
