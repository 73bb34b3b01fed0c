package dev.skein.gateway;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.protocol.v1.FinishReason;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.protocol.v1.Logprobs;
import dev.skein.protocol.v1.Token;
import java.io.InputStream;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

class ChatTest {
    private static Stage stage;

    @BeforeAll
    static void start() {
        stage = new Stage();
    }

    @AfterAll
    static void stop() {
        stage.close();
    }

    private static List<String> stream(String fields) throws Exception {
        HttpResponse<String> response = stage.post(
                "/v1/chat/completions",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"stream\":true" + fields + "}");
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        assertThat(response.headers().firstValue("content-type")).hasValue("text/event-stream; charset=utf-8");
        return Stage.events(response.body());
    }

    /** With what differs from run to run replaced. */
    private static String steady(String event) {
        return event.replaceAll("\"id\":\"chatcmpl-[0-9a-f]{32}\",", "\"id\":\"I\",")
                .replaceAll("\"created\":[0-9]{10},", "\"created\":0,")
                .replaceAll("skein-1\\.2\\.3-[0-9a-f]{8}", "F");
    }

    @Test
    void theChunksOfAStreamHaveExactlyTheKeysOfTheirPlace() throws Exception {
        stage.worker.says("né");
        String head =
                "{\"id\":\"I\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"tiny\",\"choices\":[";
        assertThat(stream(""))
                .map(ChatTest::steady)
                .containsExactly(
                        head + "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,"
                                + "\"finish_reason\":null}],\"prompt_token_ids\":null,\"prompt_text\":null}",
                        head + "{\"index\":0,\"delta\":{\"content\":\"n\"},\"logprobs\":null,\"finish_reason\":null,"
                                + "\"token_ids\":null}]}",
                        head + "{\"index\":0,\"delta\":{\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null,"
                                + "\"token_ids\":null}]}",
                        head + "{\"index\":0,\"delta\":{\"content\":\"é\"},\"logprobs\":null,\"finish_reason\":null,"
                                + "\"token_ids\":null}]}",
                        head + "{\"index\":0,\"delta\":{\"content\":\"\"},\"logprobs\":null,\"finish_reason\":\"stop\","
                                + "\"stop_reason\":null,\"token_ids\":null}],\"system_fingerprint\":\"F\"}",
                        "[DONE]");
    }

    @Test
    void usageComesInAChunkOfItsOwn() throws Exception {
        stage.worker.says("ab");
        List<String> events = stream(",\"stream_options\":{\"include_usage\":true}");
        int prompt = TinyModel.ids("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n").length;
        assertThat(steady(events.get(events.size() - 2)))
                .isEqualTo("{\"id\":\"I\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"tiny\","
                        + "\"choices\":[],\"usage\":{\"prompt_tokens\":" + prompt + ",\"total_tokens\":" + (prompt + 3)
                        + ",\"completion_tokens\":3},\"system_fingerprint\":\"F\"}");
        assertThat(events.subList(0, events.size() - 2)).noneMatch(event -> event.contains("usage"));
        assertThat(events).last().isEqualTo("[DONE]");
    }

    @Test
    void oneBodyHasAllFields() throws Exception {
        stage.worker.says("Hello");
        HttpResponse<String> response = stage.post(
                "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"model\":\"tiny\"}");
        JsonNode body = stage.json(response);
        assertThat(steady(response.body()))
                .isEqualTo("{\"id\":\"I\",\"object\":\"chat.completion\",\"created\":0,\"model\":\"tiny\",\"choices\":["
                        + "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\",\"refusal\":null,"
                        + "\"annotations\":null,\"audio\":null,\"function_call\":null,\"reasoning\":null},"
                        + "\"logprobs\":null,\"finish_reason\":\"stop\",\"stop_reason\":null,\"token_ids\":null}],"
                        + "\"service_tier\":null,\"system_fingerprint\":\"F\",\"usage\":"
                        + "{\"prompt_tokens\":"
                        + body.at("/usage/prompt_tokens").asInt() + ",\"total_tokens\":"
                        + body.at("/usage/total_tokens").asInt() + ",\"completion_tokens\":6,"
                        + "\"prompt_tokens_details\":null},\"prompt_logprobs\":null,\"prompt_token_ids\":null,"
                        + "\"prompt_text\":null,\"kv_transfer_params\":null}");
    }

