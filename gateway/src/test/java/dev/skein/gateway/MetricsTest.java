package dev.skein.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.skein.protocol.v1.DeviceStatistics;
import dev.skein.protocol.v1.FinishReason;
import dev.skein.protocol.v1.SpeculationStatistics;
import dev.skein.protocol.v1.StatisticsResponse;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The exposition, read line by line as a scraper does. */
class MetricsTest {
    private static final Pattern TYPE = Pattern.compile("# TYPE (\\S+) (counter|gauge|histogram|summary)");
    private static final Pattern SAMPLE = Pattern.compile("([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{.*})? (\\S+)");
    private static final String LABELS = "{engine=\"0\",model_name=\"tiny\"}";

    private static Stage stage;
    private static final Map<String, String> types = new TreeMap<>();
    private static final Map<String, Double> samples = new TreeMap<>();

    @BeforeAll
    static void scrape() throws Exception {
        stage = new Stage(
                options -> options.withCacheLabels(Map.of("cache_dtype", "auto", "enable_prefix_caching", "True")));
        stage.worker.statistics = StatisticsResponse.newBuilder()
                .setRunning(3)
                .setWaiting(4)
                .setBlocksUsed(16)
                .setBlocksTotal(64)
                .setBlockSize(16)
                .setPromptTokens(100)
                .setGenerationTokens(200)
                .setPreemptions(5)
                .setPrefixCacheQueries(60)
                .setPrefixCacheHits(30)
                .addStepTokensBuckets(7)
                .addStepTokensBuckets(2)
                .setStepTokensSum(21)
                .setSpeculation(SpeculationStatistics.newBuilder()
                        .setDrafts(10)
                        .setDraftTokens(20)
                        .addAcceptedAt(8)
                        .addAcceptedAt(3))
                .setDevice(DeviceStatistics.newBuilder()
                        .setBusy(0.5)
                        .setMemoryUsedBytes(7)
                        .setMemoryTotalBytes(9)
                        .setTemperatureCelsius(45)
                        .setPowerWatts(123.5))
                .build();
        stage.worker.says("abc");
        stage.post("/v1/completions", "{\"prompt\":\"xy\",\"max_tokens\":9}");
        stage.post("/v1/completions", "{\"prompt\":\"xy\",\"stream\":true}");
        stage.worker.script = call ->
                call.end(FakeWorker.tokens('a').setFinish(FakeWorker.finish(FinishReason.FINISH_REASON_LENGTH)));
        stage.post("/v1/completions", "{\"prompt\":\"xy\"}");
        stage.post("/v1/completions", "{\"prompt\":5}");
        stage.get("/made/up/by/a/client");
        HttpResponse<String> response = stage.get("/metrics");
        assertThat(response.headers().firstValue("content-type")).hasValue("text/plain; version=0.0.4; charset=utf-8");
        response.body().lines().forEach(MetricsTest::read);
    }

    @AfterAll
    static void stop() {
        stage.close();
    }

    private static void read(String line) {
        Matcher type = TYPE.matcher(line);
        Matcher sample = SAMPLE.matcher(line);
        if (type.matches()) {
            assertThat(types.put(type.group(1), type.group(2))).as(line).isNull();
        } else if (!line.startsWith("# HELP ")) {
            assertThat(sample.matches()).as(line).isTrue();
            String key = sample.group(1) + (sample.group(2) == null ? "" : sample.group(2));
            assertThat(samples.put(key, Double.valueOf(sample.group(3).replace("+Inf", "Infinity"))))
                    .as(line)
                    .isNull();
        }
    }

    private static double value(String name) {
        assertThat(samples).containsKey(name);
        return samples.getOrDefault(name, Double.NaN);
    }

