package dev.skein.gateway.metrics;

import dev.skein.protocol.v1.Finish;
import io.prometheus.metrics.core.datapoints.CounterDataPoint;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.Labels;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What the gateway sees of requests: their sizes, their ends, and the times from the arrival of a request's headers on.
 * As in vLLM each sequence counts by itself: a request with n 3 is three that succeed.
 *
 * <p>Thread-safe.
 */
public final class RequestMetrics {
    private static final double NANOS = 1e9;

    private final Map<String, CounterDataPoint> ended = new TreeMap<>();
    private final Histogram firstToken;
    private final Histogram betweenTokens;
    private final Histogram perToken;
    private final Histogram perTokenOldName;
    private final Histogram wholeRequest;
    private final Histogram queue;
    private final Histogram prefill;
    private final Histogram decode;
    private final Histogram inference;
    private final Histogram promptTokens;
    private final Histogram generationTokens;
    private final Histogram mostGenerationTokens;
    private final Histogram maxTokens;
    private final Histogram computedTokens;
    private final Histogram choices;

    /**
     * @param model the first served name
     * @param maxModelLen largest bucket of token counts
     */
    public RequestMetrics(PrometheusRegistry registry, String model, int maxModelLen) {
        Labels labels = Labels.of("model_name", model, "engine", "0");
        Counter success = Counter.builder()
                .name("vllm:request_success")
                .help("Requests that ended, by why.")
                .constLabels(labels)
                .labelNames("finished_reason")
                .withoutExemplars()
                .register(registry);
        for (String reason : List.of("stop", "length", "abort", "error", "repetition")) {
            ended.put(reason, success.labelValues(reason));
        }
        Maker make = new Maker(registry, labels);
        double[] tokens = Buckets.upTo(maxModelLen);
        firstToken = make.of("time_to_first_token_seconds", "Time to the first token.", Buckets.FIRST_TOKEN);
        betweenTokens = make.of("inter_token_latency_seconds", "Time between tokens.", Buckets.BETWEEN_TOKENS);
        perToken = make.of(
                "request_time_per_output_token_seconds",
                "Mean time of a token after the first.",
                Buckets.BETWEEN_TOKENS);
        perTokenOldName =
                make.of("time_per_output_token_seconds", "Older name of inter_token_latency.", Buckets.BETWEEN_TOKENS);
        wholeRequest = make.of("e2e_request_latency_seconds", "Time of a whole request.", Buckets.REQUEST);
        queue = make.of("request_queue_time_seconds", "Time waiting for the first step.", Buckets.REQUEST);
        prefill = make.of("request_prefill_time_seconds", "Time of prefill.", Buckets.REQUEST);
        decode = make.of("request_decode_time_seconds", "Time of decode.", Buckets.REQUEST);
        inference = make.of("request_inference_time_seconds", "Time of prefill and decode.", Buckets.REQUEST);
        promptTokens = make.of("request_prompt_tokens", "Prompt tokens of a request.", tokens);
        generationTokens = make.of("request_generation_tokens", "Generated tokens of a request.", tokens);
        mostGenerationTokens =
                make.of("request_max_num_generation_tokens", "Generated tokens of a request's longest choice.", tokens);
        maxTokens = make.of("request_params_max_tokens", "max_tokens of a request.", tokens);
        computedTokens = make.of(
                "request_prefill_kv_computed_tokens", "Prompt tokens computed, prefix cache hits left out.", tokens);
        choices = make.of("request_params_n", "n of a request.", Buckets.CHOICES);
    }

    private record Maker(PrometheusRegistry registry, Labels labels) {
        Histogram of(String name, String help, double[] bounds) {
            return Histogram.builder()
                    .name("vllm:" + name)
                    .help(help)
                    .constLabels(labels)
                    .classicOnly()
                    .classicUpperBounds(bounds)
                    .withoutExemplars()
                    .register(registry);
        }
    }

    public void firstToken(long nanos) {
        firstToken.observe(nanos / NANOS);
    }

    public void nextToken(long nanos) {
        betweenTokens.observe(nanos / NANOS);
        perTokenOldName.observe(nanos / NANOS);
    }

    /** A sequence's own times, as its worker took them. */
    public void worked(Finish finish, int prompt) {
        queue.observe(finish.getQueueNanos() / NANOS);
        prefill.observe(finish.getPrefillNanos() / NANOS);
        decode.observe(finish.getDecodeNanos() / NANOS);
        inference.observe((finish.getPrefillNanos() + finish.getDecodeNanos()) / NANOS);
        computedTokens.observe(Math.max(0, prompt - finish.getCachedTokens()));
    }

    /**
     * A sequence that has ended.
     *
     * @param reason stop, length, abort or error
     * @param nanos from arrival to end
     * @param decodeNanos from the first token to the last
     * @param most output tokens that it was allowed
     */
    public record Sequence(String reason, long nanos, long decodeNanos, int prompt, int generated, int most) {}

    public void sequence(Sequence sequence) {
        CounterDataPoint counter = ended.get(sequence.reason);
        if (counter != null) {
            counter.inc();
        }
        wholeRequest.observe(sequence.nanos / NANOS);
        if (sequence.generated > 1) {
            perToken.observe(sequence.decodeNanos / NANOS / (sequence.generated - 1));
        }
        promptTokens.observe(sequence.prompt);
        generationTokens.observe(sequence.generated);
        maxTokens.observe(sequence.most);
    }

    /**
     * A prompt whose sequences have all ended.
     *
     * @param longest tokens of the longest of them
     */
    public void prompt(int n, int longest) {
        choices.observe(n);
        mostGenerationTokens.observe(longest);
    }
}
