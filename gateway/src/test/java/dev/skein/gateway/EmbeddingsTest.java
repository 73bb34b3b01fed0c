package dev.skein.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.protocol.v1.EmbedRequest;
import dev.skein.protocol.v1.EmbeddingCard;
import dev.skein.protocol.v1.GgufVocabulary;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.TokenIds;
import dev.skein.protocol.v1.TokenizerModel;
import io.vertx.grpc.common.GrpcStatus;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** {@code /v1/embeddings} over HTTP, with a worker whose vectors tell what it was asked. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class EmbeddingsTest {
    private static final int CLS = 1;
    private static final int SEP = 2;
    private static final int HELLO = 4;
    private static final int WORLD = 5;
    private static final int S = 6;
    private static final int LONGEST = 8;

    private final Stage stage = new Stage(card().build(), tokenizer(), options -> options);

    private static ModelCard.Builder card() {
        return ModelCard.newBuilder()
                .setName("mini")
                .setRoot("/models/mini")
                .setArchitecture("bert")
                .setVocabularySize(8)
                .setMaxModelLen(LONGEST)
                .setEmbedding(EmbeddingCard.newBuilder()
                        .setDimensions(4)
                        .setPooling("mean")
                        .setNormalised(true));
    }

    private static TokenizerModel tokenizer() {
        return TokenizerModel.newBuilder()
                .setGguf(GgufVocabulary.newBuilder()
                        .setModel("bert")
                        .addAllTokens(List.of(
                                "[PAD]", "[CLS]", "[SEP]", "[UNK]", "\u2581hello", "\u2581world", "s", "\u2581,"))
                        .addAllTypes(List.of(3, 3, 3, 3, 1, 1, 1, 1)))
                .build();
    }

    @BeforeEach
    void answersAtOnce() {
        stage.worker.embedCalls.clear();
        stage.worker.embedScript = call -> call.answer(4);
    }

    @AfterAll
    void close() {
        stage.close();
    }

    private EmbedRequest asked() throws InterruptedException {
        FakeWorker.EmbedCall call = stage.worker.embedCalls.poll(10, TimeUnit.SECONDS);
        assertThat(call).isNotNull();
        return call.request();
    }

    private static TokenIds ids(Integer... ids) {
        return TokenIds.newBuilder().addAllIds(List.of(ids)).build();
    }

    private HttpResponse<String> embed(String body) throws Exception {
        return stage.post("/v1/embeddings", body);
    }

    @Test
    void oneText() throws Exception {
        HttpResponse<String> response = embed("{\"model\":\"mini\",\"input\":\"Hello, WORLDs\",\"user\":\"me\"}");
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        JsonNode answer = stage.json(response);
        assertThat(answer.propertyNames()).containsExactly("id", "object", "created", "model", "data", "usage");
        assertThat(answer.get("id").stringValue()).startsWith("embd-");
        assertThat(answer.get("object").stringValue()).isEqualTo("list");
        assertThat(answer.get("model").stringValue()).isEqualTo("mini");
        assertThat(answer.get("data").toString())
                .isEqualTo("[{\"index\":0,\"object\":\"embedding\",\"embedding\":[1.0,6.0,0.5,-0.25]}]");
        assertThat(answer.get("usage").toString())
                .isEqualTo("{\"prompt_tokens\":6,\"total_tokens\":6,\"completion_tokens\":0,"
                        + "\"prompt_tokens_details\":null}");
        EmbedRequest asked = asked();
        assertThat(asked.getTextsList()).containsExactly(ids(CLS, HELLO, 7, WORLD, S, SEP));
        assertThat(asked.hasDimensions() || asked.hasNormalised()).isFalse();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "[\"hello\", \"world\"]; 1 4 2,1 5 2",
                "[4, 5, 6]; 4 5 6",
                "[[4], [5, 6]]; 4,5 6",
                "[\"hello\", [5]]; 1 4 2,5",
                "\"\"; 1 2"
            })
    void formsOfInput(String input, String expected) throws Exception {
        HttpResponse<String> response = embed("{\"input\":" + input + "}");
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        List<String> texts = asked().getTextsList().stream()
                .map(text -> String.join(
                        " ", text.getIdsList().stream().map(String::valueOf).toList()))
                .toList();
        assertThat(String.join(",", texts)).isEqualTo(expected);
        JsonNode data = stage.json(response).get("data");
        assertThat(data).hasSize(texts.size());
        for (int i = 0; i < texts.size(); i++) {
            assertThat(data.get(i).get("index").intValue()).isEqualTo(i);
        }
    }

    @Test
    void vectorsInBase64() throws Exception {
        JsonNode answer = stage.json(embed("{\"input\":[\"hello\",\"world\"],\"encoding_format\":\"base64\"}"));
        ByteBuffer bytes = ByteBuffer.wrap(Base64.getDecoder()
                        .decode(answer.get("data").get(1).get("embedding").stringValue()))
                .order(ByteOrder.LITTLE_ENDIAN);
        assertThat(bytes.remaining()).isEqualTo(16);
        assertThat(bytes.getFloat()).isEqualTo(CLS);
        assertThat(bytes.getFloat()).isEqualTo(3);
        assertThat(bytes.getFloat()).isEqualTo(0.5f);
        assertThat(bytes.getFloat()).isEqualTo(-0.25f);
    }

    @Test
    void whatIsPassedOn() throws Exception {
        assertThat(embed("{\"input\":\"hello\",\"normalize\":false,\"dimensions\":4,\"request_id\":\"mine\"}")
                        .statusCode())
                .isEqualTo(200);
        EmbedRequest asked = asked();
        assertThat(asked.getNormalised()).isFalse();
        assertThat(asked.hasNormalised()).isTrue();
        assertThat(asked.getDimensions()).isEqualTo(4);
        assertThat(asked.getRequestId()).isEqualTo("mine");
        embed("{\"input\":\"hello\",\"add_special_tokens\":false}");
        assertThat(asked().getTextsList()).containsExactly(ids(HELLO));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "5; right; 1 4 4 5 2",
                "5; left; 1 5 5 5 2",
                "2; right; 1 4",
                "-1; right; 1 4 4 5 5 5 5 2",
                "100; right; over"
            })
    void longTextsMayBeCut(int tokens, String side, String expected) throws Exception {
        HttpResponse<String> response =
                embed("{\"input\":\"hello hello world world world world world world\",\"truncate_prompt_tokens\":"
                        + tokens + ",\"truncation_side\":\"" + side + "\"}");
        if (expected.equals("over")) {
            assertThat(response.statusCode()).isEqualTo(400);
            assertThat(response.body()).contains("10 tokens", "8 tokens");
            return;
        }
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        assertThat(String.join(
                        " ",
                        asked().getTexts(0).getIdsList().stream()
                                .map(String::valueOf)
                                .toList()))
                .isEqualTo(expected);
    }

    private void refused(String body, String... words) throws Exception {
        HttpResponse<String> response = embed(body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
        assertThat(stage.json(response).get("error").get("message").stringValue())
                .contains(List.of(words));
        assertThat(stage.worker.embedCalls).isEmpty();
    }

    @Test
    void tooLongIsToldWithBothNumbers() throws Exception {
        refused(
                "{\"input\":\"hello hello hello hello hello hello hello\"}",
                "maximum context length is 8 tokens",
                "the input has 9 tokens");
        refused("{\"input\":[\"hello\",[4,4,4,4,4,4,4,4,4]]}", "input 1 has 9 tokens");
        refused("{\"input\":\"" + "x".repeat(8 * 256 + 1) + "\"}", "8 tokens", "2049 characters");
        assertThat(embed("{\"input\":\"" + "x".repeat(8 * 256) + "\"}").statusCode())
                .as("an unknown word is one token")
                .isEqualTo(200);
    }

    @Test
    void shorterVectorsAreForModelsThatWereMadeForThem() throws Exception {
        refused("{\"input\":\"hello\",\"dimensions\":2}", "does not support matryoshka representation");
        refused("{\"input\":\"hello\",\"dimensions\":0}", "dimensions is 0", "1 to 4");
        refused("{\"input\":\"hello\",\"dimensions\":5}", "dimensions is 5", "1 to 4");
        refused("{\"input\":\"hello\",\"dimensions\":99999999999}", "1 to 4");
        ModelCard.Builder nested = card();
        nested.getEmbeddingBuilder().setShortens(true).addShorter(2);
        try (Stage other = new Stage(nested.build(), tokenizer(), options -> options)) {
            other.worker.embedScript = call -> call.answer(call.request().getDimensions());
            HttpResponse<String> right = other.post("/v1/embeddings", "{\"input\":\"hello\",\"dimensions\":2}");
            assertThat(right.statusCode()).isEqualTo(200);
            assertThat(other.json(right).get("data").get(0).get("embedding")).hasSize(2);
            HttpResponse<String> wrong = other.post("/v1/embeddings", "{\"input\":\"hello\",\"dimensions\":3}");
            assertThat(wrong.statusCode()).isEqualTo(400);
            assertThat(wrong.body()).contains("only supports [2] matryoshka dimensions");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{",
                "[]",
                "{}",
                "{\"input\":null}",
                "{\"input\":[]}",
                "{\"input\":7}",
                "{\"input\":{}}",
                "{\"input\":[[]]}",
                "{\"input\":[\"a\",7]}",
                "{\"input\":[7.5]}",
                "{\"input\":[8]}",
                "{\"input\":[-1]}",
                "{\"input\":[99999999999999999999]}",
                "{\"input\":[true]}",
                "{\"input\":[\"a\",null]}",
                "{\"input\":\"a\",\"encoding_format\":\"hex\"}",
                "{\"input\":\"a\",\"encoding_format\":7}",
                "{\"input\":\"a\",\"encoding_format\":\"bytes\"}",
                "{\"input\":\"a\",\"dimensions\":\"many\"}",
                "{\"input\":\"a\",\"dimensions\":1.5}",
                "{\"input\":\"a\",\"embed_dtype\":\"float16\"}",
                "{\"input\":\"a\",\"endianness\":\"big\"}",
                "{\"input\":\"a\",\"truncate_prompt_tokens\":-2}",
                "{\"input\":\"a\",\"truncate_prompt_tokens\":0}",
                "{\"input\":\"a\",\"truncation_side\":\"middle\"}",
                "{\"input\":\"a\",\"messages\":[]}",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}",
                "{\"input\":\"a\",\"model\":7}"
            })
    void bodiesThatCannotBeServed(String body) throws Exception {
        refused(body, " ");
    }

    @Test
    void inputsAreBoundedInNumber() throws Exception {
        String most = String.join(",", Collections.nCopies(2048, "[4]"));
        assertThat(embed("{\"input\":[" + most + "]}").statusCode()).isEqualTo(200);
        stage.worker.embedCalls.clear();
        refused("{\"input\":[" + most + ",[4]]}", "2049", "2048");
    }

    @Test
    void anotherModelIsNotFound() throws Exception {
        assertThat(embed("{\"input\":\"hello\",\"model\":\"other\"}").statusCode())
                .isEqualTo(404);
    }

    @Test
    void eachKindOfModelDoesItsOwn() throws Exception {
        HttpResponse<String> chat =
                stage.post("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}");
        assertThat(chat.statusCode()).isEqualTo(404);
        assertThat(chat.body()).contains("mini", "/v1/embeddings");
        assertThat(stage.post("/v1/completions", "{\"prompt\":\"hello\"}").statusCode())
                .isEqualTo(404);
        assertThat(stage.json(stage.get("/v1/models"))
                        .get("data")
                        .get(0)
                        .get("max_model_len")
                        .intValue())
                .isEqualTo(LONGEST);
        assertThat(stage.json(stage.post("/tokenize", "{\"prompt\":\"hello worlds\"}"))
                        .get("tokens")
                        .toString())
                .isEqualTo("[1,4,5,6,2]");
        assertThat(stage.json(stage.post("/detokenize", "{\"tokens\":[4,5,6]}"))
                        .get("prompt")
                        .stringValue())
                .isEqualTo("hello worlds");
        try (Stage generator = new Stage()) {
            HttpResponse<String> response = generator.post("/v1/embeddings", "{\"input\":\"hello\"}");
            assertThat(response.statusCode()).isEqualTo(404);
            assertThat(response.body()).contains("tiny", "does not support embeddings");
        }
    }

    @Test
    void failuresAreToldAsGenerationTellsThem() throws Exception {
        stage.worker.embedScript = call -> call.fail(GrpcStatus.RESOURCE_EXHAUSTED, "100 requests are waiting");
        HttpResponse<String> busy = embed("{\"input\":\"hello\"}");
        assertThat(busy.statusCode()).isEqualTo(503);
        assertThat(busy.headers().firstValue("retry-after")).isPresent();
        stage.worker.embedScript = call -> call.fail(GrpcStatus.INVALID_ARGUMENT, "text 0 is wrong");
        assertThat(embed("{\"input\":\"hello\"}").body()).contains("text 0 is wrong");
        stage.worker.embedScript = call -> call.fail(GrpcStatus.INTERNAL, "the step failed");
        int before = stage.worker.started.get();
        assertThat(embed("{\"input\":\"hello\"}").statusCode()).isEqualTo(500);
        assertThat(stage.worker.started.get() - before).as("asked again").isEqualTo(3);
    }

    @Test
    void aLeaderThatDrainsIsAskedAgain() throws Exception {
        int before = stage.worker.started.get();
        stage.worker.embedScript = call -> {
            if (stage.worker.started.get() - before < 3) {
                call.fail(GrpcStatus.UNAVAILABLE, "draining");
            } else {
                call.answer(4);
            }
        };
        assertThat(embed("{\"input\":\"hello\"}").statusCode()).isEqualTo(200);
    }

    @Test
    void aClientThatLeavesCancelsItsCall() throws Exception {
        stage.worker.embedScript = _ -> {};
        HttpRequest request = stage.to("/v1/embeddings")
                .header("content-type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString("{\"input\":\"hello\"}"))
                .build();
        try (HttpClient client = HttpClient.newHttpClient()) {
            CompletableFuture<HttpResponse<String>> answer =
                    client.sendAsync(request, HttpResponse.BodyHandlers.ofString());
            FakeWorker.EmbedCall call = stage.worker.embedCalls.poll(10, TimeUnit.SECONDS);
            assertThat(call).isNotNull();
            answer.cancel(true);
            client.shutdownNow();
            assertThat(call.cancelled()).succeedsWithin(Duration.ofSeconds(10));
        }
    }

    @Test
    void inputsCountInTheMetrics() throws Exception {
        double succeeded = metric("vllm:request_success_total{", "finished_reason=\"stop\"");
        double tokens = metric("vllm:request_prompt_tokens_sum{", "");
        embed("{\"input\":[\"hello\",\"world\"]}");
        assertThat(metric("vllm:request_success_total{", "finished_reason=\"stop\"") - succeeded)
                .isEqualTo(2);
        assertThat(metric("vllm:request_prompt_tokens_sum{", "") - tokens).isEqualTo(6);
    }

    private double metric(String start, String part) throws Exception {
        return stage.get("/metrics")
                .body()
                .lines()
                .filter(line -> line.startsWith(start) && line.contains(part))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
                .sum();
    }
}
