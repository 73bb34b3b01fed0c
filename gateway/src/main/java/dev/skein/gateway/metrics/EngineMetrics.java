package dev.skein.gateway.metrics;

import dev.skein.protocol.v1.DeviceStatistics;
import dev.skein.protocol.v1.StatisticsResponse;
import io.prometheus.metrics.model.registry.MultiCollector;
import io.prometheus.metrics.model.snapshots.ClassicHistogramBuckets;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;

/**
 * What workers said of themselves last; {@link #update} before each scrape. Groups are engines, numbered in the
 * scheduler's order. Thread-safe.
 */
public final class EngineMetrics implements MultiCollector {
    private final String model;
    private final Labels cacheLabels;
    // Written before a scrape, read by it, on whichever event loops these run.
    private volatile List<StatisticsResponse> engines = List.of();
    private volatile int first;

    // Prompt tokens that no cache had. A hit is counted before its prompt, so the difference may fall for a moment; a
    // counter must not.
    private volatile List<Long> computed = List.of();

    /**
     * @param model the first served name
     * @param cacheLabels what else {@code cache_config_info} tells
     */
    public EngineMetrics(String model, Map<String, String> cacheLabels) {
        this.model = model;
        this.cacheLabels = Labels.of(
                cacheLabels.keySet().toArray(String[]::new),
                cacheLabels.values().toArray(String[]::new));
    }

    /**
     * @param firstEngine number of the first group: groups of other models come before it
     * @param statistics of each group, in order
     */
    public void update(int firstEngine, List<StatisticsResponse> statistics) {
        first = firstEngine;
        List<StatisticsResponse> before = engines;
        List<Long> computedBefore = computed;
        List<Long> now = new ArrayList<>();
        for (int i = 0; i < statistics.size(); i++) {
            StatisticsResponse engine = statistics.get(i);
            long own = Math.max(0, engine.getPromptTokens() - engine.getPrefixCacheHits());
            boolean same = i < before.size() && before.get(i).getPromptTokens() <= engine.getPromptTokens();
            now.add(same ? Math.max(own, computedBefore.get(i)) : own);
        }
        computed = List.copyOf(now);
        engines = List.copyOf(statistics);
    }

    @Override
    public MetricSnapshots collect() {
        List<StatisticsResponse> now = engines;
        List<MetricSnapshot> all = new ArrayList<>();
        all.add(gauge(now, "num_requests_running", "Requests in the batch.", StatisticsResponse::getRunning));
        all.add(gauge(now, "num_requests_waiting", "Requests that wait.", StatisticsResponse::getWaiting));
        all.add(waitingByReason(now));
        all.add(gauge(now, "num_requests_swapped", "Older name; nothing is swapped.", _ -> 0));
        all.add(gauge(now, "kv_cache_usage_perc", "KV blocks in use, 0 to 1.", EngineMetrics::usage));
        all.add(gauge(now, "gpu_cache_usage_perc", "Older name of kv_cache_usage_perc.", EngineMetrics::usage));
        all.add(cacheConfig(now));
        all.add(counter(now, "prompt_tokens", "Prompt tokens.", StatisticsResponse::getPromptTokens));
        all.add(counter(now, "generation_tokens", "Tokens generated.", StatisticsResponse::getGenerationTokens));
        all.add(counter(now, "num_preemptions", "Sequences put back.", StatisticsResponse::getPreemptions));
        all.add(counter(now, "prefix_cache_queries", "Tokens looked up.", StatisticsResponse::getPrefixCacheQueries));
        all.add(counter(now, "prefix_cache_hits", "Tokens found.", StatisticsResponse::getPrefixCacheHits));
        all.add(counter(now, "gpu_prefix_cache_queries", "Older name.", StatisticsResponse::getPrefixCacheQueries));
        all.add(counter(now, "gpu_prefix_cache_hits", "Older name.", StatisticsResponse::getPrefixCacheHits));
        all.add(counter(now, "prompt_tokens_cached", "Prompt tokens found.", StatisticsResponse::getPrefixCacheHits));
        all.add(counter(now, "external_prefix_cache_queries", "There is no external cache.", _ -> 0));
        all.add(counter(now, "external_prefix_cache_hits", "There is no external cache.", _ -> 0));
        all.add(counter(now, "mm_cache_queries", "There is no cache of media.", _ -> 0));
        all.add(counter(now, "mm_cache_hits", "There is no cache of media.", _ -> 0));
        all.add(promptTokensBySource(now, computed));
        all.add(sleepState(now));
        all.add(stepTokens(now));
        if (now.stream().anyMatch(StatisticsResponse::hasSpeculation)) {
            all.addAll(speculation(now));
        }
        if (now.stream().anyMatch(StatisticsResponse::hasDevice)) {
            all.addAll(device(now));
        }
        return new MetricSnapshots(all);
    }

