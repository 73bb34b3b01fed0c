package dev.skein.worker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.compute.ElementType;
import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.protocol.v1.HealthRequest;
import dev.skein.protocol.v1.HealthResponse;
import dev.skein.protocol.v1.HealthState;
import dev.skein.protocol.v1.Logprobs;
import dev.skein.protocol.v1.SamplingParameters;
import dev.skein.protocol.v1.Token;
import dev.skein.protocol.v1.WorkerGrpcClient;
import dev.skein.worker.model.RankCount;
import dev.skein.worker.model.TinyLlama;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.net.SocketAddress;
import io.vertx.grpc.client.GrpcClient;
import io.vertx.grpc.client.GrpcClientRequest;
import io.vertx.grpc.client.GrpcClientResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Ranks are killed while their group computes: all go on when they are back, and no answer shows it. */
final class RecoveryTest {
    private static final String TOKEN = "the token of a group";
    private static final String HERE = Host.here().id();
    private static final int IDS = 60;
    private static final long LIMIT_SECONDS = 120;
    private static final Duration LONG_STEP = Duration.ofSeconds(60);
    private static final Duration SHORT_STEP = Duration.ofSeconds(3);

    @TempDir
    private Path folder;

    @Test
    void aRankThatSharesMemoryIsLostTwice() throws Exception {
        try (Group group = new Group(new RankCount(2, 1), Duration.ofSeconds(LIMIT_SECONDS), HERE)) {
            Streams undisturbed = group.streams();
            undisturbed.end();
            Streams disturbed = group.streams();
            for (int loss = 1; loss <= 2; loss++) {
                disturbed.await(loss * 100);
                group.kill(1);
                group.start(1);
                group.awaitRecoveries(loss);
            }
            assertThat(disturbed.end()).isEqualTo(undisturbed.end());
            group.endsWell();
        }
    }

    @Test
    void aStageOnAnotherHostIsLostAgainBeforeItIsBack() throws Exception {
        try (Group group = new Group(new RankCount(1, 2), Duration.ofSeconds(LIMIT_SECONDS), "second")) {
            Streams undisturbed = group.streams();
            undisturbed.end();
            Streams disturbed = group.streams();
            disturbed.await(100);
            group.kill(1);
            group.start(1);
            group.awaitPicture("rank 1: waiting for the others");
            group.kill(1);
            group.start(1);
            assertThat(disturbed.end()).isEqualTo(undisturbed.end());
            group.endsWell();
        }
    }

    @Test
    void twoOfFourRanksAreLostAtOnce() throws Exception {
        try (Group group =
                new Group(new RankCount(2, 2), Duration.ofSeconds(LIMIT_SECONDS), HERE, "second", "second")) {
            Streams undisturbed = group.streams();
            undisturbed.end();
            Streams disturbed = group.streams();
            disturbed.await(100);
            group.kill(3);
            group.start(3);
            group.awaitRecoveries(1);
            disturbed.await(200);
            group.kill(1);
            group.kill(2);
            group.start(1);
            group.start(2);
            assertThat(disturbed.end()).isEqualTo(undisturbed.end());
            group.endsWell();
        }
    }

    /** Its process lives and its connection too; when it goes on it finds that the others have given it up, and meets them. */
    @Test
    void aRankThatStandsStillForAWhileIsMetAgain() throws Exception {
        try (Group group = new Group(new RankCount(2, 1), Duration.ofSeconds(LIMIT_SECONDS), SHORT_STEP, HERE)) {
            Streams undisturbed = group.streams();
            undisturbed.end();
            Streams disturbed = group.streams();
            disturbed.await(100);
            MemberProcess still = group.members.getFirst();
            still.stop();
            group.awaitPicture("rank 1: waiting for the others");
            still.goOn();
            assertThat(disturbed.end()).isEqualTo(undisturbed.end());
            group.endsWell();
        }
    }

    /** As where a rank was placed anew while its machine was cut off: nothing says that the connection of before is dead. */
    @Test
    void aSecondProcessOfARankTakesItsPlace() throws Exception {
        try (Group group = new Group(new RankCount(1, 2), Duration.ofSeconds(LIMIT_SECONDS), "second")) {
            Streams undisturbed = group.streams();
            undisturbed.end();
            MemberProcess before = group.members.getFirst();
            group.start(1);
            assertThat(before.end()).isEqualTo(1);
            group.awaitRecoveries(1);
            assertThat(group.streams().end()).isEqualTo(undisturbed.end());
            group.endsWell();
        }
    }

