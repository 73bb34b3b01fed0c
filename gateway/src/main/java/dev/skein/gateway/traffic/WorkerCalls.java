package dev.skein.gateway.traffic;

import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.ModelRequest;
import dev.skein.protocol.v1.StatisticsRequest;
import dev.skein.protocol.v1.StatisticsResponse;
import dev.skein.protocol.v1.TokenizerModel;
import dev.skein.protocol.v1.TokenizerRequest;
import dev.skein.protocol.v1.WorkerGrpcClient;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.Http2Settings;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.grpc.client.GrpcClient;
import io.vertx.grpc.client.GrpcClientOptions;
import io.vertx.grpc.common.ServiceMethod;
import java.util.concurrent.TimeUnit;

/**
 * Calls to leaders, over one connection from each event loop to each leader.
 *
 * <p>A sequence whose reader is slow keeps its own window of 32 KB full and no other's: the connection's window is wide
 * enough for all of them. A small window for each stream is what makes the pause reach the worker soon.
 */
public final class WorkerCalls implements AutoCloseable {
    private static final int STREAM_WINDOW = 32 << 10;
    private static final int CONNECTION_WINDOW = 1 << 30;
    // A vocabulary of 260,000 tokens with its merges is some 35 MB.
    private static final long LONGEST_MESSAGE = 512L << 20;
    private static final int CONNECT_MILLIS = 5000;

    private final GrpcClient client;

    public WorkerCalls(Vertx vertx, Encryption encryption) {
        client = client(vertx, encryption);
    }

    static GrpcClient client(Vertx vertx, Encryption encryption) {
        HttpClientOptions transport = new HttpClientOptions()
                .setHttp2ClearTextUpgrade(false)
                .setConnectTimeout(CONNECT_MILLIS)
                .setTcpNoDelay(true)
                .setHttp2ConnectionWindowSize(CONNECTION_WINDOW)
                .setInitialSettings(new Http2Settings().setInitialWindowSize(STREAM_WINDOW));
        return GrpcClient.client(
                vertx, new GrpcClientOptions().setMaxMessageSize(LONGEST_MESSAGE), encryption.on(transport));
    }

    GrpcClient client() {
        return client;
    }

    public Future<ModelCard> model(Leader leader) {
        return one(leader, WorkerGrpcClient.Model, ModelRequest.getDefaultInstance(), 30_000);
    }

    public Future<TokenizerModel> tokenizer(Leader leader) {
        return one(leader, WorkerGrpcClient.Tokenizer, TokenizerRequest.getDefaultInstance(), 30_000);
    }

    /** @param millis time for the answer */
    public Future<StatisticsResponse> statistics(Leader leader, long millis) {
        return one(leader, WorkerGrpcClient.Statistics, StatisticsRequest.getDefaultInstance(), millis);
    }

    private <Q, A> Future<A> one(Leader leader, ServiceMethod<A, Q> method, Q question, long millis) {
        return client.request(leader.address(), method)
                .compose(request -> {
                    request.headers().set("authorization", leader.authorization());
                    request.timeout(millis, TimeUnit.MILLISECONDS);
                    return request.end(question)
                            .compose(_ -> request.response())
                            .compose(response -> response.last());
                })
                .timeout(millis, TimeUnit.MILLISECONDS);
    }

    /** Closes the connections; calls on them fail. */
    @Override
    public void close() {
        client.close();
    }
}