    /** Not vLLM's: it leaves these to others. */
    private List<MetricSnapshot> device(List<StatisticsResponse> engines) {
        return List.of(
                device(engines, "utilization_ratio", "Share of time that it computes.", DeviceStatistics::getBusy),
                device(engines, "memory_used_bytes", "By all processes.", DeviceStatistics::getMemoryUsedBytes),
                device(engines, "memory_total_bytes", "All of it.", DeviceStatistics::getMemoryTotalBytes),
                device(engines, "temperature_celsius", "Of the chip.", DeviceStatistics::getTemperatureCelsius),
                device(engines, "power_watts", "Power draw.", DeviceStatistics::getPowerWatts));
    }

    private GaugeSnapshot device(
            List<StatisticsResponse> engines, String name, String help, ToDoubleFunction<DeviceStatistics> value) {
        GaugeSnapshot.Builder gauge =
                GaugeSnapshot.builder().name("skein:gpu_" + name).help(help);
        for (int i = 0; i < engines.size(); i++) {
            if (engines.get(i).hasDevice()) {
                gauge.dataPoint(GaugeSnapshot.GaugeDataPointSnapshot.builder()
                        .labels(labels(i))
                        .value(value.applyAsDouble(engines.get(i).getDevice()))
                        .build());
            }
        }
        return gauge.build();
    }

    private List<MetricSnapshot> speculation(List<StatisticsResponse> engines) {
        return List.of(
                counter(
                        engines,
                        "spec_decode_num_drafts",
                        "Drafts computed.",
                        now -> now.getSpeculation().getDrafts()),
                counter(
                        engines,
                        "spec_decode_num_draft_tokens",
                        "Tokens drafted.",
                        now -> now.getSpeculation().getDraftTokens()),
                counter(
                        engines,
                        "spec_decode_num_accepted_tokens",
                        "Drafted tokens that came true.",
                        now -> accepted(now).mapToLong(Long::longValue).sum()),
                acceptedAtPosition(engines));
    }

    private static Stream<Long> accepted(StatisticsResponse engine) {
        return engine.getSpeculation().getAcceptedAtList().stream();
    }

    private CounterSnapshot acceptedAtPosition(List<StatisticsResponse> engines) {
        CounterSnapshot.Builder counter = CounterSnapshot.builder()
                .name("vllm:spec_decode_num_accepted_tokens_per_pos")
                .help("Drafts that came true up to and including a position.");
        for (int i = 0; i < engines.size(); i++) {
            List<Long> counts = accepted(engines.get(i)).toList();
            for (int position = 0; position < counts.size(); position++) {
                counter.dataPoint(CounterSnapshot.CounterDataPointSnapshot.builder()
                        .labels(labels(i).merge(Labels.of("position", Integer.toString(position))))
                        .value(counts.get(position))
                        .build());
            }
        }
        return counter.build();
    }

    private static double usage(StatisticsResponse engine) {
        return engine.getBlocksTotal() == 0 ? 0 : (double) engine.getBlocksUsed() / engine.getBlocksTotal();
    }

    private Labels labels(int engine) {
        return Labels.of("model_name", model, "engine", Integer.toString(first + engine));
    }

    private GaugeSnapshot gauge(
            List<StatisticsResponse> engines, String name, String help, ToDoubleFunction<StatisticsResponse> value) {
        GaugeSnapshot.Builder gauge =
                GaugeSnapshot.builder().name("vllm:" + name).help(help);
        for (int i = 0; i < engines.size(); i++) {
            gauge.dataPoint(GaugeSnapshot.GaugeDataPointSnapshot.builder()
                    .labels(labels(i))
                    .value(value.applyAsDouble(engines.get(i)))
                    .build());
        }
        return gauge.build();
    }

    private CounterSnapshot counter(
            List<StatisticsResponse> engines, String name, String help, ToDoubleFunction<StatisticsResponse> value) {
        CounterSnapshot.Builder counter =
                CounterSnapshot.builder().name("vllm:" + name).help(help);
        for (int i = 0; i < engines.size(); i++) {
            counter.dataPoint(CounterSnapshot.CounterDataPointSnapshot.builder()
                    .labels(labels(i))
                    .value(value.applyAsDouble(engines.get(i)))
                    .build());
        }
        return counter.build();
    }

