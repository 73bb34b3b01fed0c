package dev.skein.worker.service;

import static dev.skein.worker.service.WorkerClientFixture.get;
import static dev.skein.worker.service.WorkerClientFixture.greedy;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ElementType;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.DrainRequest;
import dev.skein.protocol.v1.DrainResponse;
import dev.skein.protocol.v1.HealthRequest;
import dev.skein.protocol.v1.HealthResponse;
import dev.skein.protocol.v1.HealthState;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.ModelRequest;
import dev.skein.protocol.v1.StatisticsRequest;
import dev.skein.protocol.v1.TokenizerModel;
import dev.skein.protocol.v1.TokenizerRequest;
import dev.skein.protocol.v1.WorkerGrpcClient;
import dev.skein.worker.engine.TestEngine;
import dev.skein.worker.model.TinyLlama;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.grpc.client.GrpcClientResponse;
import io.vertx.grpc.common.GrpcStatus;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class WorkerServerTest {
    private static final String TOKEN = "secret";

    private Vertx vertx;
    private WorkerServer server;
    private WorkerClientFixture client;

    @TempDir
    private Path folder;

    @BeforeEach
    void listen() throws Exception {
        vertx = Vertx.vertx();
        server = new WorkerServer(vertx, TOKEN, Encryption.NONE, 100, null);
        client = new WorkerClientFixture(get(server.listen("127.0.0.1", 0)), TOKEN);
    }

    @AfterEach
    void close() throws Exception {
        client.close();
        get(vertx.close());
    }

    private HealthResponse health() throws Exception {
        return client.call(WorkerGrpcClient.Health, HealthRequest.getDefaultInstance());
    }

    @Test
    void answersWhatItCanWhileItStarts() throws Exception {
        assertThat(health().getState()).isEqualTo(HealthState.HEALTH_STATE_STARTING);
        Future<ModelCard> early = client.request(WorkerGrpcClient.Model)
                .send(ModelRequest.getDefaultInstance())
                .compose(GrpcClientResponse::last);
        server.starting("loading weights, 3 of 9");
        assertThat(health().getDetail()).isEqualTo("loading weights, 3 of 9");
        WorkerClientFixture.Stream stream = client.generate(greedy(1, 5));
        assertThat(stream.end()).isEqualTo(GrpcStatus.UNAVAILABLE);
        assertThat(stream.message()).isEqualTo("the worker is not ready: loading weights, 3 of 9");
        assertThat(early.isComplete()).isFalse();
        ModelCard card = ModelCard.newBuilder().setName("early").build();
        server.served(new Served(card, Future.succeededFuture(TokenizerModel.getDefaultInstance()), Optional::empty));
        assertThat(get(early)).isEqualTo(card);
        assertThat(client.call(WorkerGrpcClient.Tokenizer, TokenizerRequest.getDefaultInstance()))
                .isEqualTo(TokenizerModel.getDefaultInstance());
        assertThat(client.call(WorkerGrpcClient.Statistics, StatisticsRequest.getDefaultInstance())
                        .getSteps())
                .isZero();
    }

    @Test
    void saysWhyItFailed() throws Exception {
        server.failed("model.gguf: the file is cut short");
        assertThat(health().getState()).isEqualTo(HealthState.HEALTH_STATE_FAILED);
        assertThat(health().getDetail()).isEqualTo("model.gguf: the file is cut short");
        assertThatThrownBy(() -> client.call(WorkerGrpcClient.Model, ModelRequest.getDefaultInstance()))
                .hasStackTraceContaining("UNAVAILABLE");
    }

    @Test
    void carriesALargeVocabulary() throws Exception {
        TokenizerModel.Builder large = TokenizerModel.newBuilder();
        for (int id = 0; id < 300_000; id++) {
            large.getGgufBuilder().addTokens("token number " + id);
        }
        server.served(
                new Served(ModelCard.getDefaultInstance(), Future.succeededFuture(large.build()), Optional::empty));
        assertThat(client.call(WorkerGrpcClient.Tokenizer, TokenizerRequest.getDefaultInstance())
                        .getGguf()
                        .getTokensCount())
                .isEqualTo(300_000);
    }

    @Test
    void drainsByFinishingWhatRuns() throws Exception {
        Path model = TinyLlama.of(ElementType.F32, 1).write(folder.resolve("m.gguf"));
        try (TestEngine engine = new TestEngine(model, TestEngine.Size.ROOMY, TinyLlama.CONTEXT)) {
            server.ready(engine.engine());
            WorkerClientFixture.Stream running = client.generate(greedy(250, 5));
            running.first.join();
            Future<DrainResponse> drained = client.request(WorkerGrpcClient.Drain)
                    .send(DrainRequest.getDefaultInstance())
                    .compose(GrpcClientResponse::last);
            while (health().getState() != HealthState.HEALTH_STATE_DRAINING) {
                Thread.onSpinWait();
            }
            assertThat(client.generate(greedy(1, 5)).end()).isEqualTo(GrpcStatus.UNAVAILABLE);
            assertThat(running.end()).isEqualTo(GrpcStatus.OK);
            assertThat(running.ids()).hasSize(250);
            assertThat(get(drained)).isEqualTo(DrainResponse.getDefaultInstance());
        }
    }
}
