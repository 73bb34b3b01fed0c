package dev.skein.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.protocol.v1.BadWord;
import dev.skein.protocol.v1.FinishReason;
import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.protocol.v1.Logprobs;
import dev.skein.protocol.v1.Token;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

class CompletionTest {
    private static Stage stage;

    @BeforeAll
    static void start() {
        stage = new Stage();
    }

    @AfterAll
    static void stop() {
        stage.close();
    }

    private static JsonNode complete(String fields) throws Exception {
        HttpResponse<String> response = stage.post("/v1/completions", "{" + fields + "}");
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return stage.json(response);
    }

    private static List<String> stream(String fields) throws Exception {
        HttpResponse<String> response = stage.post("/v1/completions", "{" + fields + ",\"stream\":true}");
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return Stage.events(response.body());
    }

    private static String steady(String event) {
        return event.replaceAll("\"id\":\"cmpl-[0-9a-f]{32}\",", "\"id\":\"I\",")
                .replaceAll("\"created\":[0-9]{10},", "\"created\":0,")
                .replaceAll("skein-1\\.2\\.3-[0-9a-f]{8}", "F");
    }

    @Test
    void requestsOfOneSaltShareTheirCache() throws Exception {
        AtomicReference<String> salt = new AtomicReference<>();
        stage.worker.script = call -> {
            salt.set(call.request.getCacheSalt());
            call.end();
        };
        stage.post("/v1/completions", "{\"prompt\":\"x\",\"cache_salt\":\"mine\"}");
        assertThat(salt.get()).isEqualTo("mine");
        stage.post("/v1/completions", "{\"prompt\":\"x\"}");
        assertThat(salt.get()).isEmpty();
    }

    @Test
    void theLikeliestByTheTokenAreReturnedOfMore() throws Exception {
        List<Integer> asked = Collections.synchronizedList(new ArrayList<>());
        stage.worker.script = call -> {
            String id = call.request.getRequestId();
            int sequence = Integer.parseInt(id.substring(id.lastIndexOf('-') + 1));
            asked.add(
                    call.request.getSampling().hasLogprobs()
                            ? call.request.getSampling().getLogprobs()
                            : -1);
            // The last is the least likely as a whole and the likeliest by the token.
            float[] logprobs = {-3, -1, -2, -0.5f};
            int tokens = sequence % 4 == 3 ? 3 : 1;
            GenerateResponse.Builder all = GenerateResponse.newBuilder();
            for (int i = 0; i < tokens; i++) {
                all.addTokens(Token.newBuilder()
                        .setId('a' + sequence)
                        .setLogprobs(Logprobs.newBuilder().setLogprob(logprobs[sequence % 4])));
            }
            call.end(all.setFinish(FakeWorker.finish(FinishReason.FINISH_REASON_LENGTH)));
        };
        JsonNode body = complete("\"prompt\":[\"x\",\"yy\"],\"n\":2,\"best_of\":4,\"temperature\":1");
        assertThat(asked).hasSize(8).containsOnly(0);
        assertThat(body.at("/choices")
                        .valueStream()
                        .map(choice -> choice.get("text").asString()))
                .containsExactly("ddd", "b", "hhh", "f");
        assertThat(body.at("/choices")
                        .valueStream()
                        .map(choice -> choice.get("index").asInt()))
                .containsExactly(0, 1, 2, 3);
        assertThat(body.at("/choices/0/logprobs").isNull()).isTrue();
        assertThat(body.at("/usage/prompt_tokens").asInt()).isEqualTo(3);
        assertThat(body.at("/usage/completion_tokens").asInt()).isEqualTo(12);
    }

    @Test
    void badWordsAreSentAsIdsWithAndWithoutASpace() throws Exception {
        AtomicReference<List<List<Integer>>> words = new AtomicReference<>();
        stage.worker.script = call -> {
            words.set(call.request.getSampling().getBadWordsList().stream()
                    .map(BadWord::getIdsList)
                    .toList());
            call.end();
        };
        complete("\"prompt\":\"x\",\"bad_words\":[\"ab\",\"  c\"]");
        assertThat(words.get())
                .containsExactly(
                        List.of((int) 'a', (int) 'b'),
                        List.of((int) ' ', (int) 'a', (int) 'b'),
                        List.of((int) 'c'),
                        List.of((int) ' ', (int) 'c'));
    }

