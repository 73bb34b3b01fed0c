package dev.skein.worker.service;

import dev.skein.protocol.v1.JoinRequest;
import dev.skein.protocol.v1.JoinResponse;
import dev.skein.protocol.v1.RankHello;
import dev.skein.protocol.v1.RankLoaded;
import dev.skein.protocol.v1.RankStart;
import dev.skein.protocol.v1.RankWelcome;
import io.vertx.core.Vertx;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.server.GrpcServerRequest;
import io.vertx.grpc.server.GrpcServerResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where the other ranks of a group come to their leader, and where it sees that they are still there. A rank that is lost
 * once all have started leaves its seat to its next process, if the group may wait for that; a loss before breaks the group.
 *
 * <p>Seats belong to the event loop; the rest may be called from any thread.
 */
public final class JoinDesk {
    private static final Logger log = LoggerFactory.getLogger(JoinDesk.class);
    private static final String WAITING = "waiting for the others";

    private final Vertx vertx;
    private final String version;
    private final boolean patient;
    private final Consumer<String> progress;
    private final @Nullable Seat[] seats;
    private final CompletableFuture<String> lost = new CompletableFuture<>();
    private final Gathering first = new Gathering("");
    private Gathering latest = first;
    private boolean started;
    private boolean over;

    /** All ranks on their way to one meeting. Once a rank is lost, there is another gathering. */
    public final class Gathering {
        private final String reason;
        private final CompletableFuture<List<RankHello>> met = new CompletableFuture<>();
        private final CompletableFuture<List<RankLoaded>> loaded = new CompletableFuture<>();
        private final CompletableFuture<Gathering> next = new CompletableFuture<>();
        private String session = "";

        private Gathering(String reason) {
            this.reason = reason;
        }

        /** What was lost before it; empty for the first. */
        public String reason() {
            return reason;
        }

        /** Done when all have come: what they said, in the order of ranks from 1 on. Failed if one is lost before. */
        public CompletableFuture<List<RankHello>> met() {
            return met.copy();
        }

        /** Tells each rank what to do; who has been welcomed before hears only where to meet anew. */
        public void welcome(String name, IntFunction<RankWelcome> welcome) {
            vertx.runOnContext(_ -> {
                session = name;
                say(rank -> JoinResponse.newBuilder()
                        .setWelcome(welcome.apply(rank))
                        .build());
            });
        }

        /** Done when all have loaded: what they said, in the order of ranks from 1 on. Failed if one is lost before. */
        public CompletableFuture<List<RankLoaded>> loaded() {
            return loaded.copy();
        }

        /** Tells all that all have loaded. */
        public void start(RankStart start) {
            JoinResponse all = JoinResponse.newBuilder().setStart(start).build();
            vertx.runOnContext(_ -> {
                started |= latest == this;
                say(_ -> all);
            });
        }

        /** They did not meet, or not for long, for a reason that the desk may not have seen: they are to come together anew. */
        public void giveUp(String why) {
            vertx.runOnContext(_ -> {
                if (latest == this) {
                    lose(why);
                }
            });
        }

        /** Done with what comes after it when a rank is lost for which the group may wait; never failed. */
        public CompletableFuture<Gathering> next() {
            return next.copy();
        }

        /** Ranks of a later gathering are told nothing of this one. */
        private void say(IntFunction<JoinResponse> what) {
            if (latest == this) {
                seated().forEach(seat -> seat.response.write(what.apply(seat.rank)));
            }
        }

        private void fail(String why) {
            IllegalStateException broken = new IllegalStateException(why);
            met.completeExceptionally(broken);
            loaded.completeExceptionally(broken);
        }
    }

    /** A rank that came. */
    private static final class Seat {
        private final int rank;
        private final RankHello hello;
        private final GrpcServerResponse<JoinRequest, JoinResponse> response;
        private String doing = WAITING;
        private @Nullable RankLoaded loaded;

        Seat(int rank, RankHello hello, GrpcServerResponse<JoinRequest, JoinResponse> response) {
            this.rank = rank;
            this.hello = hello;
            this.response = response;
        }

        /** It has to say again that it has loaded. */
        void waitAgain() {
            doing = WAITING;
            loaded = null;
        }

        String name() {
            return "rank %d (process %d on %s)".formatted(rank, hello.getProcessId(), machine());
        }

        /** The first word of what tells hosts apart is for people. */
        private String machine() {
            return hello.getHost().split(" ", 2)[0];
        }
    }

    /**
     * @param size ranks of the group, the leader's included
     * @param version that all must have
     * @param patient whether the group may wait for a lost rank
     * @param progress hears what the others do, for people; on the event loop
     */
    public JoinDesk(Vertx vertx, int size, String version, boolean patient, Consumer<String> progress) {
        this.vertx = vertx;
        this.version = version;
        this.patient = patient;
        this.progress = progress;
        seats = new Seat[size];
    }

    /** Of all ranks when the group begins. */
    public Gathering first() {
        return first;
    }

    /** Done with the reason when a rank is lost for which the group does not wait. */
    public CompletableFuture<String> lost() {
        return lost.copy();
    }

    /** From now on ranks may go, and nobody waits for any. */
    public void close() {
        vertx.runOnContext(_ -> {
            over = true;
            latest.fail("the leader is closing");
        });
    }

    // On the event loop

    void accept(GrpcServerRequest<JoinRequest, JoinResponse> request) {
        Visit visit = new Visit(request.response());
        request.handler(visit::hear);
        request.endHandler(_ -> visit.gone("it hung up"));
        request.errorHandler(error -> visit.gone(error.toString()));
        request.exceptionHandler(why -> visit.gone(String.valueOf(why.getMessage())));
        request.response().exceptionHandler(why -> visit.gone(String.valueOf(why.getMessage())));
    }

