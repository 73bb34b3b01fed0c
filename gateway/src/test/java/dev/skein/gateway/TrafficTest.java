package dev.skein.gateway;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.protocol.v1.FinishReason;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.protocol.v1.Group;
import io.vertx.grpc.common.GrpcStatus;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** Clients that leave or do not read, and groups that are lost, full or not there. */
class TrafficTest {
    private static final String STREAM = "{\"prompt\":\"x\",\"stream\":true}";
    private static final String BODY = "{\"prompt\":\"x\"}";

    private final Stage stage = new Stage(options -> options.withLimits(patience(Duration.ofSeconds(10))));

    private static GatewayOptions.Limits patience(Duration groupWait) {
        return limits(groupWait, Duration.ZERO);
    }

    private static GatewayOptions.Limits limits(Duration groupWait, Duration request) {
        GatewayOptions.Limits limits = GatewayOptions.Limits.defaults();
        return new GatewayOptions.Limits(
                limits.bodyBytes(),
                limits.heldBytes(),
                limits.headerBytes(),
                limits.nesting(),
                limits.requests(),
                limits.sequences(),
                limits.header(),
                limits.body(),
                limits.keepAlive(),
                groupWait,
                limits.drain(),
                request);
    }

    @AfterEach
    void stop() {
        stage.close();
    }

    private Socket send(String body, int receiveBuffer) throws IOException {
        Socket socket = new Socket();
        socket.setReceiveBufferSize(receiveBuffer);
        socket.connect(new InetSocketAddress("127.0.0.1", stage.port));
        socket.getOutputStream()
                .write(("POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: "
                                + body.length() + "\r\n\r\n" + body)
                        .getBytes(UTF_8));
        return socket;
    }

    private static BufferedReader reader(Socket socket) throws IOException {
        return new BufferedReader(new InputStreamReader(socket.getInputStream(), UTF_8));
    }