    @Test
    void onlyTheFirstOfAPromptsSequencesIsScoredForABody() throws Exception {
        List<Boolean> scored = Collections.synchronizedList(new ArrayList<>());
        stage.worker.script = call -> {
            scored.add(call.request.getSampling().hasPromptLogprobs());
            call.end();
        };
        complete("\"prompt\":\"xy\",\"n\":3,\"temperature\":1,\"echo\":true,\"logprobs\":1");
        assertThat(scored).hasSize(3).containsOnlyOnce(true);
        scored.clear();
        stream("\"prompt\":\"xy\",\"n\":3,\"temperature\":1,\"echo\":true,\"logprobs\":1");
        assertThat(scored).containsExactly(true, true, true);
    }

    @Test
    void offsetsCountTheTextsOwnCharacters() throws Exception {
        stage.worker.script = call -> {
            GenerateResponse.Builder all = GenerateResponse.newBuilder();
            for (int id : TinyModel.ids("né€\uD83D\uDE00x")) {
                all.addTokens(Token.newBuilder()
                        .setId(id)
                        .setLogprobs(Logprobs.newBuilder().setLogprob(-1)));
            }
            call.end(all.setFinish(FakeWorker.finish(FinishReason.FINISH_REASON_LENGTH)));
        };
        for (String names : List.of("false", "true")) {
            JsonNode body = stage.json(stage.post(
                    "/v1/completions",
                    "{\"prompt\":\"a\",\"logprobs\":0,\"return_tokens_as_token_ids\":" + names + "}"));
            assertThat(body.at("/choices/0/text").asString()).isEqualTo("né€\uD83D\uDE00x");
            assertThat(body.at("/choices/0/logprobs/text_offset").toString()).isEqualTo("[0,1,2,2,3,3,3,4,4,4,4]");
        }
    }

    @Test
    void theChunksOfAStreamHaveExactlyTheKeysOfTheirPlace() throws Exception {
        stage.worker.says("ab");
        String head = "{\"id\":\"I\",\"object\":\"text_completion\",\"created\":0,\"model\":\"tiny\",\"choices\":[";
        String tail = "\"prompt_token_ids\":null,\"token_ids\":null}]}";
        assertThat(stream("\"prompt\":\"x\",\"stream_options\":{\"include_usage\":true}"))
                .map(CompletionTest::steady)
                .containsExactly(
                        head + "{\"index\":0,\"text\":\"a\",\"logprobs\":null,\"finish_reason\":null,"
                                + "\"stop_reason\":null," + tail,
                        head + "{\"index\":0,\"text\":\"b\",\"logprobs\":null,\"finish_reason\":null,"
                                + "\"stop_reason\":null," + tail,
                        head + "{\"index\":0,\"text\":\"\",\"logprobs\":null,\"finish_reason\":\"stop\","
                                + "\"stop_reason\":null," + tail,
                        head + "],\"usage\":{\"prompt_tokens\":1,\"total_tokens\":4,\"completion_tokens\":3},"
                                + "\"system_fingerprint\":\"F\"}",
                        "[DONE]");
    }

    @Test
    void continuousUsageIsOnEveryChunk() throws Exception {
        stage.worker.says("ab");
        List<String> events =
                stream("\"prompt\":\"x\",\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}");
        assertThat(events.subList(0, 3))
                .map(event -> Stage.JSON
                        .readTree(event)
                        .at("/usage/completion_tokens")
                        .asInt())
                .containsExactly(1, 2, 3);
    }

