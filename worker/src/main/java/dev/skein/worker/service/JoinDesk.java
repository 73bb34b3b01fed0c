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
 * Where the other ranks of a group come to their leader, and where it sees that they are still there. Seats belong to the
 * event loop; the rest may be called from any thread.
 */
public final class JoinDesk {
    private static final Logger log = LoggerFactory.getLogger(JoinDesk.class);

    private final Vertx vertx;
    private final String version;
    private final Consumer<String> progress;
    private final @Nullable Seat[] seats;
    private final CompletableFuture<List<RankHello>> met = new CompletableFuture<>();
    private final CompletableFuture<List<RankLoaded>> loaded = new CompletableFuture<>();
    private final CompletableFuture<String> lost = new CompletableFuture<>();
    private boolean over;

    /** A rank that came. */
    private static final class Seat {
        private final int rank;
        private final RankHello hello;
        private final GrpcServerResponse<JoinRequest, JoinResponse> response;
        private String doing = "waiting for the others";
        private @Nullable RankLoaded loaded;

        Seat(int rank, RankHello hello, GrpcServerResponse<JoinRequest, JoinResponse> response) {
            this.rank = rank;
            this.hello = hello;
            this.response = response;
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
     * @param progress hears what the others do, for people; on the event loop
     */
    public JoinDesk(Vertx vertx, int size, String version, Consumer<String> progress) {
        this.vertx = vertx;
        this.version = version;
        this.progress = progress;
        seats = new Seat[size];
    }

    /** Done when all have come: what they said, in the order of ranks from 1 on. Failed if one is lost before. */
    public CompletableFuture<List<RankHello>> met() {
        return met.copy();
    }

    /** Tells each rank what to do. */
    public void welcome(IntFunction<RankWelcome> welcome) {
        say(rank -> JoinResponse.newBuilder().setWelcome(welcome.apply(rank)).build());
    }

    /** Done when all have loaded: what they said, in the order of ranks from 1 on. Failed if one is lost before. */
    public CompletableFuture<List<RankLoaded>> loaded() {
        return loaded.copy();
    }

    /** Tells all that all have loaded. */
    public void start(RankStart start) {
        JoinResponse all = JoinResponse.newBuilder().setStart(start).build();
        say(_ -> all);
    }

    /** Done with the reason when the first rank is lost. */
    public CompletableFuture<String> lost() {
        return lost.copy();
    }

    /** From now on ranks may go, and nobody waits for any. */
    public void close() {
        vertx.runOnContext(_ -> over = true);
        end("the leader is closing");
    }

    private void say(IntFunction<JoinResponse> what) {
        vertx.runOnContext(_ -> {
            for (Seat seat : seats) {
                if (seat != null) {
                    seat.response.write(what.apply(seat.rank));
                }
            }
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
            if (seat != null) {
                log.info("rank={} loaded backend=\"{}\"", seat.rank, what.getBackend());
                seat.loaded = what;
                doing("loaded");
                List<RankLoaded> all = all(each -> each.loaded);
                if (all.size() == seats.length - 1) {
                    loaded.complete(all);
                }
            }
        }

        void gone(String why) {
            Seat left = seat;
            seat = null;
            if (left != null && !over) {
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
        seats[seat.rank] = seat;
        log.info("rank={} joined process={} host=\"{}\"", seat.rank, hello.getProcessId(), hello.getHost());
        progress.accept(picture());
        if (free() < 0) {
            met.complete(all(each -> each.hello));
        }
        return seat;
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
        return there == null ? null : "%s has come already".formatted(there.name());
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
        for (Seat seat : seats) {
            T each = seat == null ? null : what.apply(seat);
            if (each != null) {
                said.add(each);
            }
        }
        return said;
    }

    /** What all do, for people. */
    private String picture() {
        StringBuilder picture = new StringBuilder();
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

    private void lose(String reason) {
        log.warn("group=broken reason=\"{}\"", reason);
        lost.complete(reason);
        end(reason);
    }

    private void end(String reason) {
        IllegalStateException broken = new IllegalStateException(reason);
        met.completeExceptionally(broken);
        loaded.completeExceptionally(broken);
    }
}