    private static void readUntil(BufferedReader reader, String words) throws IOException {
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            if (line.contains(words)) {
                return;
            }
        }
        throw new AssertionError("the stream ended before " + words);
    }

    @Test
    void aClosedSocketCancelsTheCallOfAStream() throws Exception {
        FakeWorker.Call call;
        try (Socket socket = send(STREAM, 4096)) {
            call = stage.worker.next();
            call.say("begun");
            readUntil(reader(socket), "begun");
        }
        call.cancelled.get(10, TimeUnit.SECONDS);
    }

    @Test
    void aClosedSocketCancelsTheCallsOfOneBody() throws Exception {
        List<FakeWorker.Call> calls = new ArrayList<>();
        try (Socket _ = send("{\"prompt\":\"x\",\"n\":3}", 4096)) {
            for (int i = 0; i < 3; i++) {
                calls.add(stage.worker.next());
            }
        }
        for (FakeWorker.Call call : calls) {
            call.cancelled.get(10, TimeUnit.SECONDS);
        }
    }

    @Test
    void aReaderThatDoesNotReadPausesItsOwnSequenceAndNoOther() throws Exception {
        GenerateResponse page =
                FakeWorker.tokens(TinyModel.ids("x".repeat(200))).build();
        try (Socket socket = send(STREAM, 4096)) {
            FakeWorker.Call slow = stage.worker.next();
            stage.vertx.runOnContext(_ -> slow.flood(page));
            long sent = settled(slow);
            // 256 KB of socket, 16 KB of queue, 32 KB of window and what the two kernels add to that, in pages of 350
            // B.
            assertThat(sent).isBetween(100L, 20_000L);

            stage.worker.says("fine");
            assertThat(stage.json(stage.post("/v1/completions", BODY))
                            .at("/choices/0/text")
                            .asString())
                    .isEqualTo("fine");
            assertThat(slow.sent.get()).isEqualTo(sent);

            BufferedReader reader = reader(socket);
            for (int i = 0; i < 2 * sent; i++) {
                readUntil(reader, "xxx");
            }
            assertThat(slow.sent.get()).isGreaterThan(sent);
            assertThat(slow.cancelled).isNotDone();
        }
    }

    /** How many messages were sent once no more are for a while. */
    private static long settled(FakeWorker.Call call) throws InterruptedException {
        long before = -1;
        for (int same = 0; same < 20; ) {
            Thread.sleep(50);
            long now = call.sent.get();
            same = now == before && now > 0 ? same + 1 : 0;
            before = now;
        }
        return before;
    }

    @Test
    void aRequestWhoseWorkerDiesBeforeAnythingIsSentGoesToAnother() throws Exception {
        FakeWorker other = new FakeWorker(stage.vertx);
        other.says("second");
        Future<HttpResponse<String>> answer = async(() -> stage.post("/v1/completions", STREAM));
        stage.worker.next();
        stage.scheduler.tell(FakeScheduler.ready("group-0", stage.worker), FakeScheduler.ready("group-1", other));
        stage.worker.close();
        HttpResponse<String> response = answer.get();
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        assertThat(text(Stage.events(response.body()))).isEqualTo("second");
        other.close();
    }

    @Test
    void aBodyGoesOnWithTheGroupThatComesBack() throws Exception {
        Future<HttpResponse<String>> answer = async(() -> stage.post("/v1/completions", BODY));
        stage.worker.next().say("lost and ");
        stage.scheduler.tell(FakeScheduler.gone("group-0"));
        stage.worker.close();
        try (FakeWorker restarted = new FakeWorker(stage.vertx)) {
            restarted.says("found");
            stage.scheduler.tell(FakeScheduler.ready("group-0", restarted));
            assertThat(stage.json(answer.get()).at("/choices/0/text").asString())
                    .isIn("found", "lost and found");
        }
    }

    /** As when its machine is cut off: its connections stay open, and nothing comes. */
    @Test
    void aBodyGoesOnElsewhereWhenNobodyHearsOfItsGroupAnyMore() throws Exception {
        Future<HttpResponse<String>> answer = async(() -> stage.post("/v1/completions", BODY));
        FakeWorker.Call silent = stage.worker.next();
        try (FakeWorker other = new FakeWorker(stage.vertx)) {
            other.says("found");
            stage.scheduler.tell(FakeScheduler.ready("group-1", other));
            assertThat(answer.get(20, TimeUnit.SECONDS).body()).contains("found");
            silent.cancelled.get(10, TimeUnit.SECONDS);
        }
    }

    @Test
    void aStreamWhoseWorkerDiesGoesOnWithAnother() throws Exception {
        String body = "{\"prompt\":\"x\",\"stream\":true,\"max_tokens\":100}";
        try (Socket socket = send(body, 65_536);
                FakeWorker other = new FakeWorker(stage.vertx)) {
            FakeWorker.Call call = stage.worker.next();
            call.send(FakeWorker.tokens(TinyModel.ids("begun")));
            BufferedReader reader = reader(socket);
            readUntil(reader, "begun");
            stage.scheduler.tell(FakeScheduler.ready("group-1", other));
            stage.worker.close();

            FakeWorker.Call rest = other.next();
            List<Integer> begun = IntStream.of(TinyModel.ids("begun")).boxed().toList();
            assertThat(rest.request.getResumed()).isEqualTo(begun.size());
            assertThat(rest.request.getPromptList())
                    .startsWith(call.request.getPromptList().toArray(Integer[]::new))
                    .endsWith(begun.toArray(Integer[]::new))
                    .hasSize(call.request.getPromptCount() + begun.size());
            assertThat(call.request.getSampling().hasSeed()).isTrue();
            assertThat(rest.request.getSampling()).isEqualTo(call.request.getSampling());
            assertThat(rest.request.getMaxTokens()).isEqualTo(100);
            rest.say("ended");
            rest.end();
            readUntil(reader, "ended");
            readUntil(reader, "data: [DONE]");
        }
    }

    @Test
    void aStreamThatIsLostTwiceWithoutProgressEndsWithAnErrorLineAndDone() throws Exception {
        try (Socket socket = send(STREAM, 65_536)) {
            FakeWorker.Call call = stage.worker.next();
            call.say("begun");
            BufferedReader reader = reader(socket);
            readUntil(reader, "begun");
            AtomicInteger tries = new AtomicInteger();
            stage.worker.script = again -> {
                tries.incrementAndGet();
                again.fail(GrpcStatus.INTERNAL, "the step failed");
            };
            call.fail(GrpcStatus.INTERNAL, "the step failed");
            String line = reader.readLine();
            while (!line.startsWith("data: ")) {
                line = reader.readLine();
            }
            JsonNode error = Stage.JSON.readTree(line.substring(6)).get("error");
            assertThat(error.get("type").asString()).isEqualTo("InternalServerError");
            assertThat(error.get("code").asInt()).isEqualTo(500);
            readUntil(reader, "data: [DONE]");
            assertThat(tries).hasValue(2);
        }
    }

    @Test
    void aRequestThatFailsStepsIsNotTriedForEver() throws Exception {
        AtomicInteger tries = new AtomicInteger();
        stage.worker.script = call -> {
            tries.incrementAndGet();
            call.fail(GrpcStatus.INTERNAL, "step failed at /secret/path");
        };
        HttpResponse<String> response = stage.post("/v1/completions", BODY);
        assertThat(response.statusCode()).isEqualTo(500);
        assertThat(response.body()).contains("InternalServerError").doesNotContain("/secret");
        assertThat(tries).hasValue(3);
    }

    @Test
    void aFullWorkerIs503WithRetryAfter() throws Exception {
        stage.worker.script = call -> call.fail(GrpcStatus.RESOURCE_EXHAUSTED, "512 requests wait");
        HttpResponse<String> response = stage.post("/v1/completions", STREAM);
        assertThat(response.statusCode()).isEqualTo(503);
        assertThat(response.headers().firstValue("retry-after")).isPresent();
        assertThat(response.body()).contains("ServiceUnavailableError", "512 requests wait");
    }

    private static Stage hurried(Duration time) {
        return new Stage(options -> options.withLimits(limits(Duration.ofSeconds(10), time)));
    }

    @Test
    void workersAreToldHowLongARequestMayTake() throws Exception {
        try (Stage hurried = hurried(Duration.ofSeconds(60))) {
            List<Long> told = Collections.synchronizedList(new ArrayList<>());
            hurried.worker.script = call -> {
                told.add(call.timeout());
                call.end();
            };
            hurried.post("/v1/completions", "{\"prompt\":[\"x\",\"y\"],\"n\":2}");
            assertThat(told).hasSize(4).allSatisfy(millis -> assertThat(millis).isBetween(1L, 60_001L));
        }
        stage.worker.script = call -> {
            assertThat(call.timeout()).isZero();
            call.end();
        };
        assertThat(stage.post("/v1/completions", BODY).statusCode()).isEqualTo(200);
    }

    @Test
    void whatTakesTooLongIs504AndNotWorthAnotherTry() throws Exception {
        try (Stage hurried = hurried(Duration.ofMillis(1500))) {
            hurried.worker.script = call -> call.fail(GrpcStatus.DEADLINE_EXCEEDED, "the deadline has passed");
            for (String body : List.of(BODY, STREAM)) {
                HttpResponse<String> response = hurried.post("/v1/completions", body);
                assertThat(response.statusCode()).isEqualTo(504);
                assertThat(response.headers().firstValue("x-should-retry")).contains("false");
                assertThat(response.headers().firstValue("retry-after")).isEmpty();
                assertThat(hurried.json(response).at("/error/type").asString()).isEqualTo("TimeoutError");
                assertThat(hurried.json(response).at("/error/code").asInt()).isEqualTo(504);
                assertThat(response.body()).contains("1.5 s", "--request-timeout");
            }
        }
    }

    @Test
    void aStreamWhoseTimeIsUpEndsWithTheError() throws Exception {
        try (Stage hurried = hurried(Duration.ofSeconds(60))) {
            hurried.worker.script = call -> {
                call.say("begun");
                call.fail(GrpcStatus.DEADLINE_EXCEEDED, "the deadline has passed");
            };
            HttpResponse<String> response = hurried.post("/v1/completions", STREAM);
            assertThat(response.statusCode()).isEqualTo(200);
            List<String> events = Stage.events(response.body());
            assertThat(events).hasSize(3).last().isEqualTo("[DONE]");
            assertThat(events.get(0)).contains("begun");
            assertThat(Stage.JSON.readTree(events.get(1)).at("/error/code").asInt())
                    .isEqualTo(504);
        }
    }

    @Test
    void whatWaitedUntilItsTimeWasUpIs503AndMayBeTriedAgain() throws Exception {
        try (Stage hurried = hurried(Duration.ofMillis(200))) {
            hurried.worker.script = call -> hurried.vertx.setTimer(
                    call.timeout(), _ -> call.fail(GrpcStatus.RESOURCE_EXHAUSTED, "the deadline has passed"));
            HttpResponse<String> response = hurried.post("/v1/completions", STREAM);
            assertThat(response.statusCode()).isEqualTo(503);
            assertThat(response.headers().firstValue("retry-after")).isPresent();
            assertThat(response.body()).contains("waited for its turn", "0.2 s");
        }
    }

    @Test
    void aWorkerThatForgetsTheTimeIsNotWaitedFor() throws Exception {
        try (Stage hurried = hurried(Duration.ofMillis(100))) {
            FutureTask<HttpResponse<String>> answer = new FutureTask<>(() -> hurried.post("/v1/completions", BODY));
            Thread.ofVirtual().start(answer);
            FakeWorker.Call call = hurried.worker.next();
            call.cancelled.get(10, TimeUnit.SECONDS);
            assertThat(answer.get(10, TimeUnit.SECONDS).statusCode()).isEqualTo(504);
        }
    }

    @Test
    void aFullWorkerIsPassedOverForOneWithRoom() throws Exception {
        FakeWorker other = new FakeWorker(stage.vertx);
        other.says("room");
        stage.worker.script = call -> call.fail(GrpcStatus.RESOURCE_EXHAUSTED, "full");
        stage.scheduler.tell(FakeScheduler.ready("group-0", stage.worker), FakeScheduler.ready("group-1", other));
        for (int i = 0; i < 4; i++) {
            HttpResponse<String> response = stage.post("/v1/completions", BODY);
            // The first may be asked before the gateway has heard of the second group.
            if (other.started.get() > 0) {
                assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
            }
        }
        other.close();
    }

    @Test
    void whatTheWorkerRefusesIsTheClientsFault() throws Exception {
        stage.worker.script = call -> call.fail(GrpcStatus.INVALID_ARGUMENT, "min_tokens is above the context");
        HttpResponse<String> response = stage.post("/v1/completions", STREAM);
        assertThat(response.statusCode()).isEqualTo(400);
        assertThat(response.body()).contains("BadRequestError", "min_tokens is above the context");
    }

    @Test
    void aDrainingWorkerIsAskedAgainUntilItIsBack() throws Exception {
        AtomicInteger tries = new AtomicInteger();
        stage.worker.script = call -> {
            if (tries.incrementAndGet() < 5) {
                call.fail(GrpcStatus.UNAVAILABLE, "draining");
            } else {
                call.say("back");
                call.end();
            }
        };
        assertThat(stage.json(stage.post("/v1/completions", BODY))
                        .at("/choices/0/text")
                        .asString())
                .isEqualTo("back");
    }

    @Test
    void theGroupWithTheFewestTokensToDoIsAsked() throws Exception {
        FakeWorker other = new FakeWorker(stage.vertx);
        stage.scheduler.tell(FakeScheduler.ready("group-0", stage.worker), FakeScheduler.ready("group-1", other));
        List<Future<HttpResponse<String>>> answers = new ArrayList<>();
        while (stage.json(stage.get("/skein/status")).get("groups").size() < 2) {
            Thread.onSpinWait();
        }
        List<FakeWorker.Call> calls = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            answers.add(async(() -> stage.post("/v1/completions", BODY)));
            calls.add(i % 2 == 0 ? stage.worker.next() : other.next());
        }
        calls.forEach(FakeWorker.Call::end);
        for (Future<HttpResponse<String>> answer : answers) {
            assertThat(answer.get().statusCode()).isEqualTo(200);
        }
        other.close();
    }

    @Test
    void manyStreamsAtATimeGetTheirOwnText() throws Exception {
        stage.worker.script = call -> {
            String own = "<" + call.request.getSampling().getSeed() + ">";
            for (int i = 0; i < 20; i++) {
                call.say(own);
            }
            call.end(GenerateResponse.newBuilder().setFinish(FakeWorker.finish(FinishReason.FINISH_REASON_LENGTH)));
        };
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<String>> texts = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                String body = "{\"prompt\":\"x\",\"stream\":true,\"seed\":" + i + "}";
                Callable<String> one = () ->
                        text(Stage.events(stage.post("/v1/completions", body).body()));
                texts.add(threads.submit(one));
            }
            for (int i = 0; i < 200; i++) {
                assertThat(texts.get(i).get()).isEqualTo(("<" + i + ">").repeat(20));
            }
        }
    }

    private static String text(List<String> events) {
        StringBuilder text = new StringBuilder();
        for (String event : events) {
            if (!event.equals("[DONE]")) {
                text.append(Stage.JSON.readTree(event).at("/choices/0/text").asString());
            }
        }
        return text.toString();
    }

    private static <T> Future<T> async(Callable<T> work) {
        FutureTask<T> task = new FutureTask<>(work);
        Thread.ofVirtual().start(task);
        return task;
    }

    @Test
    void aRequestWakesWhatSleepsAndIsAnsweredByIt() throws Exception {
        Group group = FakeScheduler.of("sleeper", 1, FakeScheduler.ready("sleeper-0", stage.worker));
        stage.scheduler.tell(List.of("sleeper"), group);
        stage.awaitStatus("/models/0/names/0", "sleeper");
        stage.scheduler.tellSleep("sleeper", true);
        stage.awaitStatus("/deployments/0/asleep", "true");
        assertThat(stage.get("/health").statusCode()).isEqualTo(200);
        assertThat(stage.scheduler.woken).isEmpty();

        stage.worker.says("awake");
        Future<HttpResponse<String>> answer = async(() -> stage.post("/v1/completions", BODY));
        assertThat(stage.scheduler.woken.poll(10, TimeUnit.SECONDS)).isEqualTo("sleeper");
        stage.scheduler.tellSleep("sleeper", false);
        stage.awaitStatus("/deployments/0/asleep", "false");
        assertThat(stage.get("/health").statusCode()).as("while it wakes").isEqualTo(200);
        assertThat(answer.isDone()).isFalse();
        stage.scheduler.tell(List.of("sleeper"), group);
        assertThat(stage.json(answer.get()).at("/choices/0/text").asString()).isEqualTo("awake");
    }

    @Test
    void whatFallsAsleepUnderARequestIsWokenAgain() throws Exception {
        Group group = FakeScheduler.of("sleeper", 1, FakeScheduler.ready("sleeper-0", stage.worker));
        stage.scheduler.tell(List.of("sleeper"), group);
        stage.awaitStatus("/models/0/names/0", "sleeper");
        stage.worker.script = call -> call.fail(GrpcStatus.UNAVAILABLE, "draining");
        Future<HttpResponse<String>> answer = async(() -> stage.post("/v1/completions", BODY));
        stage.scheduler.tellSleep("sleeper", true);
        assertThat(stage.scheduler.woken.poll(10, TimeUnit.SECONDS)).isEqualTo("sleeper");
        stage.worker.says("again");
        stage.scheduler.tell(List.of("sleeper"), group);
        assertThat(stage.json(answer.get()).at("/choices/0/text").asString()).isEqualTo("again");
    }

    @Test
    void whatSleepsSinceBeforeTheGatewayBeganIsWokenToBeKnown() throws Exception {
        stage.scheduler.tellSleep("sleeper", true);
        assertThat(stage.scheduler.woken.poll(10, TimeUnit.SECONDS)).isEqualTo("sleeper");
    }

    @Test
    void withoutTimeToWaitThereIs503AtOnce() throws Exception {
        try (Stage impatient = new Stage(options -> options.withLimits(patience(Duration.ZERO)))) {
            impatient.worker.says("there");
            assertThat(impatient.post("/v1/completions", BODY).statusCode()).isEqualTo(200);
            impatient.scheduler.tell();
            while (impatient.get("/health").statusCode() == 200) {
                Thread.onSpinWait();
            }
            HttpResponse<String> response = impatient.post("/v1/completions", BODY);
            assertThat(response.statusCode()).isEqualTo(503);
            assertThat(response.headers().firstValue("retry-after")).isPresent();
        }
    }

    @Test
    void withoutAGroupThereIs503AfterAWhile() throws Exception {
        try (Stage impatient = new Stage(options -> options.withLimits(patience(Duration.ofMillis(200))))) {
            impatient.scheduler.tell();
            while (impatient.get("/health").statusCode() == 200) {
                Thread.onSpinWait();
            }
            HttpResponse<String> response = impatient.post("/v1/completions", STREAM);
            assertThat(response.statusCode()).isEqualTo(503);
            assertThat(response.headers().firstValue("retry-after")).isPresent();
            assertThat(response.body()).contains("No group is ready");
        }
    }
}
