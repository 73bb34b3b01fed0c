package dev.skein.scheduler.cluster;

import static java.util.Objects.requireNonNull;

import dev.skein.protocol.v1.KeptDeployments;
import dev.skein.protocol.v1.WishesGrpcService;
import dev.skein.scheduler.DeploymentStore;
import dev.skein.scheduler.SchedulerException;
import dev.skein.scheduler.UnaryCalls;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.server.GrpcServer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;

/// Has what is wanted on the disks of more than half of the voters before who said it is answered, and asks more than
/// half before this one drives. Two majorities share a voter: so what was answered is never forgotten, whichever
/// machine is lost. Safe for several threads.
final class Keeping {
    private static final long AGAIN_MILLIS = 300;

    private final Vertx vertx;
    private final DeploymentStore store;
    private final List<AgentCalls> others;
    private final long boundMillis;

    /// @param others voters beside this one
    /// @param boundMillis how long to ask them
    Keeping(Vertx vertx, DeploymentStore store, List<AgentCalls> others, long boundMillis) {
        this.vertx = vertx;
        this.store = store;
        this.others = List.copyOf(others);
        this.boundMillis = boundMillis;
    }

    /// Takes the other voters' calls.
    void bind(GrpcServer grpc) {
        UnaryCalls calls = new UnaryCalls(
                vertx,
                grpc,
                broken -> new UnaryCalls.Refusal(GrpcStatus.INTERNAL, "the wishes cannot be kept: " + broken));
        calls.answer(
                WishesGrpcService.Keep,
                wishes -> exchange(wishes).toCompletionStage().toCompletableFuture());
    }

    /// Completes when what is wanted of a deployment, as it is or newer, will not be forgotten.
    ///
    /// @return fails with a [SchedulerException] if that is not known in time
    CompletableFuture<Void> keep(String name) {
        KeptDeployments wishes = store.all(name);
        return majority(
                        wishes,
                        answer -> wishes.getDeploymentsList().stream()
                                .allMatch(wish -> DeploymentStore.keeps(answer, wish)),
                        "what was said of " + name + " may hold or not; look with skein status, and say it again")
                .toCompletionStage()
                .toCompletableFuture();
    }

    /// Completes when this voter has on its disk all that more than half of them know.
    Future<Void> recall() {
        return majority(KeptDeployments.getDefaultInstance(), answer -> true, "what is wanted is not known yet");
    }

    /// Completes when more than half, this one included, have taken the wishes and answered so.
    ///
    /// @param doubt what to say where they do not
    private Future<Void> majority(KeptDeployments wishes, Predicate<KeptDeployments> yes, String doubt) {
        Promise<Void> done = Promise.promise();
        AtomicInteger count = new AtomicInteger();
        long bound = vertx.setTimer(
                boundMillis, late -> done.tryFail(SchedulerException.unsure(few(count.get()) + ": " + doubt)));
        done.future().onComplete(over -> vertx.cancelTimer(bound));
        one(count, done);
        others.forEach(voter -> ask(voter, wishes, yes, count, done));
        return done.future();
    }

    private void ask(
            AgentCalls voter,
            KeptDeployments wishes,
            Predicate<KeptDeployments> yes,
            AtomicInteger count,
            Promise<Void> done) {
        voter.keep(wishes).compose(answer -> exchange(answer).map(answer)).onComplete(answer -> {
            if (answer.succeeded() && yes.test(answer.result())) {
                one(count, done);
            } else if (!done.future().isComplete()) {
                vertx.setTimer(AGAIN_MILLIS, again -> ask(voter, wishes, yes, count, done));
            }
        });
    }

    private void one(AtomicInteger count, Promise<Void> done) {
        if (2 * count.incrementAndGet() > others.size() + 1) {
            done.tryComplete();
        }
    }

    private String few(int count) {
        return "only " + count + " of " + (others.size() + 1) + " machines that vote have it on their disks after "
                + boundMillis / 1000 + " s, and more than half must";
    }

    /// Writing to the disk is nothing for an event loop.
    private Future<KeptDeployments> exchange(KeptDeployments wishes) {
        return vertx.executeBlocking(() -> store.exchange(wishes)).map(kept -> requireNonNull(kept));
    }
}