    /** Nobody computes, so only the end of the rank's call tells; what is asked meanwhile waits. */
    @Test
    void anIdleGroupRecoversAndTellsHowItIs() throws Exception {
        try (Group group = new Group(new RankCount(2, 1), Duration.ofSeconds(LIMIT_SECONDS), HERE)) {
            Streams undisturbed = group.streams();
            undisturbed.end();
            String lost =
                    "rank 1 (process %d on ".formatted(group.members.getFirst().pid());
            group.kill(1);
            group.awaitPicture("rank 1: has not come");
            HealthResponse health = group.health();
            while (health.getState() == HealthState.HEALTH_STATE_READY) {
                Thread.sleep(1);
                health = group.health();
            }
            assertThat(health.getState()).isEqualTo(HealthState.HEALTH_STATE_RECOVERING);
            assertThat(health.getDetail()).startsWith(lost).contains("is lost");
            Streams waiting = group.streams();
            group.start(1);
            assertThat(waiting.end()).isEqualTo(undisturbed.end());
            group.awaitRecoveries(1);
            assertThat(group.health().getState()).isEqualTo(HealthState.HEALTH_STATE_READY);
            group.endsWell();
        }
    }

    @Test
    void aRankThatDoesNotComeBackInTimeBreaksItsGroup() throws Exception {
        try (Group group = new Group(new RankCount(2, 1), Duration.ofMillis(500), HERE)) {
            group.kill(1);
            assertThat(group.leader.failure().get(LIMIT_SECONDS, TimeUnit.SECONDS))
                    .startsWith("rank 1 (process ")
                    .endsWith("not all ranks were back within the 0.5 s that --recover-seconds gives them");
        }
    }

    /** A leader here, and ranks that are processes. */
    private final class Group implements AutoCloseable {
        private final List<String> hosts;
        private final List<WorkerListener.Event> events = new CopyOnWriteArrayList<>();
        private final List<MemberProcess> members = new ArrayList<>();
        private final Vertx vertx = Vertx.vertx();
        private final GrpcClient client = GrpcClient.client(vertx);
        private final Worker leader;
        private boolean ended;

        /** @param hosts of the ranks beside the leader */
        Group(RankCount count, Duration recovery, String... hosts) throws Exception {
            this(count, recovery, LONG_STEP, hosts);
        }

        Group(RankCount count, Duration recovery, Duration stepTimeout, String... hosts) throws Exception {
            this.hosts = List.of(hosts);
            Path model = TinyLlama.untied(ElementType.Q8_0, 3).write(folder.resolve("tiny.gguf"));
            leader = Worker.start(
                    new WorkerOptions(
                            model,
                            LoadFormat.AUTO,
                            1,
                            "java",
                            DeviceOptions.AUTO,
                            0,
                            4,
                            64,
                            0,
                            100,
                            true,
                            false,
                            null,
                            20,
                            1,
                            new GroupOptions(count, stepTimeout, recovery),
                            "127.0.0.1",
                            0,
                            TOKEN),
                    events::add);
            for (int rank = 1; rank <= hosts.length; rank++) {
                members.add(member(rank));
            }
            leader.ready().get(LIMIT_SECONDS, TimeUnit.SECONDS);
        }

        private MemberProcess member(int rank) throws Exception {
            return new MemberProcess(leader.port(), TOKEN, rank, hosts.get(rank - 1), null);
        }

        void kill(int rank) throws InterruptedException {
            members.get(rank - 1).kill();
        }

        void start(int rank) throws Exception {
            members.set(rank - 1, member(rank));
        }

        void awaitRecoveries(int count) throws InterruptedException {
            while (events.stream()
                            .filter(WorkerListener.Recovered.class::isInstance)
                            .count()
                    < count) {
                assertThat(leader.failure()).isNotDone();
                Thread.sleep(1);
            }
        }

        /** What people are told last. */
        void awaitPicture(String part) throws InterruptedException {
            while (!(events.getLast() instanceof WorkerListener.Gathering(String ranks) && ranks.contains(part))) {
                assertThat(leader.failure()).isNotDone();
                Thread.sleep(1);
            }
        }

        HealthResponse health() throws Exception {
            GrpcClientRequest<HealthRequest, HealthResponse> call = request(WorkerGrpcClient.Health);
            return get(call.send(HealthRequest.getDefaultInstance()).compose(GrpcClientResponse::last));
        }