    @Test
    void whatIsAskedForReachesTheWorker() throws Exception {
        complete(sampled("\"prompt\":\"hello\""));
        GenerateRequest request = last;
        assertThat(request.getPromptList()).containsExactlyElementsOf(boxed(TinyModel.ids("hello")));
        assertThat(request.getMaxTokens()).isEqualTo(16);
        assertThat(request.getSampling().getTemperature()).isEqualTo(1);
        assertThat(request.getSampling().getTopP()).isEqualTo(1);
        // Drawn here, so that another group can go on with the answer.
        assertThat(request.getSampling().hasSeed()).isTrue();

        complete(sampled("\"prompt\":[104,105],\"max_tokens\":7,\"temperature\":0.5,\"top_k\":5,\"top_p\":0.25,"
                + "\"min_p\":0.125,\"repetition_penalty\":1.5,\"frequency_penalty\":-2,\"presence_penalty\":2,\"seed\":9,"
                + "\"logit_bias\":{\"65\":200,\"66\":-1.5},\"min_tokens\":3,\"ignore_eos\":true,"
                + "\"stop_token_ids\":[7,8],\"allowed_token_ids\":[1,2],\"logprobs\":4,\"priority\":-3"));
        request = last;
        assertThat(request.getPromptList()).containsExactly(104, 105);
        assertThat(request.getMaxTokens()).isEqualTo(7);
        assertThat(request.getPriority()).isEqualTo(-3);
        assertThat(request.getSampling().getTemperature()).isEqualTo(0.5f);
        assertThat(request.getSampling().getTopK()).isEqualTo(5);
        assertThat(request.getSampling().getTopP()).isEqualTo(0.25f);
        assertThat(request.getSampling().getMinP()).isEqualTo(0.125f);
        assertThat(request.getSampling().getRepetitionPenalty()).isEqualTo(1.5f);
        assertThat(request.getSampling().getFrequencyPenalty()).isEqualTo(-2);
        assertThat(request.getSampling().getPresencePenalty()).isEqualTo(2);
        assertThat(request.getSampling().getSeed()).isEqualTo(9);
        assertThat(request.getSampling().getLogitBiasMap()).isEqualTo(Map.of(65, 100f, 66, -1.5f));
        assertThat(request.getSampling().getMinTokens()).isEqualTo(3);
        assertThat(request.getSampling().getIgnoreEos()).isTrue();
        assertThat(request.getSampling().getStopTokenIdsList()).containsExactly(7, 8);
        assertThat(request.getSampling().getAllowedTokenIdsList()).containsExactly(1, 2);
        assertThat(request.getSampling().getLogprobs()).isEqualTo(4);

        complete(sampled("\"prompt\":\"x\",\"temperature\":0.000001,\"top_k\":5,\"top_p\":0.5,\"min_p\":0.5"));
        assertThat(last.getSampling().getTemperature()).isZero();
        assertThat(last.getSampling().getTopK()).isZero();
        assertThat(last.getSampling().getTopP()).isEqualTo(1);
        assertThat(last.getSampling().getMinP()).isZero();
        complete(sampled("\"prompt\":\"x\",\"temperature\":0.001"));
        assertThat(last.getSampling().getTemperature()).isEqualTo(0.01f);
    }

    private static volatile GenerateRequest last = GenerateRequest.getDefaultInstance();

    private static String sampled(String fields) {
        stage.worker.script = call -> {
            last = call.request;
            call.end();
        };
        return fields;
    }

    private static List<Integer> boxed(int[] ids) {
        return IntStream.of(ids).boxed().toList();
    }

    @Test
    void choicesAreNumberedByPromptAndSeedsCountUp() throws Exception {
        Map<Long, String> texts = new ConcurrentHashMap<>();
        stage.worker.script = call -> {
            long seed = call.request.getSampling().getSeed();
            String prompt = Character.toString(call.request.getPrompt(0));
            texts.put(seed, prompt);
            call.say(prompt + seed);
            call.end();
        };
        JsonNode body = complete("\"prompt\":[\"a\",\"b\"],\"n\":3,\"seed\":40");
        List<String> choices = new ArrayList<>();
        body.get("choices")
                .forEach(choice -> choices.add(
                        choice.get("index").asInt() + choice.get("text").asString()));
        assertThat(choices).containsExactly("0a40", "1a41", "2a42", "3b40", "4b41", "5b42");
        assertThat(body.at("/usage/prompt_tokens").asInt()).isEqualTo(2);
        assertThat(body.at("/usage/completion_tokens").asInt()).isEqualTo(6 * 4);

        Map<Integer, StringBuilder> streamed = new ConcurrentHashMap<>();
        List<String> events = stream("\"prompt\":[\"a\",\"b\"],\"n\":3,\"seed\":40");
        for (String event : events.subList(0, events.size() - 1)) {
            JsonNode chunk = Stage.JSON.readTree(event).get("choices");
            assertThat(chunk.size()).isEqualTo(1);
            streamed.computeIfAbsent(chunk.at("/0/index").asInt(), _ -> new StringBuilder())
                    .append(chunk.at("/0/text").asString());
        }
        assertThat(streamed.values().stream().map(StringBuilder::toString).sorted())
                .containsExactly("a40", "a41", "a42", "b40", "b41", "b42");
    }