    /** One call. */
    private final class Visit {
        private final GrpcServerResponse<JoinRequest, JoinResponse> response;
        private @Nullable Seat seat;

        Visit(GrpcServerResponse<JoinRequest, JoinResponse> response) {
            this.response = response;
        }

        void hear(JoinRequest message) {
            switch (message.getSaidCase()) {
                case HELLO -> seat = seat == null ? take(message.getHello(), response) : seat;
                case PROGRESS -> doing(message.getProgress().getDetail());
                case LOADED -> ready(message.getLoaded());
                case FAILED -> gone(message.getFailed().getReason());
                case SAID_NOT_SET -> log.debug("join=empty");
            }
        }

        private void doing(String what) {
            if (seat != null) {
                seat.doing = what;
                progress.accept(picture());
            }
        }

        private void ready(RankLoaded what) {
            if (seat != null && what.getSession().equals(latest.session)) {
                log.info("rank={} loaded backend=\"{}\"", seat.rank, what.getBackend());
                seat.loaded = what;
                doing("loaded");
                List<RankLoaded> all = all(each -> each.loaded);
                if (all.size() == seats.length - 1) {
                    latest.loaded.complete(all);
                }
            }
        }

        void gone(String why) {
            Seat left = seat;
            seat = null;
            if (left != null && !over && seats[left.rank] == left) {
                if (waits()) {
                    seats[left.rank] = null;
                }
                lose("%s is lost: %s".formatted(left.name(), why));
            }
        }
    }

    private @Nullable Seat take(RankHello hello, GrpcServerResponse<JoinRequest, JoinResponse> response) {
        String objection = objection(hello);
        if (objection != null) {
            log.warn(
                    "join=refused process={} host=\"{}\" reason=\"{}\"",
                    hello.getProcessId(),
                    hello.getHost(),
                    objection);
            progress.accept("refused process %d: %s".formatted(hello.getProcessId(), objection));
            response.status(GrpcStatus.FAILED_PRECONDITION)
                    .statusMessage(objection)
                    .end();
            return null;
        }
        Seat seat = new Seat(wanted(hello), hello, response);
        replace(seats[seat.rank]);
        seats[seat.rank] = seat;
        log.info("rank={} joined process={} host=\"{}\"", seat.rank, hello.getProcessId(), hello.getHost());
        progress.accept(picture());
        completeIfAllAreHere();
        return seat;
    }

    private void completeIfAllAreHere() {
        if (free() < 0) {
            latest.met.complete(all(each -> each.hello));
        }
    }

    private @Nullable String objection(RankHello hello) {
        if (!hello.getVersion().equals(version)) {
            return "it is of version %s, its leader of %s; all ranks must be of the same"
                    .formatted(hello.getVersion(), version);
        }
        int wanted = wanted(hello);
        if (hello.hasRank() && (wanted < 1 || wanted >= seats.length)) {
            return "it was started as rank %d; the group has %d ranks, and the leader is rank 0"
                    .formatted(wanted, seats.length);
        }
        if (wanted < 0) {
            return "the group has %d ranks and all of them have come".formatted(seats.length);
        }
        Seat there = seats[wanted];
        return there == null || waits() && hello.hasRank() ? null : "%s has come already".formatted(there.name());
    }

    /** Of two processes of a rank the later one counts: the end of the other's connection may take long to be seen. */
    private void replace(@Nullable Seat there) {
        if (there != null) {
            seats[there.rank] = null;
            lose("%s is lost: another process came in its place".formatted(there.name()));
            there.response
                    .status(GrpcStatus.ABORTED)
                    .statusMessage("another process came in this one's place")
                    .end();
        }
    }

    /** The rank that it asks for, or the first that is free, or -1. */
    private int wanted(RankHello hello) {
        return hello.hasRank() ? hello.getRank() : free();
    }

    /** The first rank that has not come, or -1. */
    private int free() {
        for (int rank = 1; rank < seats.length; rank++) {
            if (seats[rank] == null) {
                return rank;
            }
        }
        return -1;
    }

    /** What those who have come said, as far as they have. */
    private <T> List<T> all(Function<Seat, @Nullable T> what) {
        List<T> said = new ArrayList<>();
        for (Seat seat : seated()) {
            T each = what.apply(seat);
            if (each != null) {
                said.add(each);
            }
        }
        return said;
    }

    private List<Seat> seated() {
        List<Seat> seated = new ArrayList<>();
        for (Seat seat : seats) {
            if (seat != null) {
                seated.add(seat);
            }
        }
        return seated;
    }

    /** What all do, for people. */
    private String picture() {
        StringBuilder picture = new StringBuilder(latest.reason.isEmpty() ? "" : latest.reason + "; now ");
        for (int rank = 1; rank < seats.length; rank++) {
            Seat seat = seats[rank];
            picture.append(rank == 1 ? "" : "; ")
                    .append("rank ")
                    .append(rank)
                    .append(": ")
                    .append(seat == null ? "has not come" : seat.doing);
        }
        return picture.toString();
    }

    /** Whether a rank that is lost now may come back. */
    private boolean waits() {
        return patient && started;
    }

    private void lose(String reason) {
        log.warn("group={} reason=\"{}\"", waits() ? "recovering" : "broken", reason);
        Gathering broken = latest;
        if (!waits()) {
            lost.complete(reason);
            broken.fail(reason);
            return;
        }
        latest = new Gathering(reason);
        seated().forEach(Seat::waitAgain);
        progress.accept(picture());
        broken.fail(reason);
        broken.next.complete(latest);
        completeIfAllAreHere();
    }
}
