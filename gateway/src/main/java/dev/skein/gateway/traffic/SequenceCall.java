package dev.skein.gateway.traffic;

import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.protocol.v1.WorkerGrpcClient;
import io.vertx.core.Vertx;
import io.vertx.grpc.client.GrpcClientRequest;
import io.vertx.grpc.client.GrpcClientResponse;
import io.vertx.grpc.common.GrpcStatus;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One sequence, from whichever leaders it takes. The sink hears of responses in order and then of exactly one of the
 * end and a failure, unless the call is cancelled: then of nothing more.
 *
 * <p>A sequence whose leader is lost goes on with another one from where it was: the ids that were heard are sent as
 * {@code resumed}. Its random numbers follow from its seed and the place in the answer, so a request must bring a seed
 * for that to be exact; the sink hears each id once, whatever happened in between.
 *
 * <p>Lives on one event loop, the one that {@link #start} is called on.
 */
public final class SequenceCall {
    private static final Logger log = LoggerFactory.getLogger(SequenceCall.class);
    private static final int MOST_LOSSES = 2;
    // A loss after so many ids was not the request's own doing: those before it are not held against it.
    private static final int PROGRESS = 16;
    private static final long SHORTEST_PAUSE = 50;
    private static final long LONGEST_PAUSE = 1000;

    /** Hears of a sequence. Called on the call's event loop. */
    public interface Sink {
        void response(GenerateResponse response);

        /** All responses have been heard; the last one held the finish. */
        void ended();

        /** There will be no more, and no other group will be asked. */
        void failed(CallFailure failure);
    }

    private final Vertx vertx;
    private final WorkerCalls calls;
    private final Fleet fleet;
    private final GenerateRequest request;
    private final Sink sink;
    private final Duration patience;
    private final @Nullable Long limit;
    private final Fleet.Wanted wanted;
    private final Set<Leader> failed = new HashSet<>();
    // Ids that the sink has heard: the first `count`.
    private int[] heard = new int[16];
    private int count;
    private boolean scored;
    private int heardAtLoss;
    private long deadline;
    private @Nullable GrpcClientRequest<GenerateRequest, GenerateResponse> call;
    private @Nullable GrpcClientResponse<GenerateRequest, GenerateResponse> stream;
    private @Nullable Leader leader;
    private long charged;
    private int losses;
    private long pause = SHORTEST_PAUSE;
    private boolean paused;
    private boolean finished;
    private boolean over;

    /**
     * @param dialect which groups can take it, as {@link Fleet#spoken} has it
     * @param patience time that waiting for groups and trying them may take, from the start and from each loss
     * @param limit {@code System.nanoTime()} by which it must have ended, and workers are told so; null for no limit
     */
    public SequenceCall(
            Vertx vertx,
            WorkerCalls calls,
            Fleet fleet,
            String dialect,
            GenerateRequest request,
            Duration patience,
            @Nullable Long limit,
            Sink sink) {
        this.vertx = vertx;
        this.calls = calls;
        this.fleet = fleet;
        this.request = request;
        this.sink = sink;
        this.patience = patience;
        this.limit = limit;
        this.deadline = patienceEnd();
        this.wanted = new Fleet.Wanted(dialect, Prefix.of(request));
    }

    private long patienceEnd() {
        long end = System.nanoTime() + patience.toNanos();
        return limit == null || end - limit < 0 ? end : limit;
    }

    public void start() {
        fleet.leader(wanted, failed, Duration.ofNanos(deadline - System.nanoTime()))
                .onComplete(found -> {
                    if (over) {
                        return;
                    }
                    if (found.succeeded()) {
                        open(found.result());
                    } else {
                        fail(CallFailure.Kind.NO_GROUP, "no group became ready in time");
                    }
                });
    }

    /** No more responses until {@link #resume}; the worker stops making them once what is on the way is full. */
    public void pause() {
        paused = true;
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

    /** Frees the sequence's place at the worker; the sink hears of nothing more. */
    public void cancel() {
        if (over) {
            return;
        }
        over();
        if (call != null) {
            call.cancel();
        }
    }

    private void open(Leader chosen) {
        leader = chosen;
        int unseen = wanted.prefix().tokens()
                + count
                - chosen.candidate(wanted.prefix(), false).seen();
        chosen.chosen(wanted.prefix());
        charge(chosen, Math.max(0, unseen) + Routing.answerCost(request.getMaxTokens()));
        calls.client().request(chosen.address(), WorkerGrpcClient.Generate).onComplete(opened -> {
            if (opened.failed()) {
                refused(chosen, String.valueOf(opened.cause().getMessage()));
            } else if (over) {
                opened.result().cancel();
            } else {
                send(chosen, opened.result());
            }
        });
    }

    private void send(Leader chosen, GrpcClientRequest<GenerateRequest, GenerateResponse> opened) {
        call = opened;
        opened.headers().set("authorization", chosen.authorization());
        if (limit != null) {
            // Rounded up: when the worker says that the time is up, it is up here too.
            long left = TimeUnit.NANOSECONDS.toMillis(limit - System.nanoTime()) + 1;
            opened.timeout(Math.max(1, left), TimeUnit.MILLISECONDS);
        }
        opened.end(rest());
        opened.response().onComplete(answered -> {
            if (call != opened || over) {
                return;
            }
            if (answered.failed()) {
                lost(opened, String.valueOf(answered.cause().getMessage()));
            } else {
                read(opened, answered.result());
            }
        });
    }

    /** The request, or what is left of it. */
    private GenerateRequest rest() {
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

    private void read(
            GrpcClientRequest<GenerateRequest, GenerateResponse> opened,
            GrpcClientResponse<GenerateRequest, GenerateResponse> response) {
        stream = response;
        if (paused) {
            response.pause();
        }
        response.handler(message -> {
            if (call == opened && !over) {
                finished |= message.hasFinish();
                scored |= message.getPromptLogprobsCount() > 0;
                note(message);
                charge(chosen(), Routing.answerCost(request.getMaxTokens()));
                sink.response(message);
            }
        });
        response.errorHandler(error -> lost(opened, "the stream was reset (" + error + ")"));
        response.exceptionHandler(error -> lost(opened, String.valueOf(error.getMessage())));
        response.endHandler(_ -> ended(opened, response));
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

    private void ended(
            GrpcClientRequest<GenerateRequest, GenerateResponse> opened,
            GrpcClientResponse<GenerateRequest, GenerateResponse> response) {
        if (call != opened || over) {
            return;
        }
        GrpcStatus status = response.status();
        if (status == GrpcStatus.OK && finished) {
            over();
            sink.ended();
            return;
        }
        String message = message(response, status);
        switch (status) {
            case INVALID_ARGUMENT, OUT_OF_RANGE -> fail(CallFailure.Kind.INVALID, message);
            case RESOURCE_EXHAUSTED -> busy(message);
            case UNAVAILABLE -> refused(chosen(), message);
            case DEADLINE_EXCEEDED -> fail(CallFailure.Kind.SLOW, message);
            default -> lost(opened, message);
        }
    }

    static String message(GrpcClientResponse<?, ?> response, GrpcStatus status) {
        String told = response.statusMessage();
        if (told == null && response.trailers() != null) {
            told = response.trailers().get("grpc-message");
        }
        return told == null || told.isBlank() ? "the worker ended the call with status " + status : told;
    }

    // Another group may have room; the same one is not asked twice, it said to come back later. Only who has begun to
    // answer must not give up so soon.
    private void busy(String message) {
        leave();
        if (limit != null && System.nanoTime() - limit >= 0) {
            fail(CallFailure.Kind.QUEUED, message);
        } else if (another()) {
            start();
        } else if (count == 0) {
            fail(CallFailure.Kind.BUSY, message);
        } else {
            again();
        }
    }

    /** The leader has not taken the request. */
    private void refused(Leader chosen, String why) {
        if (over || leader != chosen) {
            return;
        }
        log.debug("request not taken: request={} leader={} why={}", request.getRequestId(), chosen, why);
        leave();
        again();
    }

    private void lost(GrpcClientRequest<GenerateRequest, GenerateResponse> opened, String why) {
        if (call != opened || over) {
            return;
        }
        if (finished) {
            over();
            sink.ended();
            return;
        }
        log.warn("sequence lost: request={} leader={} tokens={} why={}", request.getRequestId(), leader, count, why);
        leave();
        losses = count - heardAtLoss >= PROGRESS ? 1 : losses + 1;
        heardAtLoss = count;
        deadline = patienceEnd();
        pause = SHORTEST_PAUSE;
        if (losses <= MOST_LOSSES) {
            again();
        } else {
            fail(CallFailure.Kind.LOST, why);
        }
    }

    // Another leader is asked at once; one that has failed is asked again after a pause, as it may have recovered.
    private void again() {
        if (another()) {
            start();
            return;
        }
        long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
        if (left <= 0) {
            fail(CallFailure.Kind.NO_GROUP, "no group took the request in time");
            return;
        }
        fleet.leader(wanted, failed, Duration.ofMillis(Math.min(pause, left))).onComplete(_ -> {
            if (!over) {
                failed.clear();
                start();
            }
        });
        pause = Math.min(pause * 2, LONGEST_PAUSE);
    }

    private boolean another() {
        return fleet.another(wanted, failed);
    }

    /** What is left to do of it there; the prompt's part is done when the first ids come. */
    private void charge(Leader at, long tokens) {
        at.take(tokens - charged);
        charged = tokens;
    }

    private void leave() {
        Leader left = chosen();
        charge(left, 0);
        failed.add(left);
        leader = null;
        call = null;
        stream = null;
        finished = false;
    }

    private Leader chosen() {
        if (leader == null) {
            throw new IllegalStateException("no leader was chosen");
        }
        return leader;
    }

    private void fail(CallFailure.Kind kind, String message) {
        over();
        sink.failed(new CallFailure(kind, message));
    }

    private void over() {
        over = true;
        if (leader != null) {
            charge(leader, 0);
            leader = null;
        }
    }
}
