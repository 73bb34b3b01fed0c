package dev.skein.worker;

import static java.util.Objects.requireNonNull;

import dev.skein.compute.cpu.CpuOptions;
import dev.skein.worker.engine.PromptLookup;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What a worker serves and how. Refuses bad values with {@link IllegalArgumentException} that name the flag.
 *
 * @param model a GGUF file, or a Hugging Face folder
 * @param loadFormat where its weights come from
 * @param threads that compute; 0 for all cores
 * @param cpu instruction set: auto, java, or one that {@link CpuOptions.Isa} names
 * @param device what computes
 * @param maxModelLen prompt and output together; {@link #FROM_FILE} or {@link #AUTO}
 * @param maxNumSeqs sequences in a step
 * @param maxNumBatchedTokens tokens in a step
 * @param kvCacheBytes 0 for what is left of the device's share or, where memory is this machine's, the smaller of 4 GiB and
 *     40 % of what is free
 * @param maxQueued requests that may wait
 * @param prefixCaching whether what is computed of prompts and answers is kept for later requests that begin alike
 * @param byPriority whether requests go by their priority before their arrival
 * @param speculation how answers are drafted; null for not at all
 * @param maxLogprobs likeliest ids a request may ask for
 * @param seed of the seeds of requests that bring none
 * @param group the ranks that it leads
 * @param host to listen on
 * @param port 0 for any
 * @param token that every call carries
 */
public record WorkerOptions(
        Path model,
        LoadFormat loadFormat,
        int threads,
        String cpu,
        DeviceOptions device,
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
        GroupOptions group,
        String host,
        int port,
        String token) {
    /** The file's own context length. */
    public static final int FROM_FILE = 0;
    /** The longest that fits into the cache, up to the file's own. */
    public static final int AUTO = -1;

    /** Sequences or tokens in a step at most: buffers are made for them. */
    private static final int MAX_BATCH = 1 << 16;

    private static final int MAX_THREADS = 256;
    private static final int MAX_QUEUED = 1 << 20;
    private static final int MAX_LOGPROBS = 1 << 10;
    private static final int MAX_PORT = 65535;

    public WorkerOptions {
        requireNonNull(model, "model is null");
        requireNonNull(loadFormat, "loadFormat is null");
        requireNonNull(group, "group is null");
        within("threads", threads, 0, MAX_THREADS);
        CpuOptions.isa(cpu);
        within("max-model-len", maxModelLen, AUTO, Integer.MAX_VALUE);
        within("max-num-seqs", maxNumSeqs, 1, MAX_BATCH);
        within("max-num-batched-tokens", maxNumBatchedTokens, 1, MAX_BATCH);
        within("kv-cache-memory-bytes", kvCacheBytes, 0, Long.MAX_VALUE);
        within("max-num-queued-reqs", maxQueued, 1, MAX_QUEUED);
        within("max-logprobs", maxLogprobs, 0, MAX_LOGPROBS);
        within("port", port, 0, MAX_PORT);
        if (maxNumBatchedTokens < maxNumSeqs) {
            throw new IllegalArgumentException(
                    "--max-num-batched-tokens %d is less than --max-num-seqs %d: every sequence needs a token in a step"
                            .formatted(maxNumBatchedTokens, maxNumSeqs));
        }
        if (host.isBlank() || token.isBlank()) {
            throw new IllegalArgumentException("a worker needs a host to listen on and a token that calls carry");
        }
    }

    private static void within(String flag, long value, long least, long most) {
        if (value < least || value > most) {
            throw new IllegalArgumentException(
                    "--%s is %d; it may be from %d to %d".formatted(flag, value, least, most));
        }
    }

    /** The defaults, on any port of loopback. */
    public static WorkerOptions of(Path model, String token) {
        return new WorkerOptions(
                model,
                LoadFormat.AUTO,
                0,
                "auto",
                DeviceOptions.AUTO,
                FROM_FILE,
                256,
                2048,
                0,
                1024,
                true,
                false,
                null,
                20,
                0,
                GroupOptions.ALONE,
                "127.0.0.1",
                0,
                token);
    }

    public WorkerOptions withMaxModelLen(int tokens) {
        return new WorkerOptions(
                model,
                loadFormat,
                threads,
                cpu,
                device,
                tokens,
                maxNumSeqs,
                maxNumBatchedTokens,
                kvCacheBytes,
                maxQueued,
                prefixCaching,
                byPriority,
                speculation,
                maxLogprobs,
                seed,
                group,
                host,
                port,
                token);
    }

    public WorkerOptions withKvCacheBytes(long bytes) {
        return new WorkerOptions(
                model,
                loadFormat,
                threads,
                cpu,
                device,
                maxModelLen,
                maxNumSeqs,
                maxNumBatchedTokens,
                bytes,
                maxQueued,
                prefixCaching,
                byPriority,
                speculation,
                maxLogprobs,
                seed,
                group,
                host,
                port,
                token);
    }

    public WorkerOptions withDevice(DeviceOptions other) {
        return new WorkerOptions(
                model,
                loadFormat,
                threads,
                cpu,
                other,
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
                group,
                host,
                port,
                token);
    }

    CpuOptions cpuOptions() {
        CpuOptions all = CpuOptions.defaults().withIsa(CpuOptions.isa(cpu));
        CpuOptions options = group.alone() ? all : all.unpinned();
        return threads == 0 ? options : options.withThreads(threads);
    }

    @Override
    public String toString() {
        return "WorkerOptions[model=%s, load-format=%s, threads=%d, cpu=%s, device=%s, gpu-memory-utilization=%s, enforce-eager=%s, batch-invariant=%s, max-model-len=%d, max-num-seqs=%d, max-num-batched-tokens=%d, kv-cache-memory-bytes=%d, max-num-queued-reqs=%d, enable-prefix-caching=%s, scheduling-policy=%s, speculative-config=%s, max-logprobs=%d, seed=%d, tensor-parallel-size=%d, pipeline-parallel-size=%d, host=%s, port=%d]"
                .formatted(
                        model,
                        loadFormat.name().toLowerCase(Locale.ROOT),
                        threads,
                        cpu,
                        device.name(),
                        device.memoryShare(),
                        device.eager(),
                        device.sameBits(),
                        maxModelLen,
                        maxNumSeqs,
                        maxNumBatchedTokens,
                        kvCacheBytes,
                        maxQueued,
                        prefixCaching,
                        byPriority ? "priority" : "fcfs",
                        speculation,
                        maxLogprobs,
                        seed,
                        group.count().tensor(),
                        group.count().pipeline(),
                        host,
                        port);
    }
}