    private GaugeSnapshot waitingByReason(List<StatisticsResponse> engines) {
        GaugeSnapshot.Builder gauge = GaugeSnapshot.builder()
                .name("vllm:num_requests_waiting_by_reason")
                .help("Requests that wait, by what for.");
        for (int i = 0; i < engines.size(); i++) {
            gauge.dataPoint(point(i, "reason", "capacity", engines.get(i).getWaiting()));
            gauge.dataPoint(point(i, "reason", "deferred", 0));
        }
        return gauge.build();
    }

    private GaugeSnapshot sleepState(List<StatisticsResponse> engines) {
        GaugeSnapshot.Builder gauge =
                GaugeSnapshot.builder().name("vllm:engine_sleep_state").help("1 for the state; none ever sleeps.");
        for (int i = 0; i < engines.size(); i++) {
            gauge.dataPoint(point(i, "sleep_state", "awake", 1));
            gauge.dataPoint(point(i, "sleep_state", "weights_offloaded", 0));
            gauge.dataPoint(point(i, "sleep_state", "discard_all", 0));
        }
        return gauge.build();
    }

    private GaugeSnapshot.GaugeDataPointSnapshot point(int engine, String label, String name, double value) {
        return GaugeSnapshot.GaugeDataPointSnapshot.builder()
                .labels(labels(engine).merge(Labels.of(label, name)))
                .value(value)
                .build();
    }

    private CounterSnapshot promptTokensBySource(List<StatisticsResponse> engines, List<Long> own) {
        CounterSnapshot.Builder counter =
                CounterSnapshot.builder().name("vllm:prompt_tokens_by_source").help("Prompt tokens by their source.");
        for (int i = 0; i < engines.size(); i++) {
            StatisticsResponse engine = engines.get(i);
            counter.dataPoint(source(i, "local_compute", own.get(i)));
            counter.dataPoint(source(i, "local_cache_hit", engine.getPrefixCacheHits()));
            counter.dataPoint(source(i, "external_kv_transfer", 0));
        }
        return counter.build();
    }

    private CounterSnapshot.CounterDataPointSnapshot source(int engine, String name, double tokens) {
        return CounterSnapshot.CounterDataPointSnapshot.builder()
                .labels(labels(engine).merge(Labels.of("source", name)))
                .value(tokens)
                .build();
    }

    private GaugeSnapshot cacheConfig(List<StatisticsResponse> engines) {
        GaugeSnapshot.Builder gauge =
                GaugeSnapshot.builder().name("vllm:cache_config_info").help("Sizes of the KV cache, as labels.");
        for (int i = 0; i < engines.size(); i++) {
            gauge.dataPoint(GaugeSnapshot.GaugeDataPointSnapshot.builder()
                    .labels(Labels.of(
                                    "engine",
                                    Integer.toString(first + i),
                                    "block_size",
                                    Integer.toString(engines.get(i).getBlockSize()),
                                    "num_gpu_blocks",
                                    Integer.toString(engines.get(i).getBlocksTotal()))
                            .merge(cacheLabels))
                    .value(1)
                    .build());
        }
        return gauge.build();
    }

    private HistogramSnapshot stepTokens(List<StatisticsResponse> engines) {
        HistogramSnapshot.Builder histogram =
                HistogramSnapshot.builder().name("vllm:iteration_tokens_total").help("Tokens in a step.");
        for (int i = 0; i < engines.size(); i++) {
            StatisticsResponse engine = engines.get(i);
            ClassicHistogramBuckets.Builder buckets = ClassicHistogramBuckets.builder();
            for (int bucket = 0; bucket <= Buckets.STEP.length; bucket++) {
                long count = bucket < engine.getStepTokensBucketsCount() ? engine.getStepTokensBuckets(bucket) : 0;
                buckets.bucket(bucket < Buckets.STEP.length ? Buckets.STEP[bucket] : Double.POSITIVE_INFINITY, count);
            }
            histogram.dataPoint(HistogramSnapshot.HistogramDataPointSnapshot.builder()
                    .labels(labels(i))
                    .classicHistogramBuckets(buckets.build())
                    .sum(engine.getStepTokensSum())
                    .build());
        }
        return histogram.build();
    }
}