    @Test
    void gaugesAreTheWorkersOwn() {
        assertThat(value("vllm:num_requests_running" + LABELS)).isEqualTo(3);
        assertThat(value("vllm:num_requests_waiting" + LABELS)).isEqualTo(4);
        assertThat(value("vllm:kv_cache_usage_perc" + LABELS)).isEqualTo(0.25);
        assertThat(value("vllm:gpu_cache_usage_perc" + LABELS)).isEqualTo(0.25);
        assertThat(value("vllm:num_requests_swapped" + LABELS)).isZero();
        assertThat(value("vllm:cache_config_info{block_size=\"16\",cache_dtype=\"auto\",enable_prefix_caching=\"True\","
                        + "engine=\"0\",num_gpu_blocks=\"64\"}"))
                .isEqualTo(1);
        assertThat(value("vllm:num_requests_waiting_by_reason{engine=\"0\",model_name=\"tiny\",reason=\"capacity\"}"))
                .isEqualTo(4);
        for (String gauge :
                new String[] {"num_requests_running", "num_requests_waiting", "kv_cache_usage_perc", "cache_config_info"
                }) {
            assertThat(types).containsEntry("vllm:" + gauge, "gauge");
        }
    }

    @Test
    void countersAreTheWorkersOwn() {
        assertThat(value("vllm:prompt_tokens_total" + LABELS)).isEqualTo(100);
        assertThat(value("vllm:generation_tokens_total" + LABELS)).isEqualTo(200);
        assertThat(value("vllm:num_preemptions_total" + LABELS)).isEqualTo(5);
        assertThat(value("vllm:prefix_cache_queries_total" + LABELS)).isEqualTo(60);
        assertThat(value("vllm:prefix_cache_hits_total" + LABELS)).isEqualTo(30);
        assertThat(value("vllm:gpu_prefix_cache_queries_total" + LABELS)).isEqualTo(60);
        assertThat(value("vllm:gpu_prefix_cache_hits_total" + LABELS)).isEqualTo(30);
        assertThat(types).containsEntry("vllm:prompt_tokens_total", "counter");
        String source = "vllm:prompt_tokens_by_source_total{engine=\"0\",model_name=\"tiny\",source=\"%s\"}";
        assertThat(value(source.formatted("local_compute"))).isEqualTo(70);
        assertThat(value(source.formatted("local_cache_hit"))).isEqualTo(30);
        assertThat(value(source.formatted("external_kv_transfer"))).isZero();
    }

    @Test
    void draftsAreTheWorkersOwn() {
        assertThat(value("vllm:spec_decode_num_drafts_total" + LABELS)).isEqualTo(10);
        assertThat(value("vllm:spec_decode_num_draft_tokens_total" + LABELS)).isEqualTo(20);
        assertThat(value("vllm:spec_decode_num_accepted_tokens_total" + LABELS)).isEqualTo(11);
        String position =
                "vllm:spec_decode_num_accepted_tokens_per_pos_total{engine=\"0\",model_name=\"tiny\",position=\"%d\"}";
        assertThat(value(position.formatted(0))).isEqualTo(8);
        assertThat(value(position.formatted(1))).isEqualTo(3);
    }

    @Test
    void aGpuSaysHowItIs() {
        assertThat(value("skein:gpu_utilization_ratio" + LABELS)).isEqualTo(0.5);
        assertThat(value("skein:gpu_memory_used_bytes" + LABELS)).isEqualTo(7);
        assertThat(value("skein:gpu_memory_total_bytes" + LABELS)).isEqualTo(9);
        assertThat(value("skein:gpu_temperature_celsius" + LABELS)).isEqualTo(45);
        assertThat(value("skein:gpu_power_watts" + LABELS)).isEqualTo(123.5);
        assertThat(types).containsEntry("skein:gpu_power_watts", "gauge");
    }

    @Test
    void whatIsNotThereIsToldAsNothing() {
        for (String none : new String[] {
            "external_prefix_cache_queries", "external_prefix_cache_hits", "mm_cache_queries", "mm_cache_hits"
        }) {
            assertThat(value("vllm:" + none + "_total" + LABELS)).isZero();
            assertThat(types).containsEntry("vllm:" + none + "_total", "counter");
        }
        String asleep = "vllm:engine_sleep_state{engine=\"0\",model_name=\"tiny\",sleep_state=\"%s\"}";
        assertThat(value(asleep.formatted("awake"))).isEqualTo(1);
        assertThat(value(asleep.formatted("weights_offloaded"))).isZero();
        assertThat(value(asleep.formatted("discard_all"))).isZero();
    }

