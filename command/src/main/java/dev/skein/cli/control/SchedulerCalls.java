package dev.skein.cli.control;

import dev.skein.cli.CommandException;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.Deployment;
import dev.skein.protocol.v1.RolloutAction;
import dev.skein.protocol.v1.RolloutRequest;
import dev.skein.protocol.v1.SchedulerGrpcClient;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.net.SocketAddress;
import io.vertx.grpc.client.GrpcClient;
import io.vertx.grpc.client.GrpcClientResponse;
import io.vertx.grpc.common.GrpcStatus;
import io.vertx.grpc.common.ServiceMethod;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// Calls to the scheduler of a running server, for commands: they wait for the answer.
final class SchedulerCalls implements AutoCloseable {
    private static final int ANSWER_SECONDS = 30;
    private static final long POLL_MILLIS = 200;

    private final Vertx vertx = Vertx.vertx();
    private final Target.Found server;
    private final GrpcClient client;

    SchedulerCalls(Target target) {
        server = target.find();
        client = GrpcClient.client(
                vertx, server.encryption().on(new HttpClientOptions().setHttp2ClearTextUpgrade(false)));
    }

    /// @throws CommandException with the scheduler's words if it refuses
    <Q, A> A call(ServiceMethod<A, Q> method, Q question) {
        Future<A> answer = client.request(SocketAddress.inetSocketAddress(server.port(), server.host()), method)
                .compose(request -> {
                    request.headers().set("authorization", "Bearer " + server.token());
                    return request.send(question);
                })
                .compose(SchedulerCalls::read);
        try {
            return answer.toCompletionStage().toCompletableFuture().get(ANSWER_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw CommandException.failed(
                    e.getCause() instanceof CommandException refused
                            ? refused.getMessage()
                            : "the server does not answer: " + Encryption.reason(e.getCause()));
        } catch (TimeoutException e) {
            throw CommandException.failed("the server does not answer in " + ANSWER_SECONDS + " s");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw CommandException.failed("interrupted");
        }
    }

    private static <Q, A> Future<A> read(GrpcClientResponse<Q, A> response) {
        GrpcStatus early = response.status();
        if (early != null && early != GrpcStatus.OK) {
            return Future.failedFuture(refused(response));
        }
        return first(response)
                .recover(error -> Future.failedFuture(
                        response.status() == null || response.status() == GrpcStatus.OK ? error : refused(response)));
    }

    /// The answer, or of a stream the first one.
    private static <Q, A> Future<A> first(GrpcClientResponse<Q, A> response) {
        Promise<A> first = Promise.promise();
        response.handler(first::tryComplete);
        response.exceptionHandler(first::tryFail);
        response.endHandler(end -> first.tryFail("it ended with status " + response.status()));
        return first.future();
    }

    private static CommandException refused(GrpcClientResponse<?, ?> response) {
        String message = response.statusMessage();
        return CommandException.failed(
                message == null || message.isBlank() ? "the scheduler refused: " + response.status() : message);
    }

    /// Prints where the deployment stands; with seconds to wait, once it is as wanted or they are over.
    ///
    /// @return the exit code: 0, or 1 where the time was over
    int show(Deployment deployment, @Nullable Integer seconds) {
        Deployment now = deployment;
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds == null ? 0 : seconds);
        while (seconds != null && !now.getComplete() && System.nanoTime() < end) {
            pause();
            now = rollout(deployment.getName(), RolloutAction.ROLLOUT_ACTION_STATUS);
        }
        System.out.println(line(now));
        return seconds == null || now.getComplete() ? 0 : CommandException.FAILED;
    }

    private static void pause() {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw CommandException.failed("interrupted");
        }
    }

    Deployment rollout(String name, RolloutAction action) {
        return call(
                SchedulerGrpcClient.Rollout,
                RolloutRequest.newBuilder().setName(name).setAction(action).build());
    }

    static String line(Deployment deployment) {
        return deployment.getName() + ": " + state(deployment) + ", " + deployment.getReady() + " of "
                + deployment.getReplicas()
                + " groups ready, " + deployment.getUpdatedReady() + " of revision " + deployment.getRevision() + " ("
                + deployment.getRevisionKey() + ")";
    }

    private static String state(Deployment deployment) {
        if (deployment.getAsleep()) {
            return "asleep";
        } else if (deployment.getComplete()) {
            return "complete";
        } else if (deployment.getPaused()) {
            return "paused";
        }
        return deployment.getStalled() ? "stalled" : "under way";
    }

    @Override
    public void close() {
        vertx.close().toCompletionStage().toCompletableFuture().join();
    }
}
