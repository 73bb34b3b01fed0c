package dev.skein.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.protocol.v1.Group;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** Several models behind one gateway, and one whose groups are updated to another. */
class ModelsTest {
    private final Stage stage = new Stage();
    private final List<FakeWorker> workers = new ArrayList<>(List.of(stage.worker));

    @AfterEach
    void stop() {
        workers.subList(1, workers.size()).forEach(FakeWorker::close);
        stage.close();
    }

    private FakeWorker worker(int maxModelLen) {
        FakeWorker worker = new FakeWorker(
                stage.vertx,
                TinyModel.card().toBuilder().setMaxModelLen(maxModelLen).build(),
                TinyModel.tokenizer());
        workers.add(worker);
        return worker;
    }

    private static Group group(String deployment, int index, int revision, FakeWorker worker) {
        return FakeScheduler.of(deployment, revision, FakeScheduler.ready(deployment + "-" + index, worker));
    }

    private HttpResponse<String> ask(String model) throws Exception {
        return stage.post("/v1/completions", "{\"model\":\"" + model + "\",\"prompt\":\"x\"}");
    }

    private List<String> models() throws Exception {
        List<String> names = new ArrayList<>();
        for (JsonNode card : stage.json(stage.get("/v1/models")).get("data")) {
            names.add(card.get("id").asString());
        }
        return names;
    }

    private void told(List<String> deployments, Group... groups) throws Exception {
        stage.scheduler.tell(deployments, groups);
        while (!models().containsAll(deployments)) {
            Thread.onSpinWait();
        }
    }

    @Test
    void eachNameIsServedByItsOwnGroups() throws Exception {
        FakeWorker other = worker(1024);
        stage.worker.says("first");
        other.says("second");
        told(List.of("one", "two"), group("one", 0, 1, stage.worker), group("two", 0, 1, other));
        for (int i = 0; i < 4; i++) {
            assertThat(stage.json(ask("one")).at("/choices/0/text").asString()).isEqualTo("first");
            JsonNode answer = stage.json(ask("two"));
            assertThat(answer.at("/choices/0/text").asString()).isEqualTo("second");
            assertThat(answer.at("/model").asString()).isEqualTo("two");
        }
        HttpResponse<String> unknown = ask("three");
        assertThat(unknown.statusCode()).isEqualTo(404);
        assertThat(unknown.body()).contains("three", "one", "two");
        assertThat(stage.json(stage.get("/v1/models/two")).at("/max_model_len").asInt())
                .isEqualTo(1024);
        String metrics = stage.get("/metrics").body();
        assertThat(metrics)
                .contains("vllm:request_success_total{engine=\"0\",finished_reason=\"stop\",model_name=\"one\"} 4.0")
                .contains("model_name=\"two\"")
                .containsOnlyOnce("# TYPE vllm:request_success_total counter");
    }

    @Test
    void anAnswerGoesOnOnlyWhereTheSameModelIs() throws Exception {
        FakeWorker newer = worker(1024);
        FakeWorker same = new FakeWorker(stage.vertx);
        workers.add(same);
        told(List.of("one"), group("one", 0, 1, stage.worker));
        FutureTask<HttpResponse<String>> answer = new FutureTask<>(() -> ask("one"));
        Thread.ofVirtual().start(answer);
        stage.worker.next().say("begun and ");
        newer.says("another model's");
        told(List.of("one"), group("one", 1, 2, newer), group("one", 2, 1, same));
        stage.worker.close();
        FakeWorker.Call rest = same.next();
        rest.say("ended");
        rest.end();
        assertThat(text(answer)).isIn("begun and ended", "ended");
        assertThat(newer.started).hasValue(0);
    }

    private String text(Future<HttpResponse<String>> answer) throws Exception {
        return stage.json(answer.get()).at("/choices/0/text").asString();
    }

    @Test
    void requestsOfANameThatHasNoGroupsWaitAndHealthIsWell() throws Exception {
        told(List.of("one"), group("one", 0, 1, stage.worker));
        stage.worker.says("awake");
        stage.scheduler.tell(List.of("one"));
        while (!stage.json(stage.get("/skein/status")).get("groups").isEmpty()) {
            Thread.onSpinWait();
        }
        assertThat(stage.get("/health").statusCode()).isEqualTo(200);
        assertThat(models()).contains("one");
        FutureTask<HttpResponse<String>> answer = new FutureTask<>(() -> ask("one"));
        Thread.ofVirtual().start(answer);
        stage.scheduler.tell(List.of("one"), group("one", 0, 1, stage.worker));
        assertThat(text(answer)).isEqualTo("awake");
    }
}