    @Test
    void everySequenceOfARequestCountsByItself() throws Exception {
        try (Stage several = new Stage()) {
            CountDownLatch all = new CountDownLatch(4);
            several.worker.script = call -> {
                several.worker.calls.add(call);
                all.countDown();
            };
            FutureTask<HttpResponse<String>> answer = new FutureTask<>(() -> several.post(
                    "/v1/completions", "{\"prompt\":[\"x\",\"yyy\"],\"n\":2,\"max_tokens\":9,\"stop\":\"c\"}"));
            Thread.ofVirtual().start(answer);
            all.await();
            List<FakeWorker.Call> calls = new ArrayList<>(several.worker.calls);
            calls.get(0).say("ab");
            calls.get(0).end();
            calls.get(1).say("c");
            calls.get(2).end(FakeWorker.tokens('a').setFinish(FakeWorker.finish(FinishReason.FINISH_REASON_LENGTH)));
            calls.get(3).say("a");
            calls.get(3).say("b");
            calls.get(3).end();
            assertThat(answer.get().statusCode()).isEqualTo(200);
            Map<String, Double> own = new TreeMap<>();
            several.get("/metrics")
                    .body()
                    .lines()
                    .map(SAMPLE::matcher)
                    .filter(Matcher::matches)
                    .forEach(sample -> own.put(
                            sample.group(1) + (sample.group(2) == null ? "" : sample.group(2)),
                            Double.valueOf(sample.group(3).replace("+Inf", "Infinity"))));
            String success = "vllm:request_success_total{engine=\"0\",finished_reason=\"%s\",model_name=\"tiny\"}";
            assertThat(own)
                    .containsEntry(success.formatted("stop"), 3.0)
                    .containsEntry(success.formatted("length"), 1.0)
                    .containsEntry("vllm:e2e_request_latency_seconds_count" + LABELS, 4.0)
                    .containsEntry("vllm:time_to_first_token_seconds_count" + LABELS, 4.0)
                    .containsEntry("vllm:inter_token_latency_seconds_count" + LABELS, 1 + 0 + 0 + 2.0)
                    .containsEntry("vllm:request_prompt_tokens_sum" + LABELS, 1 + 1 + 3 + 3.0)
                    .containsEntry("vllm:request_prompt_tokens_count" + LABELS, 4.0)
                    .containsEntry("vllm:request_generation_tokens_sum" + LABELS, 3 + 1 + 1 + 3.0)
                    .containsEntry("vllm:request_generation_tokens_count" + LABELS, 4.0)
                    .containsEntry("vllm:request_params_max_tokens_count" + LABELS, 4.0)
                    .containsEntry("vllm:request_params_n_count" + LABELS, 2.0)
                    .containsEntry("vllm:request_params_n_sum" + LABELS, 4.0)
                    .containsEntry("vllm:request_max_num_generation_tokens_sum" + LABELS, 3 + 3.0);
        }
    }

    @Test
    void requestsAreCountedByTheirEnd() {
        String name = "vllm:request_success_total{engine=\"0\",finished_reason=\"%s\",model_name=\"tiny\"}";
        assertThat(value(name.formatted("stop"))).isEqualTo(2);
        assertThat(value(name.formatted("length"))).isEqualTo(1);
        assertThat(value(name.formatted("abort"))).isZero();
        assertThat(value(name.formatted("error"))).isZero();
        assertThat(value(name.formatted("repetition"))).isZero();
    }

    private static String bucket(String name, String bound) {
        return name + "_bucket{engine=\"0\",model_name=\"tiny\",le=\"" + bound + "\"}";
    }

