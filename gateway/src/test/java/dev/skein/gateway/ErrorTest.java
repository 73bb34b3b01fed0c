package dev.skein.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** What cannot be served is told by status, type, param and words, and reaches no worker. */
class ErrorTest {
    private static final String MESSAGES = "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]";
    private static Stage stage;

    @BeforeAll
    static void start() {
        stage = new Stage();
        stage.worker.says("served");
    }

    @AfterAll
    static void stop() {
        stage.close();
    }

    private static JsonNode error(HttpResponse<String> response, int status) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        JsonNode error = stage.json(response).get("error");
        assertThat(error.propertyNames()).containsExactly("message", "type", "param", "code");
        assertThat(error.get("code").asInt()).isEqualTo(status);
        assertThat(error.get("message").asString()).doesNotContain("Exception", "\tat ");
        return error;
    }

    private static void refused(String path, String body, String type, String param, String words) throws Exception {
        int before = stage.worker.started.get();
        JsonNode error = error(stage.post(path, body), 400);
        assertThat(error.get("type").asString()).as(error.toString()).isEqualTo(type);
        assertThat(error.get("param").asString("-")).as(error.toString()).isEqualTo(param);
        assertThat(error.get("message").asString()).contains(words);
        assertThat(stage.worker.started.get()).isEqualTo(before);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "\"temperature\":\"hot\"                 | temperature              | must be a number, got the string \"hot\"",
                "\"temperature\":true                    | temperature              | must be a number, got true",
                "\"top_p\":[]                            | top_p                    | must be a number, got a list",
                "\"n\":1.5                               | n                        | must be an integer, got 1.5",
                "\"seed\":99999999999999999999           | seed                     | must be an integer of 64 bits",
                "\"stop\":5                              | stop                     | must be a string or a list of strings, got 5",
                "\"stop\":[\"a\",1]                      | stop.1                   | must be a string, got 1",
                "\"stream\":\"yes\"                      | stream                   | must be true or false",
                "\"stream_options\":7                    | stream_options           | must be an object, got 7",
                "\"logit_bias\":[]                       | logit_bias               | must be an object from token ids",
                "\"logit_bias\":{\"x\":1}                | logit_bias.x             | must be a token id with a number",
                "\"model\":3                             | model                    | must be a string, got 3",
                "\"stop_token_ids\":\"7\"                | stop_token_ids           | must be a list of integers",
                "\"messages\":{}                         | messages                 | must be a list of messages, got an object",
                "\"messages\":[3]                        | messages.0               | must be an object, got 3",
                "\"messages\":[{\"content\":\"x\"}]      | messages.0.role          | is required",
                "\"messages\":[{\"role\":\"user\",\"content\":3}] | messages.0.content | must be a string or a list of parts",
                "\"messages\":[{\"role\":\"user\"}]      | messages.0.content       | is required",
                "\"messages\":[{\"role\":\"user\",\"content\":null}] | messages.0.content | is required",
                "\"reasoning_effort\":\"huge\"            | reasoning_effort         | must be one of none, minimal, low, medium, high, xhigh, max, got the string \"huge\"",
                "\"reasoning_effort\":1                  | reasoning_effort         | must be one of none",
                "\"chat_template_kwargs\":3              | chat_template_kwargs     | must be an object",
            })
    void wrongTypesAreCountedAndNamed(String field, String param, String words) throws Exception {
        String fields = field.contains("\"messages\"") ? field : MESSAGES + "," + field;
        refused("/v1/chat/completions", "{" + fields + "}", "Bad Request", param, words);
        assertThat(stage.json(stage.post("/v1/chat/completions", "{" + fields + "}"))
                        .at("/error/message")
                        .asString())
                .startsWith("1 validation error: " + param + " ");
    }

    @Test
    void severalWrongTypesAreToldAtOnce() throws Exception {
        refused(
                "/v1/completions",
                "{\"prompt\":\"x\",\"model\":1,\"n\":\"two\",\"priority\":{}}",
                "Bad Request",
                "model",
                "3 validation errors: model must be a string, got 1; n must be an integer, got the string \"two\";");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "\"temperature\":-0.1                        | temperature            | must be 0 to 2, got -0.1",
                "\"temperature\":2.1                         | temperature            | must be 0 to 2, got 2.1",
                "\"top_p\":0                                 | top_p                  | must be above 0 and at most 1, got 0",
                "\"top_p\":1.01                              | top_p                  | must be above 0 and at most 1",
                "\"top_k\":-2                                | top_k                  | got -2",
                "\"min_p\":1.5                               | min_p                  | must be 0 to 1",
                "\"repetition_penalty\":0                    | repetition_penalty     | must be above 0",
                "\"frequency_penalty\":2.5                   | frequency_penalty      | must be -2 to 2",
                "\"presence_penalty\":-3                     | presence_penalty       | must be -2 to 2",
                "\"max_tokens\":0                            | max_tokens             | must be at least 1, got 0",
                "\"max_completion_tokens\":-1                | max_completion_tokens  | must be at least 1, got -1",
                "\"max_tokens\":513                          | max_tokens             | maximum context length is 512",
                "\"max_tokens\":3000000000                   | max_tokens             | maximum context length is 512",
                "\"max_tokens\":99999999999999999999         | max_tokens             | maximum context length is 512",
                "\"chat_template_kwargs\":{\"messages\":[]}  | chat_template_kwargs   | holds messages",
                "\"chat_template_kwargs\":{\"eos_token\":1}  | chat_template_kwargs   | holds eos_token",
                "\"chat_template_kwargs\":{\"tokenize\":1}   | chat_template_kwargs   | holds tokenize",
                "\"n\":0                                     | n                      | must be 1 to 16384, got 0",
                "\"n\":2,\"temperature\":0                   | n                      | greedy sampling",
                "\"stop\":[\"\"]                             | stop                   | must have 1 to 4096 characters",
                "\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]    | stop                   | has 5 strings",
                "\"min_tokens\":9,\"max_tokens\":3           | min_tokens             | above max_tokens, 3",
                "\"logit_bias\":{\"259\":1}                  | logit_bias             | token id 259",
                "\"stop_token_ids\":[-1]                     | stop_token_ids         | token id -1",
                "\"allowed_token_ids\":[]                    | allowed_token_ids      | is empty",
                "\"top_logprobs\":3                          | top_logprobs           | needs logprobs",
                "\"logprobs\":true,\"top_logprobs\":21       | top_logprobs           | must be 0 to 20",
                "\"stream_options\":{}                       | stream_options         | only for streams",
                "\"stream\":true,\"prompt_logprobs\":1       | prompt_logprobs        | does not go with a stream",
                "\"truncate_prompt_tokens\":-2               | truncate_prompt_tokens | must be -1 (what the context holds) or at least 0, got -2",
                "\"truncate_prompt_tokens\":0                | messages               | The prompt is empty",
                "\"bad_words\":[\"  \"]                        | bad_words              | not only spaces",
                "\"cache_salt\":\"\"                        | cache_salt             | must have 1 to 4096 characters",
                "\"continue_final_message\":true,\"add_generation_prompt\":true | continue_final_message | cannot both be true",
                "\"chat_template\":\"x\"                     | chat_template          | --trust-request-chat-template",
                "\"messages\":[]                             | messages               | is empty",
                "\"messages\":[{\"role\":\"forbidden\",\"content\":\"x\"}] | messages | no such role",
                "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}] | messages.0.content.0 | A part of type image_url is not supported",
            })
    void wrongValuesAreNamed(String field, String param, String words) throws Exception {
        String fields = field.contains("\"messages\"") ? field : MESSAGES + "," + field;
        refused("/v1/chat/completions", "{" + fields + "}", "BadRequestError", param, words);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "tools:[{\"type\":\"function\"}]",
                "tool_choice:\"auto\"",
                "functions:[]",
                "response_format:{\"type\":\"json_object\"}",
                "structured_outputs:{\"json\":{}}",
                "guided_json:{\"type\":\"object\"}",
                "guided_choice:[\"a\"]",
                "guided_regex:\"a\"",
                "use_beam_search:true",
                "prompt_embeds:\"x\"",
                "logprob_token_ids:[1]",
                "kv_transfer_params:{\"a\":1}",
                "stream_interval:5",
                "audio:{}",
                "modalities:[\"audio\"]",
            })
    void whatIsNotThereYetIsRefusedByName(String field) throws Exception {
        String name = field.substring(0, field.indexOf(':'));
        String json = "{" + MESSAGES + ",\"" + name + "\"" + field.substring(name.length()) + "}";
        refused("/v1/chat/completions", json, "BadRequestError", name, "is not supported by this server yet");
    }

    @Test
    void aSuffixIsRefused() throws Exception {
        refused("/v1/completions", "{\"prompt\":\"x\",\"suffix\":\"y\"}", "BadRequestError", "suffix", "not supported");
    }

    @Test
    void whatDoesNotGoWithBestOfIsRefused() throws Exception {
        refused("/v1/completions", "{\"prompt\":\"x\",\"n\":3,\"best_of\":2}", "BadRequestError", "best_of", "n, the");
        refused("/v1/completions", "{\"prompt\":\"x\",\"best_of\":0}", "BadRequestError", "best_of", "1 to");
        refused(
                "/v1/completions",
                "{\"prompt\":\"x\",\"best_of\":2,\"temperature\":0}",
                "BadRequestError",
                "best_of",
                "greedy");
        refused(
                "/v1/chat/completions",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"best_of\":2,\"stream\":true}",
                "BadRequestError",
                "best_of",
                "stream");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"tools\":null",
                "\"tool_choice\":\"none\"",
                "\"response_format\":{\"type\":\"text\"}",
                "\"best_of\":1",
                "\"user\":\"me\"",
                "\"store\":true",
                "\"metadata\":{\"a\":\"b\"}",
                "\"a_field_of_tomorrow\":[1,2,3]",
                "\"modalities\":[\"text\"]",
                "\"bad_words\":[]",
                "\"model\":\"\"",
                "\"temperature\":\"0.5\"",
                "\"max_tokens\":5.0",
                "\"n\":1,\"n\":1",
            })
    void whatAsksForNothingIsServed(String field) throws Exception {
        HttpResponse<String> response = stage.post("/v1/chat/completions", "{" + MESSAGES + "," + field + "}");
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{}                          | Bad Request     | prompt   | 1 validation error: prompt is required",
                "{\"prompt\":5}              | Bad Request     | prompt   | must be a string, a list of strings",
                "{\"prompt\":[]}             | BadRequestError | prompt   | is an empty list",
                "{\"prompt\":[\"a\",3]}      | Bad Request     | prompt.1 | must be a string or a list of token ids",
                "{\"prompt\":[1,\"a\"]}      | Bad Request     | prompt.1 | must be a token id",
                "{\"prompt\":[1,259]}        | BadRequestError | prompt   | the token id 259",
                "{\"prompt\":\"\"}           | BadRequestError | prompt   | The prompt is empty",
                "{\"prompt\":\"x\",\"max_tokens\":0} | BadRequestError | max_tokens | must be at least 1",
                "{\"prompt\":\"x\",\"logprobs\":-1}  | BadRequestError | logprobs   | must be 0 to 20",
                "{\"prompt\":\"x\",\"max_tokens\":512} | BadRequestError | max_tokens | maximum context length is 512",
                "[]                          | Bad Request     | -        | the body must be an object, got a list",
                "                            | Bad Request     | -        | nothing to read",
                "{\"prompt\":                | Bad Request     | -        | the body is not JSON",
                "{\"prompt\":\"x\"} x        | Bad Request     | -        | the body is not JSON",
                "{'prompt':'x'}              | Bad Request     | -        | the body is not JSON",
                "{\"n\":NaN}                 | Bad Request     | -        | what stands there is not JSON at line 1, column",
                "{\"prompt\":\"\\ud83d\"}    | Bad Request     | -        | half of a surrogate pair",
                "{\"prompt\":\"x\\udE00\"}   | Bad Request     | -        | half of a surrogate pair",
                "{\"\\ud83dx\":1}           | Bad Request     | -        | what stands there is not JSON",
            })
    void prompts(String body, String type, String param, String words) throws Exception {
        refused("/v1/completions", body == null ? "" : body, type, param, words);
    }

    @Test
    void aPromptThatIsTooLongSaysByHowMuch() throws Exception {
        refused(
                "/v1/completions",
                "{\"prompt\":\"" + "x".repeat(600) + "\"}",
                "BadRequestError",
                "prompt",
                "maximum context length is 512 tokens, and the prompt has 600 tokens");
        refused(
                "/v1/chat/completions",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"" + "x".repeat(300_000) + "\"}]}",
                "BadRequestError",
                "messages",
                "maximum context length is 512 tokens, and the prompt has at least");
    }

    @Test
    void anotherModelDoesNotExist() throws Exception {
        JsonNode error = error(stage.post("/v1/chat/completions", "{" + MESSAGES + ",\"model\":\"gpt-4\"}"), 404);
        assertThat(error.get("type").asString()).isEqualTo("NotFoundError");
        assertThat(error.get("param").asString()).isEqualTo("model");
        assertThat(error.get("message").asString())
                .contains("`gpt-4` does not exist")
                .contains("tiny");
        error(stage.get("/v1/models/gpt-4"), 404);
    }

    @Test
    void paths() throws Exception {
        assertThat(error(stage.get("/v2/nothing"), 404).get("type").asString()).isEqualTo("Not Found");
        HttpResponse<String> wrongMethod = stage.get("/v1/chat/completions");
        assertThat(error(wrongMethod, 405).get("type").asString()).isEqualTo("Method Not Allowed");
        assertThat(wrongMethod.headers().firstValue("allow")).hasValue("POST");
    }

    @Test
    void theBodyMustSayThatItIsJson() throws Exception {
        HttpRequest.Builder text = stage.to("/v1/completions")
                .header("content-type", "text/plain")
                .POST(HttpRequest.BodyPublishers.ofString("{\"prompt\":\"x\"}"));
        assertThat(error(stage.send(text), 400).get("message").asString()).contains("send application/json");
        HttpRequest.Builder charset = stage.to("/v1/completions")
                .header("content-type", "application/json; charset=utf-8")
                .POST(HttpRequest.BodyPublishers.ofString("{\"prompt\":\"x\"}"));
        assertThat(stage.send(charset).statusCode()).isEqualTo(200);
    }

    @ParameterizedTest
    @ValueSource(ints = {300, 10_000, 100_000})
    void deepJsonIsRefused(int depth) throws Exception {
        refused(
                "/v1/completions",
                "{\"prompt\":" + "[".repeat(depth) + "]".repeat(depth) + "}",
                "Bad Request",
                "-",
                "nesting");
    }

    @Test
    void longNumbersAreRefused() throws Exception {
        refused(
                "/v1/completions",
                "{\"prompt\":\"x\",\"seed\":" + "9".repeat(5000) + "}",
                "Bad Request",
                "-",
                "a bound");
    }

    @Test
    void tokenizeRefusesAsTheOthersDo() throws Exception {
        refused("/tokenize", "{}", "Bad Request", "prompt", "is required");
        refused("/detokenize", "{}", "Bad Request", "tokens", "is required");
        refused("/detokenize", "{\"tokens\":[999]}", "BadRequestError", "tokens", "999");
    }
}