    /** The prompt that reaches the worker, as text. */
    private static String promptOf(String fields) throws Exception {
        AtomicReference<String> prompt = new AtomicReference<>("");
        stage.worker.script = call -> {
            StringBuilder text = new StringBuilder();
            call.request
                    .getPromptList()
                    .forEach(id -> text.append(
                            switch (id) {
                                case TinyModel.START -> "<|im_start|>";
                                case TinyModel.END -> "<|im_end|>";
                                default -> Character.toString(id);
                            }));
            prompt.set(text.toString());
            call.end();
        };
        HttpResponse<String> response = stage.post("/v1/chat/completions", "{" + fields + "}");
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return prompt.get();
    }

    @Test
    void messagesBecomeThePromptThatTheTemplateMakes() throws Exception {
        assertThat(promptOf("\"messages\":[{\"role\":\"system\",\"content\":\"Be.\"},"
                        + "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},\"b\"]}]"))
                .isEqualTo("<|im_start|>system\nBe.<|im_end|>\n<|im_start|>user\na\nb<|im_end|>\n"
                        + "<|im_start|>assistant\n");
        assertThat(promptOf("\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"add_generation_prompt\":false"))
                .isEqualTo("<|im_start|>user\na<|im_end|>\n");
        assertThat(promptOf("\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
                        + "\"chat_template_kwargs\":{\"add_generation_prompt\":false}"))
                .isEqualTo("<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n");
    }

    @Test
    void aMessageThatSaysNothingIsEmpty() throws Exception {
        String around = "{\"role\":\"user\",\"content\":\"a\"}";
        String call = "\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":"
                + "{\"name\":\"f\",\"arguments\":\"{}\"}}]";
        for (String silent : List.of(
                "{\"role\":\"assistant\"}",
                "{\"role\":\"assistant\",\"content\":null}",
                "{\"role\":\"assistant\",\"content\":[]}",
                "{\"role\":\"assistant\",\"content\":null," + call + "}",
                "{\"role\":\"assistant\"," + call + "}")) {
            assertThat(promptOf("\"messages\":[" + silent + "," + around + "]"))
                    .as(silent)
                    .isEqualTo("<|im_start|>assistant\n<|im_end|>\n<|im_start|>user\na<|im_end|>\n"
                            + "<|im_start|>assistant\n");
        }
    }

    @Test
    void moreThanThereIsToChooseFromIsAllOfIt() throws Exception {
        for (String topK : List.of("260", "2147483648", "1e12", "99999999999999999999")) {
            AtomicReference<Integer> asked = new AtomicReference<>();
            stage.worker.script = call -> {
                asked.set(call.request.getSampling().getTopK());
                call.end();
            };
            HttpResponse<String> response = stage.post(
                    "/v1/chat/completions",
                    "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"top_k\":" + topK + "}");
            assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
            assertThat(asked.get()).isEqualTo(259);
        }
    }

    @Test
    void theLastMessageIsContinuedWhereThatIsAsked() throws Exception {
        String messages = "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
                + "{\"role\":\"assistant\",\"content\":\"It is \"}],\"continue_final_message\":true";
        assertThat(promptOf(messages)).isEqualTo("<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nIt is ");
        stage.worker.says("blue");
        JsonNode body = stage.json(stage.post("/v1/chat/completions", "{" + messages + ",\"echo\":true}"));
        assertThat(body.at("/choices/0/message/content").asString()).isEqualTo("It is blue");
        List<String> events =
                Stage.events(stage.post("/v1/chat/completions", "{" + messages + ",\"echo\":true,\"stream\":true}")
                        .body());
        StringBuilder text = new StringBuilder();
        events.subList(0, events.size() - 1)
                .forEach(event -> text.append(Stage.JSON
                        .readTree(event)
                        .at("/choices/0/delta/content")
                        .asString()));
        assertThat(text.toString()).isEqualTo("It is blue");
    }

    @Test
    void everyChoiceBeginsWithItsRole() throws Exception {
        stage.worker.says("x");
        List<String> events = stream(",\"n\":3");
        assertThat(events.subList(0, 3))
                .map(event -> Stage.JSON.readTree(event).at("/choices/0").toString())
                .containsExactly(
                        "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}",
                        "{\"index\":1,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}",
                        "{\"index\":2,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}");
        assertThat(events.stream().filter(event -> event.contains("\"finish_reason\":\"stop\"")))
                .hasSize(3);
    }