    @Test
    void stopStringsCutTheTextAndEndTheCall() throws Exception {
        List<FakeWorker.Call> calls = new ArrayList<>();
        stage.worker.script = call -> {
            calls.add(call);
            call.say("one ST");
            call.say("OP two");
        };
        JsonNode body = complete("\"prompt\":\"x\",\"stop\":[\"zzz\",\"STOP\"]");
        assertThat(body.at("/choices/0/text").asString()).isEqualTo("one ");
        assertThat(body.at("/choices/0/finish_reason").asString()).isEqualTo("stop");
        assertThat(body.at("/choices/0/stop_reason").asString()).isEqualTo("STOP");
        assertThat(body.at("/usage/completion_tokens").asInt()).isEqualTo("one STOP".length());
        calls.getFirst().cancelled.get();

        StringBuilder text = new StringBuilder();
        List<String> events = stream("\"prompt\":\"x\",\"stop\":\"STOP\"");
        for (String event : events.subList(0, events.size() - 1)) {
            text.append(Stage.JSON.readTree(event).at("/choices/0/text").asString());
            assertThat("one ").startsWith(text.toString());
        }
        assertThat(text.toString()).isEqualTo("one ");

        body = complete("\"prompt\":\"x\",\"stop\":\"STOP\",\"include_stop_str_in_output\":true");
        assertThat(body.at("/choices/0/text").asString()).isEqualTo("one STOP");
    }

    @Test
    void theEndSaysWhatDidIt() throws Exception {
        stage.worker.script = call -> {
            call.say("ab");
            call.end(FakeWorker.tokens('c')
                    .setFinish(FakeWorker.finish(FinishReason.FINISH_REASON_STOP).toBuilder()
                            .setStopTokenId('c')));
        };
        JsonNode body = complete("\"prompt\":\"x\",\"stop_token_ids\":[99]");
        assertThat(body.at("/choices/0/text").asString()).isEqualTo("ab");
        assertThat(body.at("/choices/0/stop_reason").asInt()).isEqualTo(99);

        stage.worker.script = call ->
                call.end(FakeWorker.tokens('a', 'b').setFinish(FakeWorker.finish(FinishReason.FINISH_REASON_LENGTH)));
        body = complete("\"prompt\":\"x\",\"max_tokens\":2");
        assertThat(body.at("/choices/0/text").asString()).isEqualTo("ab");
        assertThat(body.at("/choices/0/finish_reason").asString()).isEqualTo("length");
        assertThat(body.at("/choices/0/stop_reason").isNull()).isTrue();
    }

    @Test
    void anUnfinishedCharacterShowsOnlyAtTheTrueEnd() throws Exception {
        stage.worker.script = call -> {
            call.send(FakeWorker.tokens('a', 0xF0, 0x9F));
            call.end(FakeWorker.tokens(0x98).setFinish(FakeWorker.finish(FinishReason.FINISH_REASON_LENGTH)));
        };
        List<String> events = stream("\"prompt\":\"x\"");
        assertThat(Stage.JSON.readTree(events.get(0)).at("/choices/0/text").asString())
                .isEqualTo("a");
        assertThat(Stage.JSON.readTree(events.get(1)).at("/choices/0/text").asString())
                .isEqualTo("\uFFFD");
    }

    private static GenerateResponse.Builder scored(int id, float logprob, int other, float otherLogprob) {
        return GenerateResponse.newBuilder()
                .addTokens(Token.newBuilder().setId(id).setLogprobs(scores(id, logprob, other, otherLogprob)));
    }

    private static Logprobs.Builder scores(int id, float logprob, int other, float otherLogprob) {
        return Logprobs.newBuilder()
                .setLogprob(logprob)
                .setRank(2)
                .addTopIds(other)
                .addTopLogprobs(otherLogprob)
                .addTopIds(id)
                .addTopLogprobs(logprob);
    }

    @Test
    void logprobsOfCompletions() throws Exception {
        stage.worker.script = call -> {
            call.send(scored('a', -1.5f, 'b', -0.5f));
            call.end(scored(0xC3, Float.NEGATIVE_INFINITY, 'c', -2)
                    .setFinish(FakeWorker.finish(FinishReason.FINISH_REASON_LENGTH)));
        };
        JsonNode body = complete("\"prompt\":\"x\",\"logprobs\":2");
        assertThat(body.at("/choices/0/logprobs").toString())
                .isEqualTo("{\"text_offset\":[0,1],\"token_logprobs\":[-1.5,-9999.0],"
                        + "\"tokens\":[\"a\",\"bytes:\\\\xc3\"],"
                        + "\"top_logprobs\":[{\"a\":-1.5,\"b\":-0.5},{\"bytes:\\\\xc3\":-9999.0,\"c\":-2.0}]}");
        body = complete("\"prompt\":\"x\",\"logprobs\":2,\"return_tokens_as_token_ids\":true");
        assertThat(body.at("/choices/0/logprobs/tokens").toString()).isEqualTo("[\"token_id:97\",\"token_id:195\"]");
    }

