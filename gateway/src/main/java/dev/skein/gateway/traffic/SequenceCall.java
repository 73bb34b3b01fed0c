package dev.skein.gateway.traffic;

import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.protocol.v1.WorkerGrpcClient;
import io.vertx.grpc.client.GrpcClientRequest;
import io.vertx.grpc.client.GrpcClientResponse;
import io.vertx.grpc.common.GrpcStatus;
import java.time.Duration;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One sequence, from whichever leaders it takes. The sink hears of responses in order and then of exactly one of the
 * end and a failure, unless the call is cancelled: then of nothing more.
 *
 * <p>A sequence whose leader is lost goes on with another one from where it was: the ids that were heard are sent as
 * {@code resumed}. Its random numbers follow from its seed and the place in the answer, so a request must bring a seed
 * for that to be exact; the sink hears each id once, whatever happened in between.
 */
public final class SequenceCall extends LeaderCall<GenerateRequest, GenerateResponse> {
    // A loss after so many ids was not the request's own doing: those before it are not held against it.
    private static final int PROGRESS = 16;

    /** Hears of a sequence. Called on the call's event loop. */
    public interface Sink {
        void response(GenerateResponse response);

        /** All responses have been heard; the last one held the finish. */
        void ended();

        /** There will be no more, and no other group will be asked. */
        void failed(CallFailure failure);
    }

    private final GenerateRequest request;
    private final Sink sink;
    // Ids that the sink has heard: the first `count`.
    private int[] heard = new int[16];
    private int count;
    private boolean scored;
    private int heardAtLoss;
    private @Nullable GrpcClientResponse<GenerateRequest, GenerateResponse> stream;
    private boolean paused;
    private boolean finished;

    /**
     * @param dialect which groups can take it, as {@link Fleet#spoken} has it
     * @param patience time that waiting for groups and trying them may take, from the start and from each loss
     * @param limit {@code System.nanoTime()} by which it must have ended, and workers are told so; null for no limit
     */
    public SequenceCall(
            WorkerCalls calls,
            Fleet fleet,
            Dialect dialect,
            GenerateRequest request,
            Duration patience,
            @Nullable Long limit,
            Sink sink) {
        super(calls, fleet, WorkerGrpcClient.Generate, new Fleet.Wanted(dialect, Prefix.of(request)), patience, limit);
        this.request = request;
        this.sink = sink;
    }

    /** No more responses until {@link #resume}; the worker stops making them once what is on the way is full. */
    public void pause() {
        paused = true;
        held();
        if (stream != null) {
            stream.pause();
        }
    }

    public void resume() {
        paused = false;
        if (stream != null) {
            stream.resume();
        }
    }

    @Override
    Work work(Leader chosen) {
        return new Work(chosen.unseen(wanted.prefix()) + count, Routing.answerCost(request.getMaxTokens()));
    }

    /** The request, or what is left of it. */
    @Override
    GenerateRequest question() {
        if (count == 0 && !scored) {
            return request;
        }
        GenerateRequest.Builder rest = request.toBuilder().setResumed(count);
        for (int i = 0; i < count; i++) {
            rest.addPrompt(heard[i]);
        }
        if (scored) {
            rest.getSamplingBuilder().clearPromptLogprobs();
        }
        return rest.build();
    }

    @Override
    void listen(
            GrpcClientRequest<GenerateRequest, GenerateResponse> opened,
            GrpcClientResponse<GenerateRequest, GenerateResponse> response) {
        stream = response;
        if (paused) {
            held();
            response.pause();
        }
        response.handler(message -> {
            if (goesOn(opened)) {
                finished |= message.hasFinish();
                scored |= message.getPromptLogprobsCount() > 0;
                note(message);
                promptComputed();
                sink.response(message);
            }
        });
    }

    private void note(GenerateResponse message) {
        int more = message.getTokensCount();
        if (count + more > heard.length) {
            heard = Arrays.copyOf(heard, Math.max(count + more, 2 * heard.length));
        }
        for (int i = 0; i < more; i++) {
            heard[count++] = message.getTokens(i).getId();
        }
    }

    @Override
    void forget() {
        stream = null;
        finished = false;
    }

    @Override
    boolean whole() {
        return finished;
    }

    @Override
    boolean wrong(GrpcStatus status) {
        return status == GrpcStatus.INVALID_ARGUMENT || status == GrpcStatus.OUT_OF_RANGE;
    }

    /** Only who has begun to answer must not give up so soon. */
    @Override
    void hasNoRoom(String message) {
        if (limit != null && System.nanoTime() - limit >= 0) {
            fail(CallFailure.Kind.QUEUED, message);
        } else if (count == 0) {
            super.hasNoRoom(message);
        } else {
            again();
        }
    }

    @Override
    boolean progressed() {
        boolean progressed = count - heardAtLoss >= PROGRESS;
        heardAtLoss = count;
        renewPatience();
        return progressed;
    }

    @Override
    void answered() {
        sink.ended();
    }

    @Override
    void givenUp(CallFailure failure) {
        sink.failed(failure);
    }

    @Override
    public String toString() {
        return "request=" + request.getRequestId() + " tokens=" + count;
    }
}