    @Test
    void nothingIsSentBeforeTheFirstIds() throws Exception {
        CompletableFuture<FakeWorker.Call> called = new CompletableFuture<>();
        stage.worker.script = called::complete;
        FutureTask<HttpResponse<InputStream>> answer = new FutureTask<>(() -> HttpClient.newHttpClient()
                .send(
                        stage.to("/v1/chat/completions")
                                .header("content-type", "application/json")
                                .POST(HttpRequest.BodyPublishers.ofString(
                                        "{\"messages\":[{\"role\":\"user\"," + "\"content\":\"Hi\"}],\"stream\":true}"))
                                .build(),
                        HttpResponse.BodyHandlers.ofInputStream()));
        Thread.ofVirtual().start(answer);
        FakeWorker.Call call = called.get();
        // The gateway has long sent the request on; a status or a role would be here by now.
        assertThat(answer.isDone()).isFalse();
        call.say("x");
        assertThat(answer.get().statusCode()).isEqualTo(200);
        call.end();
        assertThat(new String(answer.get().body().readAllBytes(), UTF_8)).endsWith("data: [DONE]\n\n");
    }

    @Test
    void logprobsOfChat() throws Exception {
        stage.worker.script = call -> call.end(GenerateResponse.newBuilder()
                .addTokens(Token.newBuilder()
                        .setId('a')
                        .setLogprobs(Logprobs.newBuilder()
                                .setLogprob(-1.5f)
                                .setRank(2)
                                .addTopIds(0xC3)
                                .addTopLogprobs(-0.5f)))
                .setFinish(FakeWorker.finish(FinishReason.FINISH_REASON_LENGTH)));
        String expected = "{\"content\":[{\"token\":\"a\",\"logprob\":-1.5,\"bytes\":[97],\"top_logprobs\":"
                + "[{\"token\":\"bytes:\\\\xc3\",\"logprob\":-0.5,\"bytes\":[195]}]}]}";
        String fields = "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"logprobs\":true,\"top_logprobs\":1";
        JsonNode body = stage.json(stage.post("/v1/chat/completions", "{" + fields + "}"));
        assertThat(body.at("/choices/0/logprobs").toString()).isEqualTo(expected);
        List<String> events = stream(",\"logprobs\":true,\"top_logprobs\":1");
        assertThat(Stage.JSON.readTree(events.get(1)).at("/choices/0/logprobs").toString())
                .isEqualTo(expected);
    }

    @Test
    void promptAndTokenIdsComeOnDemand() throws Exception {
        stage.worker.says("a");
        List<String> events = stream(",\"return_token_ids\":true,\"return_prompt_text\":true");
        JsonNode first = Stage.JSON.readTree(events.getFirst());
        String prompt = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        assertThat(first.get("prompt_text").asString()).isEqualTo(prompt);
        assertThat(first.get("prompt_token_ids").size()).isEqualTo(TinyModel.ids(prompt).length);
        assertThat(Stage.JSON.readTree(events.get(1)).at("/choices/0/token_ids").toString())
                .isEqualTo("[97]");
    }

    @Test
    void usageTellsCachedTokensWhereThatIsOn() throws Exception {
        GatewayOptions.Api api =
                new GatewayOptions.Api(List.of(), null, false, true, "", "assistant", 20, false, true, false, "");
        try (Stage detailed = new Stage(options -> options.withApi(api))) {
            detailed.worker.script = call -> call.end(FakeWorker.tokens('a')
                    .setFinish(FakeWorker.finish(FinishReason.FINISH_REASON_LENGTH).toBuilder()
                            .setCachedTokens(7)));
            JsonNode body = detailed.json(
                    detailed.post("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"));
            assertThat(body.at("/usage/prompt_tokens_details").toString()).isEqualTo("{\"cached_tokens\":7}");
        }
    }

    @Test
    void aTemplateOfTheOptionsStandsInForTheModels() throws Exception {
        GatewayOptions.Api api = new GatewayOptions.Api(
                List.of(),
                "{{ messages[0]['content'] }}{{ eos_token }}",
                true,
                true,
                "",
                "bot",
                20,
                false,
                false,
                false,
                "");
        try (Stage own = new Stage(options -> options.withApi(api))) {
            own.worker.says("a");
            JsonNode body = own.json(own.post(
                    "/v1/chat/completions",
                    "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"return_prompt_text\":true}"));
            assertThat(body.get("prompt_text").asString()).isEqualTo("Hi<|im_end|>");
            assertThat(body.at("/choices/0/message/role").asString()).isEqualTo("bot");
            body = own.json(own.post(
                    "/v1/chat/completions",
                    "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"return_prompt_text\":true,"
                            + "\"chat_template\":\"{{ bos_token }}own\"}"));
            assertThat(body.get("prompt_text").asString()).isEqualTo("<|im_start|>own");
        }
    }
}
