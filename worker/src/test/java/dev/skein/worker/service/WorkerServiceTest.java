package dev.skein.worker.service;

import static dev.skein.worker.service.WorkerClientFixture.greedy;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ElementType;
import dev.skein.compute.cuda.CudaBackends.Device;
import dev.skein.protocol.v1.DrainRequest;
import dev.skein.protocol.v1.FinishReason;
import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.protocol.v1.HealthRequest;
import dev.skein.protocol.v1.HealthState;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.ModelRequest;
import dev.skein.protocol.v1.StatisticsRequest;
import dev.skein.protocol.v1.StatisticsResponse;
import dev.skein.protocol.v1.TokenizerModel;
import dev.skein.protocol.v1.TokenizerRequest;
import dev.skein.protocol.v1.WorkerGrpcClient;
import dev.skein.worker.DeviceOptions;
import dev.skein.worker.GroupOptions;
import dev.skein.worker.LoadFormat;
import dev.skein.worker.Worker;
import dev.skein.worker.WorkerListener;
import dev.skein.worker.WorkerOptions;
import dev.skein.worker.model.GgufWriter;
import dev.skein.worker.model.TinyLlama;
import io.vertx.grpc.common.GrpcStatus;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class WorkerServiceTest {
    private static final String TOKEN = "a token";
    /** Much longer than a test waits. */
    private static final int ENDLESS = 200_000;

    private final List<WorkerListener.Event> events = new CopyOnWriteArrayList<>();
    private Worker worker;
    private WorkerClientFixture client;

    @BeforeAll
    void start(@TempDir Path folder) {
        Path model = longContext(TinyLlama.keys()).write(folder.resolve("tiny.gguf"));
        worker = Worker.start(options(model), events::add);
        worker.ready().join();
    }

    private static GgufWriter longContext(GgufWriter keys) {
        return TinyLlama.weights(
                keys.without("llama.context_length").uint32("llama.context_length", ENDLESS),
                ElementType.Q8_0,
                3,
                false);
    }

    static WorkerOptions options(Path model) {
        return new WorkerOptions(
                model,
                LoadFormat.AUTO,
                1,
                "java",
                new DeviceOptions(Device.CPU, 0.9, false, false),
                ENDLESS,
                4,
                64,
                64 << 20,
                3,
                true,
                false,
                null,
                20,
                1,
                GroupOptions.ALONE,
                "127.0.0.1",
                0,
                TOKEN);
    }

    @BeforeEach
    void connect() {
        client = new WorkerClientFixture(worker.port(), TOKEN);
    }

    @AfterEach
    void disconnect() throws Exception {
        client.close();
        awaitIdle();
    }

    @AfterAll
    void stop() {
        worker.close(Duration.ZERO);
    }

    private StatisticsResponse statistics() throws Exception {
        try (WorkerClientFixture other = new WorkerClientFixture(worker.port(), TOKEN)) {
            return other.call(WorkerGrpcClient.Statistics, StatisticsRequest.getDefaultInstance());
        }
    }

    /** Returns when no sequence runs or waits and all blocks are free. */
    private void awaitIdle() throws Exception {
        StatisticsResponse now = statistics();
        while (now.getRunning() + now.getWaiting() + now.getBlocksUsed() > 0) {
            now = statistics();
        }
    }

    @Test
    void tellsWhatHappensInOrder() {
        List<String> kinds = new ArrayList<>(
                events.stream().map(event -> event.getClass().getSimpleName()).toList());
        assertThat(kinds.remove("Listening")).isTrue();
        kinds.removeAll(Collections.singleton("Loading"));
        assertThat(kinds).containsExactly("Warming", "Ready");
        assertThat(events)
                .contains(new WorkerListener.Listening("127.0.0.1", worker.port()), new WorkerListener.Loading(3, 3));
    }

    @Test
    void saysWhatItServes() throws Exception {
        ModelCard card = client.call(WorkerGrpcClient.Model, ModelRequest.getDefaultInstance());
        assertThat(card.getName()).isEqualTo("tiny");
        assertThat(card.getRoot()).endsWith("tiny.gguf");
        assertThat(card.getArchitecture()).isEqualTo("llama");
        assertThat(card.getVocabularySize()).isEqualTo(TinyLlama.VOCABULARY);
        assertThat(card.getMaxModelLen()).isEqualTo(ENDLESS);
        assertThat(card.getEosTokenIdsList()).containsExactly(TinyLlama.END);
        assertThat(card.getQuantization()).isEqualTo("Q8_0");
        assertThat(card.getBackend()).contains("Java");
        assertThat(card.getBlockSize()).isEqualTo(16);
        assertThat(card.getBlocks()).isPositive();
        assertThat(card.getMaxLogprobs()).isEqualTo(20);
        assertThat(card.getVersion()).matches("\\d+\\.\\d+\\.\\d+.*");
        TokenizerModel tokenizer = client.call(WorkerGrpcClient.Tokenizer, TokenizerRequest.getDefaultInstance());
        assertThat(tokenizer.getGguf().getTokensList())
                .hasSize(TinyLlama.VOCABULARY)
                .startsWith("t0", "t1", "<|im_end|>");
        assertThat(tokenizer.getGguf().getTypesCount()).isEqualTo(TinyLlama.VOCABULARY);
        assertThat(tokenizer.getGguf().getMergesList()).containsExactly("t 1", "t 2");
        assertThat(tokenizer.getChatTemplate()).isEqualTo("{{ messages }}");
        assertThat(tokenizer.getEosTokenId()).isEqualTo(TinyLlama.END);
        assertThat(tokenizer.getBosTokenId()).isEqualTo(1);
        assertThat(tokenizer.hasUnknownTokenId()).isFalse();
        assertThat(client.call(WorkerGrpcClient.Health, HealthRequest.getDefaultInstance())
                        .getState())
                .isEqualTo(HealthState.HEALTH_STATE_READY);
    }

    @Test
    void streamsTokensAndSaysHowItEnded() throws Exception {
        GenerateRequest request = greedy(12, 5, 6, 7).toBuilder().build();
        GenerateRequest.Builder scored = request.toBuilder();
        scored.getSamplingBuilder().setLogprobs(2).setPromptLogprobs(1);
        WorkerClientFixture.Stream stream = client.generate(scored.build());
        assertThat(stream.end()).isEqualTo(GrpcStatus.OK);
        assertThat(stream.ids()).hasSize(12);
        assertThat(stream.messages.getFirst().getPromptLogprobsList()).hasSize(2);
        for (GenerateResponse message : stream.messages.subList(1, stream.messages.size())) {
            assertThat(message.getPromptLogprobsList()).isEmpty();
        }
        assertThat(stream.messages)
                .allSatisfy(message -> assertThat(message.getTokensList())
                        .allSatisfy(token ->
                                assertThat(token.getLogprobs().getTopIdsList()).hasSize(2)));
        GenerateResponse last = stream.messages.getLast();
        assertThat(last.getFinish().getReason()).isEqualTo(FinishReason.FINISH_REASON_LENGTH);
        assertThat(last.getFinish().getPrefillNanos()).isPositive();
        assertThat(stream.messages.stream().filter(GenerateResponse::hasFinish)).hasSize(1);
    }

    /** A reader that gets the end apart from the last id would show one event too many; so it is tried often. */
    @RepeatedTest(50)
    void theLastTokenBringsTheEnd() throws Exception {
        WorkerClientFixture.Stream stream = client.generate(greedy(3, 5, 6, 7));
        assertThat(stream.end()).isEqualTo(GrpcStatus.OK);
        GenerateResponse last = stream.messages.getLast();
        assertThat(last.hasFinish()).isTrue();
        assertThat(last.getTokensCount()).isPositive();
    }

    @Test
    void refusesWithTheStatusAndTheReason() throws Exception {
        WorkerClientFixture.Stream stream = client.generate(greedy(5, 5, 500));
        assertThat(stream.end()).isEqualTo(GrpcStatus.INVALID_ARGUMENT);
        assertThat(stream.message()).isEqualTo("prompt holds the id 500; the vocabulary has 128 ids");
        WorkerClientFixture.Stream empty =
                client.generate(GenerateRequest.newBuilder().addPrompt(4).build());
        assertThat(empty.end()).isEqualTo(GrpcStatus.INVALID_ARGUMENT);
        assertThat(empty.message()).isEqualTo("sampling is missing");
    }

    @Test
    void everyCallNeedsTheToken() throws Exception {
        try (WorkerClientFixture stranger = new WorkerClientFixture(worker.port(), "a tokem")) {
            assertThat(stranger.generate(greedy(5, 5)).end()).isEqualTo(GrpcStatus.UNAUTHENTICATED);
            assertThatThrownBy(() -> stranger.call(WorkerGrpcClient.Health, HealthRequest.getDefaultInstance()))
                    .hasStackTraceContaining("UNAUTHENTICATED");
            assertThatThrownBy(() -> stranger.call(WorkerGrpcClient.Drain, DrainRequest.getDefaultInstance()))
                    .hasStackTraceContaining("UNAUTHENTICATED");
        }
        assertThat(client.generate(greedy(5, 5)).end()).isEqualTo(GrpcStatus.OK);
    }

    @Test
    void aResetFreesTheSequence() throws Exception {
        WorkerClientFixture.Stream stream = client.generate(greedy(ENDLESS - 10, 5, 6));
        stream.first.join();
        assertThat(statistics().getRunning()).isEqualTo(1);
        stream.request.cancel();
        awaitIdle();
        assertThat(client.generate(greedy(5, 5)).end()).isEqualTo(GrpcStatus.OK);
    }

    @Test
    void aClosedConnectionFreesItsSequences() throws Exception {
        try (WorkerClientFixture leaving = new WorkerClientFixture(worker.port(), TOKEN)) {
            WorkerClientFixture.Stream one = leaving.generate(greedy(ENDLESS - 10, 5, 6));
            WorkerClientFixture.Stream two = leaving.generate(greedy(ENDLESS - 10, 7, 6));
            one.first.join();
            two.first.join();
        }
        awaitIdle();
    }

    @Test
    void aDeadlineEndsTheStream() throws Exception {
        WorkerClientFixture.Stream stream = client.generate(greedy(ENDLESS - 10, 5, 6), 200, false);
        assertThat(stream.end()).isEqualTo(GrpcStatus.DEADLINE_EXCEEDED);
        assertThat(stream.ids()).isNotEmpty();
        awaitIdle();
    }

    @Test
    void aDeadlineThatPassesInTheQueueSaysSo() throws Exception {
        List<WorkerClientFixture.Stream> streams = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            streams.add(client.generate(greedy(ENDLESS - 10, 5, 6)));
            streams.getLast().first.join();
        }
        WorkerClientFixture.Stream waiting = client.generate(greedy(5, 5), 200, false);
        assertThat(waiting.end()).isEqualTo(GrpcStatus.RESOURCE_EXHAUSTED);
        assertThat(waiting.message()).isEqualTo("the deadline has passed while the request waited");
        assertThat(statistics().getRunning()).isEqualTo(4);
        while (statistics().getWaiting() > 0) {
            Thread.onSpinWait();
        }
        streams.forEach(stream -> stream.request.cancel());
    }

    @Test
    void aSlowReaderPausesItselfAlone() throws Exception {
        int tokens = 2_000;
        WorkerClientFixture narrow = new WorkerClientFixture(worker.port(), TOKEN, 1024);
        WorkerClientFixture.Stream slow = narrow.generate(greedy(tokens, 5, 6), 0, true);
        WorkerClientFixture.Stream quick = client.generate(greedy(tokens, 5, 6));
        assertThat(quick.end()).isEqualTo(GrpcStatus.OK);
        long before = settled();
        assertThat(slow.messages).isEmpty();
        assertThat(statistics().getRunning()).isEqualTo(1);
        assertThat(before).isEqualTo(statistics().getGenerationTokens());
        slow.response.join().resume();
        assertThat(slow.end()).isEqualTo(GrpcStatus.OK);
        assertThat(slow.ids()).isEqualTo(quick.ids()).hasSize(tokens);
        narrow.close();
    }

    /** Tokens generated when no more are. */
    private long settled() throws Exception {
        long before = -1;
        long now = statistics().getGenerationTokens();
        while (before != now) {
            before = now;
            now = statistics().getGenerationTokens();
        }
        return now;
    }

    @Test
    void aFullQueueRefuses() throws Exception {
        List<WorkerClientFixture.Stream> streams = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            streams.add(client.generate(greedy(ENDLESS - 10, 5, 6)));
            streams.getLast().first.join();
        }
        for (int i = 0; i < 3; i++) {
            streams.add(client.generate(greedy(ENDLESS - 10, 5, 6)));
        }
        while (statistics().getWaiting() < 3) {
            Thread.onSpinWait();
        }
        WorkerClientFixture.Stream refused = client.generate(greedy(5, 5));
        assertThat(refused.end()).isEqualTo(GrpcStatus.RESOURCE_EXHAUSTED);
        assertThat(refused.message()).contains("3 requests are waiting");
        streams.forEach(stream -> stream.request.cancel());
    }
}