    @Test
    void histogramsHaveVllmsBuckets() {
        assertThat(types)
                .containsEntry("vllm:time_to_first_token_seconds", "histogram")
                .containsEntry("vllm:iteration_tokens_total", "histogram");
        assertThat(value("vllm:time_to_first_token_seconds_count" + LABELS)).isEqualTo(3);
        assertThat(value(bucket("vllm:time_to_first_token_seconds", "2560.0"))).isEqualTo(3);
        assertThat(samples).containsKey(bucket("vllm:time_to_first_token_seconds", "0.001"));
        assertThat(value("vllm:inter_token_latency_seconds_count" + LABELS)).isEqualTo(6);
        assertThat(value("vllm:time_per_output_token_seconds_count" + LABELS)).isEqualTo(6);
        assertThat(samples).containsKey(bucket("vllm:inter_token_latency_seconds", "0.01"));
        assertThat(value("vllm:e2e_request_latency_seconds_count" + LABELS)).isEqualTo(3);
        assertThat(samples).containsKey(bucket("vllm:e2e_request_latency_seconds", "7680.0"));
        assertThat(value("vllm:request_queue_time_seconds_sum" + LABELS)).isCloseTo(0.003, within(1e-9));
        assertThat(value("vllm:request_prefill_time_seconds_sum" + LABELS)).isCloseTo(0.006, within(1e-9));
        assertThat(value("vllm:request_decode_time_seconds_sum" + LABELS)).isCloseTo(0.009, within(1e-9));
        assertThat(value("vllm:request_inference_time_seconds_count" + LABELS)).isEqualTo(3);
        assertThat(value("vllm:request_prompt_tokens_sum" + LABELS)).isEqualTo(6);
        assertThat(value(bucket("vllm:request_prompt_tokens", "2.0"))).isEqualTo(3);
        assertThat(samples).containsKey(bucket("vllm:request_prompt_tokens", "500.0"));
        assertThat(samples).doesNotContainKey(bucket("vllm:request_prompt_tokens", "1000.0"));
        assertThat(value("vllm:request_generation_tokens_sum" + LABELS)).isEqualTo(4 + 4 + 1);
        assertThat(value("vllm:request_params_max_tokens_sum" + LABELS)).isEqualTo(9 + 16 + 16);
        assertThat(value("vllm:request_params_n_count" + LABELS)).isEqualTo(3);
        assertThat(value("vllm:request_prefill_kv_computed_tokens_sum" + LABELS))
                .isEqualTo(6);
        assertThat(value("vllm:request_time_per_output_token_seconds_count" + LABELS))
                .isEqualTo(2);
        assertThat(value("vllm:request_max_num_generation_tokens_sum" + LABELS)).isEqualTo(9);
    }

    @Test
    void stepsAreCumulated() {
        assertThat(value(bucket("vllm:iteration_tokens_total", "1.0"))).isEqualTo(7);
        assertThat(value(bucket("vllm:iteration_tokens_total", "8.0"))).isEqualTo(9);
        assertThat(value(bucket("vllm:iteration_tokens_total", "16384.0"))).isEqualTo(9);
        assertThat(value(bucket("vllm:iteration_tokens_total", "+Inf"))).isEqualTo(9);
        assertThat(value("vllm:iteration_tokens_total_sum" + LABELS)).isEqualTo(21);
    }

    @Test
    void theWebLayerCountsRoutesAndNotPathsThatClientsMakeUp() {
        assertThat(value("http_requests_total{handler=\"/v1/completions\",method=\"POST\",status=\"2xx\"}"))
                .isEqualTo(3);
        assertThat(value("http_requests_total{handler=\"/v1/completions\",method=\"POST\",status=\"4xx\"}"))
                .isEqualTo(1);
        assertThat(value("http_requests_total{handler=\"none\",method=\"GET\",status=\"4xx\"}"))
                .isEqualTo(1);
        assertThat(value("http_request_duration_highr_seconds_count")).isEqualTo(5);
        assertThat(value("http_request_size_bytes_count{handler=\"/v1/completions\"}"))
                .isEqualTo(4);
        assertThat(value("http_response_size_bytes_sum{handler=\"/v1/completions\"}"))
                .isPositive();
        assertThat(value("http_request_duration_seconds_count{handler=\"/v1/completions\",method=\"POST\"}"))
                .isEqualTo(4);
        assertThat(samples.keySet()).noneMatch(key -> key.contains("/made/up") || key.contains("/metrics"));
    }
}
