package dev.skein.gateway.traffic;

import static java.util.Objects.requireNonNull;

import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.grpc.client.GrpcClientRequest;
import io.vertx.grpc.client.GrpcClientResponse;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.common.ServiceMethod;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A call to whichever leader takes it. Who has no room or does not answer is left for another one; who is lost on the way,
 * too, but not more than {@link #MOST_LOSSES} times, since the request itself may be what breaks them.
 *
 * <p>Lives on one event loop, the one that {@link #start} is called on.
 *
 * @param <Q> what is asked
 * @param <A> what is answered, in one message or several
 */
abstract sealed class LeaderCall<Q, A> permits EmbedCall, SequenceCall {
    private static final Logger log = LoggerFactory.getLogger(LeaderCall.class);
    private static final int MOST_LOSSES = 2;
    private static final long SHORTEST_PAUSE = 50;
    private static final long LONGEST_PAUSE = 1000;

    private final WorkerCalls calls;
    private final Fleet fleet;
    private final ServiceMethod<A, Q> method;
    private final Duration patience;
    final @Nullable Long limit;
    final Fleet.Wanted wanted;
    private final Set<Leader> failed = new HashSet<>();
    private long deadline;
    private @Nullable GrpcClientRequest<Q, A> call;
    private @Nullable Leader leader;
    private Runnable forsaken = () -> {};
    private Work charged = Work.NONE;
    // Tokens of prompts, its own with them, that its leader had to compute when it was chosen.
    private long ahead;
    private long chosenAt;
    private boolean held;
    private int losses;
    private long pause;
    private boolean over;

    /**
     * @param patience time that waiting for groups and trying them may take
     * @param limit {@code System.nanoTime()} by which it must have ended, and workers are told so; null for no limit
     */
    LeaderCall(
            WorkerCalls calls,
            Fleet fleet,
            ServiceMethod<A, Q> method,
            Fleet.Wanted wanted,
            Duration patience,
            @Nullable Long limit) {
        this.calls = calls;
        this.fleet = fleet;
        this.method = method;
        this.wanted = wanted;
        this.patience = patience;
        this.limit = limit;
        renewPatience();
    }

    // What differs

    /** What a leader will have to do for it. */
    abstract Work work(Leader chosen);

    /** What is to be asked now. */
    abstract Q question();

    /** Hears the messages of an answer that has begun. */
    abstract void listen(GrpcClientRequest<Q, A> opened, GrpcClientResponse<Q, A> response);

    /** Forgets what was heard of an answer that will not end. */
    abstract void forget();

    /** Whether all of the answer has been heard. */
    abstract boolean whole();

    /** Whether the worker says by this that the request is wrong. */
    abstract boolean wrong(GrpcStatus status);

    /** A leader is lost. Whether so much had been done that losses before are not held against the request. */
    abstract boolean progressed();

    /** The answer has ended as it should. */
    abstract void answered();

    /** There will be no answer, or no more of it, and no other group will be asked. */
    abstract void givenUp(CallFailure failure);

    /** Names the request and how far it is, in logs. */
    @Override
    public abstract String toString();

    // The call

    public final void start() {
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
    public final void cancel() {
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
        Context loop = requireNonNull(Vertx.currentContext(), "a call lives on an event loop");
        forsaken = () -> loop.runOnContext(_ -> forsaken(chosen));
        chosen.takeInHand(forsaken);
        Work work = work(chosen);
        chosen.chosen(wanted.prefix());
        charge(chosen, work);
        ahead = chosen.ahead();
        chosenAt = System.nanoTime();
        held = false;
        calls.client().request(chosen.address(), method).onComplete(opened -> {
            if (opened.failed()) {
                refused(chosen, String.valueOf(opened.cause().getMessage()));
            } else if (over) {
                opened.result().cancel();
            } else {
                send(chosen, opened.result());
            }
        });
    }

    private void send(Leader chosen, GrpcClientRequest<Q, A> opened) {
        call = opened;
        opened.headers().set("authorization", chosen.authorization());
        if (limit != null) {
            // Rounded up: when the worker says that the time is up, it is up here too.
            long left = TimeUnit.NANOSECONDS.toMillis(limit - System.nanoTime()) + 1;
            opened.timeout(Math.max(1, left), TimeUnit.MILLISECONDS);
        }
        opened.end(question());
        opened.response().onComplete(begun -> {
            if (!goesOn(opened)) {
                return;
            }
            if (begun.failed()) {
                lost(opened, String.valueOf(begun.cause().getMessage()));
            } else {
                read(opened, begun.result());
            }
        });
    }

    private void read(GrpcClientRequest<Q, A> opened, GrpcClientResponse<Q, A> response) {
        listen(opened, response);
        response.errorHandler(error -> lost(opened, "the stream was reset (" + error + ")"));
        response.exceptionHandler(error -> lost(opened, String.valueOf(error.getMessage())));
        response.endHandler(_ -> ended(opened, response));
    }

    /** Whether a call is the one that is waited for. */
    final boolean goesOn(GrpcClientRequest<Q, A> opened) {
        return call == opened && !over;
    }

    private void ended(GrpcClientRequest<Q, A> opened, GrpcClientResponse<Q, A> response) {
        if (!goesOn(opened)) {
            return;
        }
        GrpcStatus status = response.status();
        if (status == GrpcStatus.OK && whole()) {
            succeed();
            return;
        }
        String message = message(response, status);
        if (wrong(status)) {
            fail(CallFailure.Kind.INVALID, message);
            return;
        }
        switch (status) {
            case RESOURCE_EXHAUSTED -> busy(message);
            case UNAVAILABLE -> refused(chosen(), message);
            case DEADLINE_EXCEEDED -> fail(CallFailure.Kind.SLOW, message);
            default -> lost(opened, message);
        }
    }

    private static String message(GrpcClientResponse<?, ?> response, GrpcStatus status) {
        String told = response.statusMessage();
        if (told == null && response.trailers() != null) {
            told = response.trailers().get("grpc-message");
        }
        return told == null || told.isBlank() ? "the worker ended the call with status " + status : told;
    }

    private void busy(String message) {
        leave();
        hasNoRoom(message);
    }

    /** Another group may have room; the same one is not asked twice, it said to come back later. */
    void hasNoRoom(String message) {
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
        log.debug("request not taken: {} leader={} why={}", this, chosen, why);
        leave();
        again();
    }

    /** A machine that is cut off does not close its connections. */
    private void forsaken(Leader chosen) {
        GrpcClientRequest<Q, A> silent = call;
        if (!over && leader == chosen && silent != null) {
            lost(silent, "nobody has heard of it lately");
            silent.cancel();
        }
    }

    private void lost(GrpcClientRequest<Q, A> opened, String why) {
        if (!goesOn(opened)) {
            return;
        }
        if (whole()) {
            succeed();
            return;
        }
        log.warn("request lost: {} leader={} why={}", this, leader, why);
        leave();
        losses = progressed() ? 1 : losses + 1;
        if (losses <= MOST_LOSSES) {
            again();
        } else {
            fail(CallFailure.Kind.LOST, why);
        }
    }

    // Another leader is asked at once; one that has failed is asked again after a pause, as it may have recovered.
    final void again() {
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

    /** Waiting for groups and trying them may take its whole time again. */
    final void renewPatience() {
        long end = System.nanoTime() + patience.toNanos();
        deadline = limit == null || end - limit < 0 ? end : limit;
        pause = SHORTEST_PAUSE;
    }

    /** The prompt's part is done when the first of the answer comes, and how long that took tells how fast the leader is. */
    final void promptComputed() {
        if (charged.prompt() > 0) {
            if (!held) {
                chosen().computed(ahead, System.nanoTime() - chosenAt);
            }
            charge(chosen(), new Work(0, charged.answer()));
        }
    }

    /** Its reader lets it wait: how long it takes tells nothing of the leader. */
    final void held() {
        held = true;
    }

    private void charge(Leader at, Work work) {
        at.take(work, charged);
        charged = work;
    }

    private void leave() {
        Leader left = chosen();
        charge(left, Work.NONE);
        left.handOver(forsaken);
        failed.add(left);
        leader = null;
        call = null;
        forget();
    }

    private Leader chosen() {
        if (leader == null) {
            throw new IllegalStateException("no leader was chosen");
        }
        return leader;
    }

    private void succeed() {
        over();
        answered();
    }

    final void fail(CallFailure.Kind kind, String message) {
        over();
        givenUp(new CallFailure(kind, message));
    }

    private void over() {
        over = true;
        if (leader != null) {
            charge(leader, Work.NONE);
            leader.handOver(forsaken);
            leader = null;
        }
    }
}