        /** All kinds of requests at once, more than there are seats. */
        Streams streams() throws Exception {
            Streams streams = new Streams();
            for (GenerateRequest each : requests()) {
                GrpcClientRequest<GenerateRequest, GenerateResponse> call = request(WorkerGrpcClient.Generate);
                streams.read(call);
                call.end(each);
            }
            return streams;
        }

        private <A, Q> GrpcClientRequest<Q, A> request(io.vertx.grpc.common.ServiceMethod<A, Q> method)
                throws Exception {
            GrpcClientRequest<Q, A> call =
                    get(client.request(SocketAddress.inetSocketAddress(leader.port(), "127.0.0.1"), method));
            call.headers().set("authorization", "Bearer " + TOKEN);
            return call;
        }

        /** The leader ends, and all others hear from it that there is no more to do. */
        void endsWell() throws InterruptedException {
            ended = true;
            leader.close();
            for (MemberProcess member : members) {
                assertThat(member.end()).isZero();
            }
        }

        @Override
        public void close() throws Exception {
            if (!ended) {
                leader.close(Duration.ZERO);
            }
            members.forEach(MemberProcess::close);
            get(vertx.close());
        }
    }

    private static List<GenerateRequest> requests() {
        Random random = new Random(5);
        List<GenerateRequest> requests = new ArrayList<>();
        for (int length : List.of(6, 180, 20, 33)) {
            List<Integer> prompt =
                    random.ints(length, 3, TinyLlama.VOCABULARY).boxed().toList();
            SamplingParameters.Builder greedy = SamplingParameters.newBuilder()
                    .setTopP(1)
                    .setRepetitionPenalty(1)
                    .setIgnoreEos(true);
            requests.add(request(prompt, greedy));
            requests.add(request(prompt, greedy.clone().setLogprobs(3).setPromptLogprobs(2)));
            greedy.setTemperature(1.2f);
            requests.add(request(prompt, greedy.clone().setSeed(7)));
            requests.add(request(prompt, greedy.clone().setSeed(8).setTopK(20).setLogprobs(0)));
            requests.add(request(
                    prompt, greedy.clone().setSeed(9).setFrequencyPenalty(0.4f).setRepetitionPenalty(1.2f)));
        }
        return requests;
    }

    private static GenerateRequest request(List<Integer> prompt, SamplingParameters.Builder sampling) {
        return GenerateRequest.newBuilder()
                .setRequestId("test")
                .addAllPrompt(prompt)
                .setMaxTokens(IDS)
                .setSampling(sampling)
                .build();
    }

    /** All of an answer but the times. */
    private record Answer(List<Token> tokens, List<Logprobs> prompt) {}

    /** Answers on their way. */
    private static final class Streams {
        private final List<CompletableFuture<Answer>> answers = new ArrayList<>();
        private final List<Token> heard = new CopyOnWriteArrayList<>();

        void read(GrpcClientRequest<GenerateRequest, GenerateResponse> call) {
            CompletableFuture<Answer> answer = new CompletableFuture<>();
            answers.add(answer);
            call.response().onFailure(answer::completeExceptionally).onSuccess(response -> {
                Answer parts = new Answer(new ArrayList<>(), new ArrayList<>());
                response.handler(message -> {
                    parts.tokens.addAll(message.getTokensList());
                    parts.prompt.addAll(message.getPromptLogprobsList());
                    heard.addAll(message.getTokensList());
                });
                response.exceptionHandler(answer::completeExceptionally);
                response.endHandler(_ -> answer.complete(parts));
            });
        }

        /** Waits until so many tokens have come. */
        void await(int tokens) throws InterruptedException {
            while (heard.size() < tokens) {
                Thread.sleep(1);
            }
            assertThat(answers).as("there is more to come").anyMatch(answer -> !answer.isDone());
        }

        List<Answer> end() throws Exception {
            List<Answer> ended = new ArrayList<>();
            for (CompletableFuture<Answer> answer : answers) {
                ended.add(answer.get(LIMIT_SECONDS, TimeUnit.SECONDS));
            }
            assertThat(ended).allSatisfy(answer -> assertThat(answer.tokens).hasSize(IDS));
            return ended;
        }
    }

    private static <T> T get(Future<T> future) throws Exception {
        return future.toCompletionStage().toCompletableFuture().get(LIMIT_SECONDS, TimeUnit.SECONDS);
    }
}
