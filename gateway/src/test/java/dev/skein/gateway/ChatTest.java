package dev.skein.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import java.util.List;
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
}
