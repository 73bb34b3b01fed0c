package dev.skein.worker.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.skein.compute.ElementType;
import dev.skein.compute.cuda.CudaBackends.Device;
import dev.skein.protocol.v1.EmbedRequest;
import dev.skein.protocol.v1.EmbedResponse;
import dev.skein.protocol.v1.EmbeddingCard;
import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.ModelRequest;
import dev.skein.protocol.v1.StatisticsRequest;
import dev.skein.protocol.v1.StatisticsResponse;
import dev.skein.protocol.v1.TokenIds;
import dev.skein.protocol.v1.WorkerGrpcClient;
import dev.skein.worker.DeviceOptions;
import dev.skein.worker.GroupOptions;
import dev.skein.worker.LoadFormat;
import dev.skein.worker.Worker;
import dev.skein.worker.WorkerOptions;
import dev.skein.worker.model.FamilyModel;
import dev.skein.worker.model.SentenceFolder;
import dev.skein.worker.model.TinyLlama;
import io.vertx.grpc.client.GrpcClientRequest;
import io.vertx.grpc.common.GrpcStatus;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** A worker whose model embeds, over its own port. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class EmbedCallTest {
    private static final String TOKEN = "secret";

    private final FamilyModel model = new FamilyModel("bert");
    private final Path folder;
    private final Worker worker;
    private final WorkerClientFixture client;

    EmbedCallTest(@TempDir Path folder) {
        this.folder = folder;
        worker = start(encoder());
        client = new WorkerClientFixture(worker.port(), TOKEN);
    }

    private Path encoder() {
        Path path = model.folder(folder.resolve("encoder"), ElementType.F32);
        SentenceFolder.write(path, "mean", true);
        SentenceFolder.put(path.resolve("tokenizer.json"), "{}");
        SentenceFolder.config(path, "\"matryoshka_dimensions\":[8,32]");
        return path;
    }

    private static Worker start(Path path) {
        return start(path, 0);
    }

    private static Worker start(Path path, int maxModelLen) {
        WorkerOptions options = new WorkerOptions(
                path,
                LoadFormat.AUTO,
                1,
                "auto",
                new DeviceOptions(Device.AUTO, 0.9, false, false),
                maxModelLen,
                4,
                64,
                0,
                10,
                true,
                false,
                null,
                20,
                1,
                GroupOptions.ALONE,
                "127.0.0.1",
                0,
                TOKEN);
        return Worker.start(options, _ -> {});
    }

    @BeforeAll
    void ready() {
        worker.ready().join();
    }

    @AfterAll
    void stop() throws Exception {
        client.close();
        worker.close();
    }

    private static EmbedRequest.Builder request(List<int[]> texts) {
        EmbedRequest.Builder request = EmbedRequest.newBuilder().setRequestId("test");
        for (int[] text : texts) {
            request.addTexts(
                    TokenIds.newBuilder().addAllIds(IntStream.of(text).boxed().toList()));
        }
        return request;
    }

    private record Ended(GrpcStatus status, String message) {}

    private static Ended ended(WorkerClientFixture client, EmbedRequest message, long timeoutMillis) throws Exception {
        GrpcClientRequest<EmbedRequest, EmbedResponse> request = client.request(WorkerGrpcClient.Embed);
        if (timeoutMillis > 0) {
            request.timeout(timeoutMillis, TimeUnit.MILLISECONDS);
        }
        CompletableFuture<Ended> ended = new CompletableFuture<>();
        request.response().onFailure(ended::completeExceptionally).onSuccess(response -> {
            response.exceptionHandler(ended::completeExceptionally);
            response.endHandler(
                    _ -> ended.complete(new Ended(response.status(), String.valueOf(response.statusMessage()))));
        });
        request.end(message);
        return ended.get(1, TimeUnit.MINUTES);
    }

    @Test
    void saysWhatItServes() throws Exception {
        ModelCard card = client.call(WorkerGrpcClient.Model, ModelRequest.getDefaultInstance());
        assertThat(card.getArchitecture()).isEqualTo("bert");
        assertThat(card.getMaxModelLen()).isEqualTo(100);
        assertThat(card.getBlocks()).isZero();
        assertThat(card.getEmbedding())
                .isEqualTo(EmbeddingCard.newBuilder()
                        .setDimensions(64)
                        .setPooling("mean")
                        .setNormalised(true)
                        .setShortens(true)
                        .addShorter(8)
                        .addShorter(32)
                        .build());
    }

    @Test
    void makesVectorsInTheOrderOfTheTexts() throws Exception {
        StatisticsResponse before = statistics();
        List<int[]> texts = model.texts().values().stream()
                .map(each -> each.get("ids").values().stream()
                        .mapToInt(JsonNode::intValue)
                        .toArray())
                .toList();
        EmbedResponse answer =
                client.call(WorkerGrpcClient.Embed, request(texts).build());
        assertThat(answer.getVectorsCount()).isEqualTo(texts.size());
        assertThat(answer.getComputeNanos()).isPositive();
        for (int i = 0; i < texts.size(); i++) {
            JsonNode expected = model.texts().get(i).get("mean");
            double length = Math.sqrt(expected.values().stream()
                    .mapToDouble(each -> each.doubleValue() * each.doubleValue())
                    .sum());
            for (int k = 0; k < 64; k++) {
                assertThat(answer.getVectors(i).getElements(k))
                        .isCloseTo((float) (expected.get(k).doubleValue() / length), within(0.003f));
            }
        }
        StatisticsResponse after = statistics();
        assertThat(after.getPromptTokens() - before.getPromptTokens())
                .isEqualTo(texts.stream().mapToInt(text -> text.length).sum());
        assertThat(after.getRunning() + after.getWaiting()).isZero();
        assertThat(after.getSteps()).isGreaterThan(before.getSteps());
    }

    private StatisticsResponse statistics() throws Exception {
        return client.call(WorkerGrpcClient.Statistics, StatisticsRequest.getDefaultInstance());
    }

    @Test
    void takesALengthAndAScale() throws Exception {
        EmbedRequest.Builder request = request(List.of(new int[] {7, 8, 9}));
        List<Float> raw = client.call(
                        WorkerGrpcClient.Embed,
                        request.setNormalised(false).setDimensions(8).build())
                .getVectors(0)
                .getElementsList();
        List<Float> whole = client.call(
                        WorkerGrpcClient.Embed,
                        request.setNormalised(false).clearDimensions().build())
                .getVectors(0)
                .getElementsList();
        assertThat(raw).hasSize(8).isEqualTo(whole.subList(0, 8));
    }

    @Test
    void refusesWithTheStatusAndTheReason() throws Exception {
        assertThat(ended(client, request(List.of(new int[101])).build(), 0))
                .isEqualTo(new Ended(
                        GrpcStatus.INVALID_ARGUMENT, "text 0 has 101 ids; with max_model_len 100 it may have 100"));
        assertThat(ended(client, request(List.of()).build(), 0).status()).isEqualTo(GrpcStatus.INVALID_ARGUMENT);
        assertThat(ended(client, request(List.of(new int[] {128})).build(), 0).message())
                .contains("128");
        assertThat(ended(client, request(List.of(new int[1])).setDimensions(9).build(), 0)
                        .message())
                .contains("dimensions is 9", "64", "[8, 32]");
        try (WorkerClientFixture stranger = new WorkerClientFixture(worker.port(), "guessed")) {
            assertThat(ended(stranger, request(List.of(new int[1])).build(), 0).status())
                    .isEqualTo(GrpcStatus.UNAUTHENTICATED);
        }
    }

    @Test
    void aDeadlineAndAResetForgetTheRequest() throws Exception {
        List<int[]> many = Collections.nCopies(20_000, new int[100]);
        assertThat(ended(client, request(many).build(), 100).status()).isEqualTo(GrpcStatus.DEADLINE_EXCEEDED);
        GrpcClientRequest<EmbedRequest, EmbedResponse> request = client.request(WorkerGrpcClient.Embed);
        request.end(request(many).build());
        while (statistics().getRunning() == 0) {
            Thread.sleep(1);
        }
        request.cancel();
        while (statistics().getRunning() + statistics().getWaiting() > 0) {
            Thread.sleep(1);
        }
        assertThat(client.call(
                                WorkerGrpcClient.Embed,
                                request(List.of(new int[1])).build())
                        .getVectorsCount())
                .isOne();
    }

    @Test
    void oneKindOfModelDoesNotDoWhatTheOtherDoes() throws Exception {
        GenerateRequest greedy = WorkerClientFixture.greedy(3, 1, 2);
        WorkerClientFixture.Stream stream = client.generate(greedy);
        assertThat(stream.end()).isEqualTo(GrpcStatus.UNIMPLEMENTED);
        assertThat(stream.message()).contains("does not generate");
        try (Worker generator = start(TinyLlama.of(ElementType.F32, 1).write(folder.resolve("tiny.gguf")));
                WorkerClientFixture other = new WorkerClientFixture(generator.port(), TOKEN)) {
            generator.ready().join();
            assertThat(ended(other, request(List.of(new int[1])).build(), 0))
                    .isEqualTo(new Ended(GrpcStatus.UNIMPLEMENTED, "the model generates and makes no vectors"));
            assertThat(other.call(WorkerGrpcClient.Model, ModelRequest.getDefaultInstance())
                            .hasEmbedding())
                    .isFalse();
        }
    }

    @Test
    void aTextMayBeBoundedFurtherAndNotLess() {
        try (Worker bounded = start(encoder(), 50)) {
            bounded.ready().join();
        }
        try (Worker wrong = start(encoder(), 101)) {
            assertThat(wrong.failure().join()).contains("--max-model-len 101", "100 tokens");
            assertThatThrownBy(() -> wrong.ready().join()).hasMessageContaining("101");
        }
    }
}
