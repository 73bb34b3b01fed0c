package dev.skein.cli;

import dev.skein.worker.WorkerOptions;
import io.vertx.core.json.JsonObject;
import java.nio.file.Path;

/// What `serve` hands to each worker, as the text that a group's specification holds.
///
/// @param logLevel as uvicorn names it
record WorkerParameters(
        Path model,
        int threads,
        String cpu,
        int maxModelLen,
        int maxNumSeqs,
        int maxNumBatchedTokens,
        long kvCacheBytes,
        int maxQueued,
        boolean prefixCaching,
        boolean byPriority,
        int maxLogprobs,
        long seed,
        String logLevel) {

    String encode() {
        return new JsonObject()
                .put("model", model.toString())
                .put("threads", threads)
                .put("cpu", cpu)
                .put("max-model-len", maxModelLen)
                .put("max-num-seqs", maxNumSeqs)
                .put("max-num-batched-tokens", maxNumBatchedTokens)
                .put("kv-cache-memory-bytes", kvCacheBytes)
                .put("max-num-queued-reqs", maxQueued)
                .put("enable-prefix-caching", prefixCaching)
                .put("by-priority", byPriority)
                .put("max-logprobs", maxLogprobs)
                .put("seed", seed)
                .put("log-level", logLevel)
                .encode();
    }

    static WorkerParameters decode(String text) {
        JsonObject json = new JsonObject(text);
        return new WorkerParameters(
                Path.of(json.getString("model")),
                json.getInteger("threads"),
                json.getString("cpu"),
                json.getInteger("max-model-len"),
                json.getInteger("max-num-seqs"),
                json.getInteger("max-num-batched-tokens"),
                json.getLong("kv-cache-memory-bytes"),
                json.getInteger("max-num-queued-reqs"),
                json.getBoolean("enable-prefix-caching"),
                json.getBoolean("by-priority"),
                json.getInteger("max-logprobs"),
                json.getLong("seed"),
                json.getString("log-level"));
    }

    /// @throws IllegalArgumentException for values that do not go together, naming the flags
    WorkerOptions options(String token) {
        return new WorkerOptions(
                model,
                threads,
                cpu,
                maxModelLen,
                maxNumSeqs,
                maxNumBatchedTokens,
                kvCacheBytes,
                maxQueued,
                prefixCaching,
                byPriority,
                maxLogprobs,
                seed,
                "127.0.0.1",
                0,
                token);
    }
}
