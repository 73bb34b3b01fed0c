package dev.skein.gateway.traffic;

import static java.util.Objects.requireNonNull;

import dev.skein.protocol.v1.EmbedRequest;
import dev.skein.protocol.v1.EmbedResponse;
import dev.skein.protocol.v1.TokenIds;
import dev.skein.protocol.v1.WorkerGrpcClient;
import io.vertx.grpc.client.GrpcClientRequest;
import io.vertx.grpc.client.GrpcClientResponse;
import io.vertx.grpc.common.GrpcStatus;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * A request for vectors, to whichever leader takes it. The sink hears of exactly one of the answer and a failure, unless
 * the call is cancelled: then of nothing. A leader that is lost costs nothing but time, as the answer comes all at once.
 */
public final class EmbedCall extends LeaderCall<EmbedRequest, EmbedResponse> {
    /** Hears of a request. Called on the call's event loop. */
    public interface Sink {
        void answered(EmbedResponse answer);

        void failed(CallFailure failure);
    }

    private final EmbedRequest request;
    private final Sink sink;
    private @Nullable EmbedResponse answer;

    /**
     * @param dialect which groups can take it, as {@link Fleet#spoken} has it
     * @param patience time that waiting for groups and trying them may take
     * @param limit {@code System.nanoTime()} by which it must be answered; null for no limit
     */
    public EmbedCall(
            WorkerCalls calls,
            Fleet fleet,
            Dialect dialect,
            EmbedRequest request,
            Duration patience,
            @Nullable Long limit,
            Sink sink) {
        super(
                calls,
                fleet,
                WorkerGrpcClient.Embed,
                new Fleet.Wanted(dialect, new Prefix(new long[0], tokens(request))),
                patience,
                limit);
        this.request = request;
        this.sink = sink;
    }

    private static int tokens(EmbedRequest request) {
        return request.getTextsList().stream().mapToInt(TokenIds::getIdsCount).sum();
    }

    @Override
    Work work(Leader chosen) {
        return new Work(wanted.prefix().tokens(), 0);
    }

    @Override
    EmbedRequest question() {
        return request;
    }

    @Override
    void listen(
            GrpcClientRequest<EmbedRequest, EmbedResponse> opened,
            GrpcClientResponse<EmbedRequest, EmbedResponse> response) {
        response.handler(message -> {
            if (goesOn(opened)) {
                promptComputed();
                answer = message;
            }
        });
    }

    @Override
    void forget() {
        answer = null;
    }

    @Override
    boolean whole() {
        return answer != null;
    }

    @Override
    boolean wrong(GrpcStatus status) {
        return status == GrpcStatus.INVALID_ARGUMENT
                || status == GrpcStatus.OUT_OF_RANGE
                || status == GrpcStatus.UNIMPLEMENTED;
    }

    /** All of an answer or nothing. */
    @Override
    boolean progressed() {
        return false;
    }

    @Override
    void answered() {
        sink.answered(requireNonNull(answer));
    }

    @Override
    void givenUp(CallFailure failure) {
        sink.failed(failure);
    }

    @Override
    public String toString() {
        return "request=" + request.getRequestId();
    }
}
