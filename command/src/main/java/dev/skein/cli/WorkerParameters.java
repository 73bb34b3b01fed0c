package dev.skein.cli;

import dev.skein.worker.DeviceOptions;
import dev.skein.worker.GroupOptions;
import dev.skein.worker.LoadFormat;
import dev.skein.worker.WorkerOptions;
import dev.skein.worker.engine.PromptLookup;
import dev.skein.worker.model.RankCount;
import io.vertx.core.json.JsonObject;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// What `serve` hands to each worker, as the text that a group's specification holds.
///
/// @param logLevel as uvicorn names it
record WorkerParameters(
        Path model,
        String loadFormat,
        int threads,
        String cpu,
        String device,
        double gpuMemoryUtilization,
        boolean enforceEager,
        boolean batchInvariant,
        int maxModelLen,
        int maxNumSeqs,
        int maxNumBatchedTokens,
        long kvCacheBytes,
        int maxQueued,
        boolean prefixCaching,
        boolean byPriority,
        @Nullable PromptLookup speculation,
        int maxLogprobs,
        long seed,
        int tensorParallel,
        int pipelineParallel,
        long stepTimeoutMillis,
        long recoverMillis,
        String logLevel) {

    /// A property of the Java machine: the address that a worker listens on, where it is not loopback.
    static final String HOST = "skein.worker.host";

    /// Ranks of a group.
    int ranks() {
        return count().all();
    }

    private RankCount count() {
        return new RankCount(tensorParallel, pipelineParallel);
    }

    String encode() {
        return new JsonObject()
                .put("model", model.toString())
                .put("load-format", loadFormat)
                .put("threads", threads)
                .put("cpu", cpu)
                .put("device", device)
                .put("gpu-memory-utilization", gpuMemoryUtilization)
                .put("enforce-eager", enforceEager)
                .put("batch-invariant", batchInvariant)
                .put("max-model-len", maxModelLen)
                .put("max-num-seqs", maxNumSeqs)
                .put("max-num-batched-tokens", maxNumBatchedTokens)
                .put("kv-cache-memory-bytes", kvCacheBytes)
                .put("max-num-queued-reqs", maxQueued)
                .put("enable-prefix-caching", prefixCaching)
                .put("by-priority", byPriority)
                .put("speculation", speculation == null ? null : encode(speculation))
                .put("max-logprobs", maxLogprobs)
                .put("seed", seed)
                .put("tensor-parallel-size", tensorParallel)
                .put("pipeline-parallel-size", pipelineParallel)
                .put("step-timeout-millis", stepTimeoutMillis)
                .put("recover-millis", recoverMillis)
                .put("log-level", logLevel)
                .encode();
    }

    private static JsonObject encode(PromptLookup lookup) {
        return new JsonObject()
                .put("tokens", lookup.tokens())
                .put("least", lookup.least())
                .put("most", lookup.most());
    }

    private static @Nullable PromptLookup decode(@Nullable JsonObject json) {
        return json == null
                ? null
                : new PromptLookup(json.getInteger("tokens"), json.getInteger("least"), json.getInteger("most"));
    }

    static WorkerParameters decode(String text) {
        JsonObject json = new JsonObject(text);
        return new WorkerParameters(
                Path.of(json.getString("model")),
                json.getString("load-format"),
                json.getInteger("threads"),
                json.getString("cpu"),
                json.getString("device"),
                json.getDouble("gpu-memory-utilization"),
                json.getBoolean("enforce-eager"),
                json.getBoolean("batch-invariant"),
                json.getInteger("max-model-len"),
                json.getInteger("max-num-seqs"),
                json.getInteger("max-num-batched-tokens"),
                json.getLong("kv-cache-memory-bytes"),
                json.getInteger("max-num-queued-reqs"),
                json.getBoolean("enable-prefix-caching"),
                json.getBoolean("by-priority"),
                decode(json.getJsonObject("speculation")),
                json.getInteger("max-logprobs"),
                json.getLong("seed"),
                json.getInteger("tensor-parallel-size"),
                json.getInteger("pipeline-parallel-size"),
                json.getLong("step-timeout-millis"),
                json.getLong("recover-millis"),
                json.getString("log-level"));
    }

    /// @throws IllegalArgumentException for values that do not go together, naming the flags
    WorkerOptions options(String token) {
        return new WorkerOptions(
                model,
                LoadFormat.named(loadFormat),
                threads,
                cpu,
                new DeviceOptions(DeviceOptions.device(device), gpuMemoryUtilization, enforceEager, batchInvariant),
                maxModelLen,
                maxNumSeqs,
                maxNumBatchedTokens,
                kvCacheBytes,
                maxQueued,
                prefixCaching,
                byPriority,
                speculation,
                maxLogprobs,
                seed,
                new GroupOptions(count(), Duration.ofMillis(stepTimeoutMillis), Duration.ofMillis(recoverMillis)),
                System.getProperty(HOST, "127.0.0.1"),
                0,
                token);
    }
}
