package dev.skein.gateway.traffic;

import dev.skein.protocol.v1.EmbedRequest;
import dev.skein.protocol.v1.EmbedResponse;
import dev.skein.protocol.v1.WorkerGrpcClient;
import io.vertx.core.Vertx;
import io.vertx.grpc.client.GrpcClientRequest;
import io.vertx.grpc.client.GrpcClientResponse;
import io.vertx.grpc.common.GrpcStatus;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A request for vectors, to whichever leader takes it. The sink hears of exactly one of the answer and a failure, unless
 * the call is cancelled: then of nothing. A leader that is lost costs nothing but time, as the answer comes all at once: the
 * next one is asked, by the rules of {@link SequenceCall}.
 *
 * <p>Lives on one event loop, the one that {@link #start} is called on.
 */
public final class EmbedCall {
    private static final Logger log = LoggerFactory.getLogger(EmbedCall.class);
    private static final int MOST_LOSSES = 2;
    private static final long SHORTEST_PAUSE = 50;
    private static final long LONGEST_PAUSE = 1000;

    /** Hears of a request. Called on the call's event loop. */
    public interface Sink {
        void answered(EmbedResponse answer);

        void failed(CallFailure failure);
    }

    private final Vertx vertx;
    private final WorkerCalls calls;
    private final Fleet fleet;
    private final EmbedRequest request;
    private final Sink sink;
    private final @Nullable Long limit;
    private final long cost;
    private final Fleet.Wanted wanted;
    private final long deadline;
    private final Set<Leader> failed = new HashSet<>();
    private @Nullable GrpcClientRequest<EmbedRequest, EmbedResponse> call;
    private @Nullable EmbedResponse answer;
    private @Nullable Leader leader;
    private int losses;
    private long pause = SHORTEST_PAUSE;
    private boolean over;

    /**
     * @param dialect which groups can take it, as {@link Fleet#spoken} has it
     * @param patience time that waiting for groups and trying them may take
     * @param limit {@code System.nanoTime()} by which it must be answered; null for no limit
     */
    public EmbedCall(
            Vertx vertx,
            WorkerCalls calls,
            Fleet fleet,
            String dialect,
            EmbedRequest request,
            Duration patience,
            @Nullable Long limit,
            Sink sink) {
        this.vertx = vertx;
        this.calls = calls;
        this.fleet = fleet;
        this.request = request;
        this.sink = sink;
        this.limit = limit;
        long end = System.nanoTime() + patience.toNanos();
        this.deadline = limit == null || end - limit < 0 ? end : limit;
        int tokens = request.getTextsList().stream()
                .mapToInt(text -> text.getIdsCount())
                .sum();
        this.cost = tokens;
        this.wanted = new Fleet.Wanted(dialect, new Prefix(new long[0], tokens));
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

    /** Frees the request's place at the worker; the sink hears of nothing more. */
    public void cancel() {
        if (!over) {
            GrpcClientRequest<EmbedRequest, EmbedResponse> begun = call;
            over();
            if (begun != null) {
                begun.cancel();
            }
        }
    }

    private void open(Leader chosen) {
        leader = chosen;
        chosen.chosen(wanted.prefix());
        chosen.take(cost);
        calls.client().request(chosen.address(), WorkerGrpcClient.Embed).onComplete(opened -> {
            if (opened.failed()) {
                refused(chosen, String.valueOf(opened.cause().getMessage()));
            } else if (over) {
                opened.result().cancel();
            } else {
                send(chosen, opened.result());
            }
        });
    }

    private void send(Leader chosen, GrpcClientRequest<EmbedRequest, EmbedResponse> opened) {
        call = opened;
        opened.headers().set("authorization", chosen.authorization());
        if (limit != null) {
            // Rounded up: when the worker says that the time is up, it is up here too.
            long left = TimeUnit.NANOSECONDS.toMillis(limit - System.nanoTime()) + 1;
            opened.timeout(Math.max(1, left), TimeUnit.MILLISECONDS);
        }
        opened.end(request);
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

    private void read(
            GrpcClientRequest<EmbedRequest, EmbedResponse> opened,
            GrpcClientResponse<EmbedRequest, EmbedResponse> response) {
        response.handler(message -> answer = message);
        response.errorHandler(error -> lost(opened, "the call was reset (" + error + ")"));
        response.exceptionHandler(error -> lost(opened, String.valueOf(error.getMessage())));
        response.endHandler(_ -> ended(opened, response));
    }

    private void ended(
            GrpcClientRequest<EmbedRequest, EmbedResponse> opened,
            GrpcClientResponse<EmbedRequest, EmbedResponse> response) {
        if (call != opened || over) {
            return;
        }
        GrpcStatus status = response.status();
        EmbedResponse whole = answer;
        if (status == GrpcStatus.OK && whole != null) {
            over();
            sink.answered(whole);
            return;
        }
        String message = SequenceCall.message(response, status);
        switch (status) {
            case INVALID_ARGUMENT, OUT_OF_RANGE, UNIMPLEMENTED -> fail(CallFailure.Kind.INVALID, message);
            case RESOURCE_EXHAUSTED -> busy(message);
            case UNAVAILABLE -> refused(chosen(), message);
            case DEADLINE_EXCEEDED -> fail(CallFailure.Kind.SLOW, message);
            default -> lost(opened, message);
        }
    }

    // Another group may have room; the same one is not asked twice, it said to come back later.
    private void busy(String message) {
        leave();
        if (another()) {
            start();
        } else {
            fail(CallFailure.Kind.BUSY, message);
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

    private void lost(GrpcClientRequest<EmbedRequest, EmbedResponse> opened, String why) {
        if (call != opened || over) {
            return;
        }
        log.warn("request lost: request={} leader={} why={}", request.getRequestId(), leader, why);
        leave();
        losses++;
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
        vertx.setTimer(Math.min(pause, left), _ -> {
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

    private void leave() {
        Leader left = chosen();
        left.take(-cost);
        failed.add(left);
        leader = null;
        call = null;
        answer = null;
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
        call = null;
        if (leader != null) {
            leader.take(-cost);
            leader = null;
        }
    }
}
