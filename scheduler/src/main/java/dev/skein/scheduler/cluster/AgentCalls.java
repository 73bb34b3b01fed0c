package dev.skein.scheduler.cluster;

import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.AgentAnswer;
import dev.skein.protocol.v1.AgentGrpcClient;
import dev.skein.protocol.v1.EndRank;
import dev.skein.protocol.v1.KeptDeployments;
import dev.skein.protocol.v1.RankAnswer;
import dev.skein.protocol.v1.RankEvent;
import dev.skein.protocol.v1.StartRank;
import dev.skein.protocol.v1.WatchRanks;
import dev.skein.protocol.v1.WishesGrpcClient;
import dev.skein.scheduler.agent.Answer;
import dev.skein.scheduler.agent.Call;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.net.SocketAddress;
import io.vertx.grpc.client.GrpcClient;
import io.vertx.grpc.client.GrpcClientRequest;
import io.vertx.grpc.client.GrpcClientResponse;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.common.ServiceMethod;
import java.net.ConnectException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;

/// Calls to one machine of the cluster. A connection that gives no answer is given up soon: its machine may be cut off,
/// and TCP would try again only long after it is reached again. All methods may be called from any thread.
final class AgentCalls {
    private static final int CONNECT_MILLIS = 1_000;

    private final Vertx vertx;
    private final AtomicReference<Line> line;
    private final SocketAddress address;
    private final String token;
    private final long patienceMillis;
    private final Encryption encryption;

    /// A client with its connection.
    ///
    /// @param heard when it last answered, or was made
    private record Line(GrpcClient client, AtomicLong heard) {}

    /// @param patienceMillis how late an answer may come: one that comes later than a promise lasts says nothing any
    ///     more, but an earlier one counts, also from a machine that is so busy
    AgentCalls(Vertx vertx, String machine, String token, Encryption encryption, long patienceMillis) {
        this.address = SocketAddress.inetSocketAddress(Member.Options.port(machine), Member.Options.host(machine));
        this.token = token;
        this.encryption = encryption;
        this.patienceMillis = patienceMillis;
        this.vertx = vertx;
        this.line = new AtomicReference<>(fresh());
    }

    private Line fresh() {
        return new Line(
                GrpcClient.client(vertx, encryption.on(new HttpClientOptions().setConnectTimeout(CONNECT_MILLIS))),
                new AtomicLong(System.nanoTime()));
    }

    Future<Answer> tell(Call call) {
        Future<AgentAnswer> answer = switch (call) {
            case Call.Beat beat -> ask(AgentGrpcClient.Beat, Wire.message(beat));
            case Call.Reserve reserve -> ask(AgentGrpcClient.Reserve, Wire.message(reserve));
            case Call.Commit commit -> ask(AgentGrpcClient.Commit, Wire.message(commit));
            case Call.Release release -> ask(AgentGrpcClient.Release, Wire.message(release));
        };
        return answer.map(Wire::answer);
    }

    Future<RankAnswer> start(StartRank wish) {
        return ask(AgentGrpcClient.Start, wish);
    }

    Future<RankAnswer> drain(EndRank wish) {
        return ask(AgentGrpcClient.Drain, wish);
    }

    Future<RankAnswer> kill(EndRank wish) {
        return ask(AgentGrpcClient.Kill, wish);
    }

    /// Has what is wanted kept there, and tells what is kept.
    Future<KeptDeployments> keep(KeptDeployments wishes) {
        return ask(WishesGrpcClient.Keep, wishes);
    }

    /// @param lost called once, when no more events will come
    void watch(Consumer<RankEvent> events, Consumer<String> lost) {
        request(line.get(), AgentGrpcClient.Watch)
                .compose(request -> request.end(WatchRanks.getDefaultInstance()).compose(ended -> request.response()))
                .onSuccess(response -> {
                    response.handler(events::accept);
                    response.exceptionHandler(error -> lost.accept(String.valueOf(error.getMessage())));
                    response.endHandler(end -> lost.accept("ended with status " + response.status()));
                })
                .onFailure(error -> lost.accept(String.valueOf(error.getMessage())));
    }

    void close() {
        line.get().client().close();
    }

    private <Q, A> Future<A> ask(ServiceMethod<A, Q> method, Q question) {
        Line now = line.get();
        return AgentCalls.<Q, A>answered(request(now, method).compose(request -> {
                    request.timeout(patienceMillis, TimeUnit.MILLISECONDS);
                    return request.send(question);
                }))
                .onComplete(answer -> heard(now, answer.succeeded() || answer.cause() instanceof IllegalStateException))
                .timeout(patienceMillis + CONNECT_MILLIS, TimeUnit.MILLISECONDS);
    }

    private void heard(Line used, boolean answered) {
        if (answered) {
            used.heard().set(System.nanoTime());
        } else if (System.nanoTime() - used.heard().get() > TimeUnit.MILLISECONDS.toNanos(patienceMillis)) {
            Line next = fresh();
            (line.compareAndSet(used, next) ? used : next).client().close();
        }
    }

    private static <Q, A> Future<A> answered(Future<GrpcClientResponse<Q, A>> call) {
        return call.compose(response -> response.last()
                .recover(error -> Future.failedFuture(refusal(response.status(), response.statusMessage(), error))));
    }

    private static Throwable refusal(GrpcStatus status, String message, Throwable error) {
        return status == GrpcStatus.FAILED_PRECONDITION ? new IllegalStateException(message) : error;
    }

    private <Q, A> Future<GrpcClientRequest<Q, A>> request(Line used, ServiceMethod<A, Q> method) {
        return open(used, method).map(request -> {
            request.headers().set("authorization", "Bearer " + token);
            return request;
        });
    }

    private <Q, A> Future<GrpcClientRequest<Q, A>> open(Line used, ServiceMethod<A, Q> method) {
        try {
            return used.client().request(address, method);
        } catch (IllegalStateException closed) {
            return Future.failedFuture(
                    new ConnectException("the connections to " + address + " were closed meanwhile"));
        }
    }
}
