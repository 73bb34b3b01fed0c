package dev.skein.scheduler.cluster;

import dev.skein.protocol.v1.AgentAnswer;
import dev.skein.protocol.v1.AgentGrpcService;
import dev.skein.protocol.v1.EndRank;
import dev.skein.protocol.v1.RankAnswer;
import dev.skein.protocol.v1.RankEvent;
import dev.skein.protocol.v1.StartRank;
import dev.skein.protocol.v1.WatchRanks;
import dev.skein.scheduler.LocalSubstrate;
import dev.skein.scheduler.UnaryCalls;
import dev.skein.scheduler.agent.Call;
import dev.skein.scheduler.lifecycle.GroupSpec;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.server.GrpcServer;
import io.vertx.grpc.server.GrpcServerRequest;
import io.vertx.grpc.server.GrpcServerResponse;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/// Serves `skein.v1.Agent`. Whoever serves it lets in only calls that carry the cluster's token.
public final class AgentServer {
    /// A watcher that is so far behind is cut off; it comes again and is told what still counts.
    private static final int MOST_WAITING = 10_000;

    private final Vertx vertx;
    private final Agent agent;
    private final String machine;

    /// @param machine the name of the agent's machine
    public AgentServer(Vertx vertx, Agent agent, String machine) {
        this.vertx = vertx;
        this.agent = agent;
        this.machine = machine;
    }

    /// Adds the service's calls.
    public void bind(GrpcServer grpc) {
        UnaryCalls calls = new UnaryCalls(vertx, grpc, AgentServer::refusal);
        calls.answer(AgentGrpcService.Beat, beat -> told(Wire.call(machine, beat)));
        calls.answer(AgentGrpcService.Reserve, reserve -> told(Wire.call(machine, reserve)));
        calls.answer(AgentGrpcService.Commit, commit -> told(Wire.call(machine, commit)));
        calls.answer(AgentGrpcService.Release, release -> told(Wire.call(machine, release)));
        calls.answer(AgentGrpcService.Describe, nothing -> agent.describe().thenApply(Wire::message));
        calls.answer(AgentGrpcService.Start, wish -> accepted(agent.start(order(wish))));
        calls.answer(AgentGrpcService.Drain, wish -> accepted(end(wish, false)));
        calls.answer(AgentGrpcService.Kill, wish -> accepted(end(wish, true)));
        grpc.callHandler(AgentGrpcService.Watch, this::watch);
    }

    private CompletableFuture<AgentAnswer> told(Call call) {
        return agent.answer(call).thenApply(Wire::message);
    }

    private CompletableFuture<String> end(EndRank wish, boolean atOnce) {
        return agent.end(wish.getGroup(), wish.getRank(), wish.getIncarnation(), atOnce);
    }

    private static Agent.Order order(StartRank wish) {
        return new Agent.Order(
                wish.getTerm(),
                wish.getEpoch(),
                wish.getRank(),
                wish.getIncarnation(),
                wish.getRevisionKey(),
                new GroupSpec(wish.getGroup(), wish.getModel(), wish.getSize(), wish.getParameters()),
                wish.getLeader().isEmpty() ? null : new LocalSubstrate.Leader(wish.getLeaderToken(), wish.getLeader()));
    }

    private static CompletableFuture<RankAnswer> accepted(CompletableFuture<String> refusal) {
        return refusal.thenApply(reason -> {
            if (!reason.isEmpty()) {
                throw new Refused(reason);
            }
            return RankAnswer.getDefaultInstance();
        });
    }

    private static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;

        Refused(String reason) {
            super(reason, null, false, false);
        }
    }

    private static UnaryCalls.Refusal refusal(Throwable cause) {
        return cause instanceof Refused || cause instanceof UnaryCalls.WrongException
                ? new UnaryCalls.Refusal(GrpcStatus.FAILED_PRECONDITION, String.valueOf(cause.getMessage()))
                : new UnaryCalls.Refusal(GrpcStatus.INTERNAL, "the agent failed");
    }

    private void watch(GrpcServerRequest<WatchRanks, RankEvent> request) {
        Context context = vertx.getOrCreateContext();
        GrpcServerResponse<WatchRanks, RankEvent> response = request.response();
        AtomicInteger waiting = new AtomicInteger();
        Consumer<RankEvent> write = event -> {
            if (waiting.incrementAndGet() > MOST_WAITING) {
                context.runOnContext(ignored -> response.cancel());
            } else {
                context.runOnContext(ignored -> response.write(event).onComplete(done -> waiting.decrementAndGet()));
            }
        };
        request.handler(nothing -> {
            Runnable end = agent.watch(
                    news -> write.accept(Wire.message(news)), () -> write.accept(RankEvent.getDefaultInstance()));
            request.exceptionHandler(broken -> end.run());
            request.errorHandler(cancelled -> end.run());
        });
    }
}