    @Test
    void echoWithLogprobsScoresThePrompt() throws Exception {
        stage.worker.script = call -> {
            last = call.request;
            call.end(scored('a', -1.5f, 'b', -0.5f)
                    .addPromptLogprobs(scores('y', -3, 'z', -0.25f))
                    .setFinish(FakeWorker.finish(FinishReason.FINISH_REASON_LENGTH)));
        };
        JsonNode body = complete("\"prompt\":\"xy\",\"logprobs\":1,\"echo\":true,\"max_tokens\":1");
        assertThat(last.getSampling().getPromptLogprobs()).isEqualTo(1);
        assertThat(body.at("/choices/0/text").asString()).isEqualTo("xya");
        assertThat(body.at("/choices/0/logprobs").toString())
                .isEqualTo(
                        "{\"text_offset\":[0,1,2],\"token_logprobs\":[null,-3.0,-1.5],\"tokens\":[\"x\",\"y\",\"a\"],"
                                + "\"top_logprobs\":[null,{\"y\":-3.0,\"z\":-0.25},{\"a\":-1.5,\"b\":-0.5}]}");
        assertThat(body.at("/choices/0/prompt_logprobs").isNull()).isTrue();
    }

    @Test
    void promptLogprobsAreMapsById() throws Exception {
        stage.worker.script = call -> call.end(FakeWorker.tokens('a')
                .addPromptLogprobs(scores('y', -3, 'z', -0.25f))
                .setFinish(FakeWorker.finish(FinishReason.FINISH_REASON_LENGTH)));
        JsonNode body = complete("\"prompt\":\"xy\",\"prompt_logprobs\":1");
        assertThat(body.at("/choices/0/prompt_logprobs").toString())
                .isEqualTo("[null,{\"121\":{\"logprob\":-3.0,\"rank\":2,\"decoded_token\":\"y\"},"
                        + "\"122\":{\"logprob\":-0.25,\"rank\":1,\"decoded_token\":\"z\"}}]");
    }

    @Test
    void anEchoAloneNeedsNoGroup() throws Exception {
        int before = stage.worker.started.get();
        JsonNode body = complete("\"prompt\":[\"he\",[108,108,111]],\"max_tokens\":0,\"echo\":true");
        assertThat(body.at("/choices/0/text").asString()).isEqualTo("he");
        assertThat(body.at("/choices/1/text").asString()).isEqualTo("llo");
        assertThat(body.at("/choices/1/finish_reason").asString()).isEqualTo("length");
        assertThat(stage.worker.started.get()).isEqualTo(before);
    }

    @Test
    void tokenIdsComeOnDemand() throws Exception {
        stage.worker.says("ab");
        JsonNode body = complete("\"prompt\":\"xy\",\"return_token_ids\":true");
        assertThat(body.at("/choices/0/prompt_token_ids").toString()).isEqualTo("[120,121]");
        assertThat(body.at("/choices/0/token_ids").toString()).isEqualTo("[97,98,257]");
    }

    @Test
    void aLongPromptIsCutWhereThatIsAsked() throws Exception {
        complete(sampled("\"prompt\":\"abcdef\",\"truncate_prompt_tokens\":2"));
        assertThat(last.getPromptList()).containsExactly((int) 'e', (int) 'f');
        complete(sampled("\"prompt\":\"abcdef\",\"truncate_prompt_tokens\":2,\"truncation_side\":\"right\""));
        assertThat(last.getPromptList()).containsExactly((int) 'a', (int) 'b');
    }

    @Test
    void manySequencesOfOneRequestAreAllServed() throws Exception {
        stage.worker.says("k");
        JsonNode body = complete("\"prompt\":\"x\",\"n\":300");
        assertThat(body.get("choices").size()).isEqualTo(300);
        assertThat(body.get("choices"))
                .allMatch(choice -> choice.get("text").asString().equals("k"));
    }
}
