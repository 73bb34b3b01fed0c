package dev.skein.cli.settings;

import static dev.skein.cli.settings.Setting.Section.ACCEPTED;
import static dev.skein.cli.settings.Setting.Section.ACCESS;
import static dev.skein.cli.settings.Setting.Section.ENGINE;
import static dev.skein.cli.settings.Setting.Section.FIXED;
import static dev.skein.cli.settings.Setting.Section.LOGGING;
import static dev.skein.cli.settings.Setting.Section.MODEL;
import static dev.skein.cli.settings.Setting.Section.SERVER;
import static dev.skein.cli.settings.Setting.Section.TEMPLATE;

import dev.skein.gateway.openai.SamplingDefaults;
import dev.skein.worker.engine.PromptLookup;
import java.time.Duration;
import java.util.List;
import java.util.function.Function;

/// All settings of `skein serve`. Names, defaults and meanings are those of vLLM 0.2x's `vllm serve` unless the help
/// says
/// otherwise.
public final class ServeSettings {
    /// For [#MAX_MODEL_LEN]: as much as the model allows and the memory holds.
    public static final int AUTO = -1;

    private static final int MOST_TOKENS = 1 << 24;
    private static final int MOST_RANKS = 64;

    public static final Setting<String> MODEL_FILE = Setting.text(
            MODEL,
            "model",
            "MODEL",
            null,
            "the model: a GGUF file, a folder, or ORG/NAME[:QUANT] on a hub; the word after `serve` says the same and wins."
                    + " Without either: SmolLM2-135M-Instruct, fetched once");
    public static final Setting<String> REVISION = Setting.text(
            MODEL,
            "revision",
            "REVISION",
            null,
            "branch, tag or commit of a model on a hub. Default: main, as it was when it was pulled last");
    public static final Setting<String> SERVED_MODEL_NAME = Setting.text(
                    MODEL,
                    "served-model-name",
                    "NAME",
                    null,
                    "names that requests may give; answers carry the first." + " Default: MODEL as it was given")
            .several();
    public static final Setting<Integer> MAX_MODEL_LEN = Setting.of(
            MODEL,
            "max-model-len",
            "TOKENS",
            null,
            ServeSettings::modelLength,
            "prompt and output together; auto or -1 takes what the model allows and the memory holds."
                    + " Default: what the model says");
    public static final Setting<String> LOAD_FORMAT = Setting.of(
            MODEL,
            "load-format",
            "FORMAT",
            "auto",
            Readers.choice("auto", "dummy"),
            "auto, or dummy: random weights of the shape that a folder's config.json says, to measure with");
    public static final Setting<String> DTYPE = Setting.of(
            MODEL,
            "dtype",
            "TYPE",
            "auto",
            ServeSettings::dtype,
            "how activations are computed: auto, float32 on a CPU, bfloat16 on a GPU; each of them knows only its own");

    public static final Setting<String> HOST = Setting.text(
            SERVER,
            "host",
            "ADDRESS",
            "127.0.0.1",
            "address to listen on. Unlike vLLM only this machine by default; 0.0.0.0 is everyone");
    public static final Setting<Integer> PORT = Setting.of(
            SERVER,
            "port",
            "PORT",
            "8000",
            Readers.integer(0, 65_535),
            "0 lets the system choose; the ready line says which");
    public static final Setting<Duration> SHUTDOWN_TIMEOUT = Setting.of(
            SERVER,
            "shutdown-timeout",
            "SECONDS",
            "30",
            Readers::seconds,
            "how long answers may go on after SIGTERM or Ctrl-C; a second signal ends them at once. vLLM's is 0");
    public static final Setting<Duration> REQUEST_TIMEOUT = Setting.of(
            SERVER,
            "request-timeout",
            "SECONDS",
            "0",
            Readers::seconds,
            "how long a request may take, waiting included; then it is ended with an error. 0 is no limit, as in vLLM");
    public static final Setting<Duration> GROUP_WAIT_TIMEOUT = Setting.of(
            SERVER,
            "group-wait-timeout",
            "SECONDS",
            "30",
            Readers::seconds,
            "how long a request waits for a group, and a broken answer for one that goes on with it, while groups start"
                    + " or come back; then it is answered 503. 0 does not wait");
    public static final Setting<String> CONFIG = Setting.text(
            SERVER,
            "config",
            "FILE",
            null,
            "a YAML file with these settings as keys, dashes or underscores."
                    + " The command line and SKEIN_... variables win over it");

    public static final Setting<String> ROOT_PATH = Setting.of(
            SERVER,
            "root-path",
            "PATH",
            "",
            ServeSettings::rootPath,
            "prefix of all paths, such as /llm, where a proxy passes it on; paths without it are taken too");

    public static final Setting<String> API_KEY = Setting.text(
                    ACCESS,
                    "api-key",
                    "KEY",
                    null,
                    "a bearer token that calls must carry; may be given several times."
                            + " Better from SKEIN_API_KEY or VLLM_API_KEY, which other users of the machine cannot read")
            .several();
    public static final Setting<String> ALLOWED_ORIGINS = Setting.text(
                    ACCESS,
                    "allowed-origins",
                    "ORIGIN",
                    null,
                    "web pages that may call from a browser, * for all." + " Unlike vLLM none by default")
            .several();
    public static final Setting<Boolean> REQUEST_ID_HEADERS =
            Setting.off(ACCESS, "enable-request-id-headers", "answer with X-Request-Id");

    public static final Setting<Integer> MAX_NUM_SEQS =
            Setting.of(ENGINE, "max-num-seqs", "N", "256", Readers.integer(1, 65_536), "sequences that run at once");
    public static final Setting<Integer> MAX_NUM_BATCHED_TOKENS = Setting.of(
            ENGINE, "max-num-batched-tokens", "N", "2048", Readers.integer(1, 1 << 20), "tokens in one step");
    public static final Setting<Integer> MAX_NUM_QUEUED_REQS = Setting.of(
            ENGINE,
            "max-num-queued-reqs",
            "N",
            "1024",
            Readers.integer(1, 1 << 20),
            "requests that wait for their first step; more are answered 503");
    public static final Setting<Boolean> PREFIX_CACHING =
            Setting.on(ENGINE, "enable-prefix-caching", "keep what was computed for later requests that begin alike");
    public static final Setting<String> SCHEDULING_POLICY = Setting.of(
            ENGINE,
            "scheduling-policy",
            "POLICY",
            "fcfs",
            Readers.choice("fcfs", "priority"),
            "who is first: fcfs, the first to come, or priority, the lowest number in the request's priority");
    public static final Setting<PromptLookup> SPECULATIVE_CONFIG = Setting.of(
            ENGINE,
            "speculative-config",
            "JSON",
            null,
            SpeculativeConfig::read,
            "draft answers from the text before, such as {\"method\": \"ngram\", \"num_speculative_tokens\": 5};"
                    + " changes no token. Default: none");
    public static final Setting<Long> KV_CACHE_MEMORY = Setting.of(
            ENGINE,
            "kv-cache-memory-bytes",
            "BYTES",
            null,
            Readers.count(1, 1L << 50),
            "memory of the KV cache, such as 2G. Default: what --max-num-seqs needs, within the free memory");
    public static final Setting<Integer> BLOCK_SIZE = Setting.of(
            ENGINE, "block-size", "TOKENS", "16", ServeSettings::blockSize, "tokens in a KV block; there is only 16");
    public static final Setting<Long> SEED = Setting.of(
            ENGINE, "seed", "N", "0", Readers.count(Long.MIN_VALUE, Long.MAX_VALUE), "of requests that bring no seed");
    public static final Setting<Integer> MAX_LOGPROBS = Setting.of(
            ENGINE, "max-logprobs", "N", "20", Readers.integer(0, 1000), "likeliest tokens that a request may ask for");
    public static final Setting<String> DEVICE = Setting.of(
            ENGINE,
            "device",
            "DEVICE",
            "auto",
            Readers.choice("auto", "cpu", "cuda"),
            "what computes: cuda is an NVIDIA GPU of compute capability 8.0 or newer (the first that CUDA_VISIBLE_DEVICES"
                    + " leaves, or as many as --tensor-parallel-size), auto takes one if there is one and it computes alone, and the"
                    + " processor otherwise");
    public static final Setting<Double> GPU_MEMORY_UTILIZATION = Setting.of(
            ENGINE,
            "gpu-memory-utilization",
            "SHARE",
            "0.92",
            Readers.number(0, 1),
            "of a GPU's memory that may be filled: what weights and activations leave of it is KV cache");
    public static final Setting<Boolean> ENFORCE_EAGER = Setting.off(
            ENGINE,
            "enforce-eager",
            "launch every kernel of every step on a GPU, rather than steps captured as graphs");
    public static final Setting<Boolean> BATCH_INVARIANT = Setting.off(
            ENGINE,
            "batch-invariant",
            "the same tokens on a GPU whatever else is in the batch, at some cost; on a CPU it is always so."
                    + " For vLLM it is VLLM_BATCH_INVARIANT");
    public static final Setting<Integer> THREADS = Setting.of(
            ENGINE,
            "threads",
            "N",
            "auto",
            ServeSettings::threads,
            "threads that compute in each rank; auto shares all cores among them");
    public static final Setting<String> CPU = Setting.of(
            ENGINE,
            "cpu",
            "SET",
            "auto",
            Readers.choice("auto", "vnni", "avx512", "avx2", "java"),
            "instruction set: auto, vnni, avx512, avx2 or java (no native code)");
    public static final Setting<Integer> TENSOR_PARALLEL = Setting.of(
                    ENGINE,
                    "tensor-parallel-size",
                    "N",
                    "1",
                    Readers.integer(1, MOST_RANKS),
                    "ranks that share each layer, by heads and columns: each is a process with its part of the weights")
            .alias("-tp");
    public static final Setting<Integer> PIPELINE_PARALLEL = Setting.of(
                    ENGINE,
                    "pipeline-parallel-size",
                    "N",
                    "1",
                    Readers.integer(1, MOST_RANKS),
                    "stages that share the layers, each of as many ranks as share a layer")
            .alias("-pp");
    public static final Setting<Duration> STEP_TIMEOUT = Setting.of(
            ENGINE,
            "step-timeout",
            "SECONDS",
            "60",
            Readers::seconds,
            "how long a rank of a group waits for another within a step before it takes it for lost");
    public static final Setting<Duration> RECOVER_SECONDS = Setting.of(
            ENGINE,
            "recover-seconds",
            "SECONDS",
            "300",
            Readers::seconds,
            "how long a group waits, with its weights and streams, for a lost rank to come back before it is started anew;"
                    + " 0 starts it anew at once");

    public static final Setting<Integer> REPLICAS = Setting.of(
            ENGINE,
            "replicas",
            "N",
            "1",
            Readers.integer(0, 1024),
            "groups that serve the model, each with its own weights and cache; --threads auto divides the cores among"
                    + " them. See skein scale");
    public static final Setting<Duration> SCALE_TO_ZERO_AFTER = Setting.of(
            ENGINE,
            "scale-to-zero-after",
            "SECONDS",
            "0",
            Readers::seconds,
            "end the groups after so long with nothing to do; the next request starts them and waits for the first."
                    + " 0 keeps them");

    public static final Setting<String> CHAT_TEMPLATE = Setting.text(
            TEMPLATE,
            "chat-template",
            "FILE",
            null,
            "a Jinja template in place of the model's: a file or the text itself");
    public static final Setting<String> CONTENT_FORMAT = Setting.of(
            TEMPLATE,
            "chat-template-content-format",
            "FORMAT",
            "auto",
            ServeSettings::contentFormat,
            "how a template gets a message's content; there is only auto");
    public static final Setting<String> RESPONSE_ROLE =
            Setting.text(TEMPLATE, "response-role", "ROLE", "assistant", "role of generated messages");
    public static final Setting<String> GENERATION_CONFIG = Setting.of(
            TEMPLATE,
            "generation-config",
            "WHICH",
            "auto",
            Readers.choice("auto", "vllm"),
            "auto takes sampling defaults from the model; vllm takes none");

    public static final Setting<String> OVERRIDE_GENERATION_CONFIG = Setting.of(
            TEMPLATE,
            "override-generation-config",
            "JSON",
            "",
            ServeSettings::samplingDefaults,
            "sampling defaults that win over the model's, such as {\"temperature\":0.5,\"max_new_tokens\":512}");
    public static final Setting<Boolean> TRUST_REQUEST_TEMPLATE =
            Setting.off(TEMPLATE, "trust-request-chat-template", "take a request's own chat_template");
    public static final Setting<Boolean> TOKENS_AS_IDS =
            Setting.off(TEMPLATE, "return-tokens-as-token-ids", "logprobs name tokens as token_id:ID, in every answer");
    public static final Setting<Boolean> PROMPT_TOKENS_DETAILS =
            Setting.off(TEMPLATE, "enable-prompt-tokens-details", "usage tells cached prompt tokens");
    public static final Setting<Boolean> FORCE_USAGE = Setting.off(
            TEMPLATE, "enable-force-include-usage", "every stream tells usage, on the way and in its last chunk");

    public static final Setting<String> LOG_LEVEL = Setting.of(
            LOGGING,
            "log-level",
            "LEVEL",
            "info",
            Readers.choice("trace", "debug", "info", "warning", "error", "critical"),
            "trace, debug, info, warning, error or critical");
    public static final Setting<String> UVICORN_LOG_LEVEL = Setting.of(
            LOGGING,
            "uvicorn-log-level",
            "LEVEL",
            null,
            Readers.choice("trace", "debug", "info", "warning", "error", "critical"),
            "vLLM's name for --log-level");
    public static final Setting<Boolean> LOG_REQUESTS =
            Setting.off(LOGGING, "enable-log-requests", "a line for each request when it ends, without its text");
    public static final Setting<Boolean> DISABLE_LOG_STATS = Setting.off(
            LOGGING,
            "disable-log-stats",
            "no line every ten seconds of what the engine does. Unlike vLLM's it leaves /metrics as it is");

    public static final Setting<Boolean> CHUNKED_PREFILL =
            Setting.fixed(FIXED, "enable-chunked-prefill", true, "prompts are always prefilled in chunks");
    public static final Setting<String> KV_CACHE_DTYPE = Setting.of(
            FIXED,
            "kv-cache-dtype",
            "TYPE",
            "auto",
            just("auto", "the backend chooses the cache's type"),
            "the backend chooses the cache's type; there is only auto");
    public static final Setting<String> TOKENIZER_MODE = Setting.of(
            FIXED,
            "tokenizer-mode",
            "MODE",
            "auto",
            just("auto", "the model file says how it is tokenized"),
            "the model file says how it is tokenized; there is only auto");
    public static final Setting<Integer> DATA_PARALLEL = Setting.of(
                    FIXED, "data-parallel-size", "N", "1", ServeSettings::oneCopy, "copies of the model; only 1 yet")
            .alias("-dp");
    public static final Setting<Boolean> DISABLE_ACCESS_LOG = Setting.fixed(
            FIXED, "disable-uvicorn-access-log", true, "there is no access log; see --enable-log-requests");
    public static final Setting<Boolean> DISABLE_DOCS =
            Setting.fixed(FIXED, "disable-fastapi-docs", true, "there are no pages of documentation");
    public static final Setting<Boolean> LOAD_TRACKING =
            Setting.fixed(FIXED, "enable-server-load-tracking", true, "/load always tells the requests in hand");

    public static final Setting<Boolean> TRUST_REMOTE_CODE =
            Setting.off(ACCEPTED, "trust-remote-code", "no code of a model is ever run");
    public static final Setting<Integer> NUM_GPU_BLOCKS = Setting.of(
            ACCEPTED,
            "num-gpu-blocks-override",
            "N",
            null,
            Readers.integer(1, Integer.MAX_VALUE),
            "--kv-cache-memory-bytes sizes the cache");
    public static final Setting<Double> SWAP_SPACE = Setting.of(
            ACCEPTED,
            "swap-space",
            "GIB",
            null,
            Readers.number(0, 1 << 20),
            "preempted requests are computed again, not swapped");
    public static final Setting<Integer> NUM_SCHEDULER_STEPS = Setting.of(
            ACCEPTED, "num-scheduler-steps", "N", null, Readers.integer(1, 1 << 20), "each step is planned by itself");
    public static final Setting<Integer> MAX_LOG_LEN = Setting.of(
            ACCEPTED, "max-log-len", "N", null, Readers.integer(0, Integer.MAX_VALUE), "prompts are never logged");
    public static final Setting<Boolean> DISABLE_LOG_REQUESTS =
            Setting.off(ACCEPTED, "disable-log-requests", "requests are logged with --enable-log-requests only");
    public static final Setting<Boolean> USE_V2_BLOCK_MANAGER =
            Setting.off(ACCEPTED, "use-v2-block-manager", "there is one block manager");

    /// All of them, in the order of the help text.
    public static final List<Setting<?>> ALL = List.of(
            MODEL_FILE,
            REVISION,
            SERVED_MODEL_NAME,
            MAX_MODEL_LEN,
            LOAD_FORMAT,
            DTYPE,
            HOST,
            PORT,
            SHUTDOWN_TIMEOUT,
            REQUEST_TIMEOUT,
            GROUP_WAIT_TIMEOUT,
            CONFIG,
            ROOT_PATH,
            API_KEY,
            ALLOWED_ORIGINS,
            REQUEST_ID_HEADERS,
            MAX_NUM_SEQS,
            MAX_NUM_BATCHED_TOKENS,
            MAX_NUM_QUEUED_REQS,
            PREFIX_CACHING,
            SCHEDULING_POLICY,
            SPECULATIVE_CONFIG,
            KV_CACHE_MEMORY,
            BLOCK_SIZE,
            SEED,
            MAX_LOGPROBS,
            DEVICE,
            GPU_MEMORY_UTILIZATION,
            ENFORCE_EAGER,
            BATCH_INVARIANT,
            THREADS,
            CPU,
            TENSOR_PARALLEL,
            PIPELINE_PARALLEL,
            REPLICAS,
            SCALE_TO_ZERO_AFTER,
            STEP_TIMEOUT,
            RECOVER_SECONDS,
            CHAT_TEMPLATE,
            CONTENT_FORMAT,
            RESPONSE_ROLE,
            GENERATION_CONFIG,
            OVERRIDE_GENERATION_CONFIG,
            TRUST_REQUEST_TEMPLATE,
            TOKENS_AS_IDS,
            PROMPT_TOKENS_DETAILS,
            FORCE_USAGE,
            LOG_LEVEL,
            UVICORN_LOG_LEVEL,
            LOG_REQUESTS,
            DISABLE_LOG_STATS,
            CHUNKED_PREFILL,
            KV_CACHE_DTYPE,
            TOKENIZER_MODE,
            DATA_PARALLEL,
            DISABLE_ACCESS_LOG,
            DISABLE_DOCS,
            LOAD_TRACKING,
            TRUST_REMOTE_CODE,
            NUM_GPU_BLOCKS,
            SWAP_SPACE,
            NUM_SCHEDULER_STEPS,
            MAX_LOG_LEN,
            DISABLE_LOG_REQUESTS,
            USE_V2_BLOCK_MANAGER);

    private ServeSettings() {}

    private static int modelLength(String text) {
        return text.equalsIgnoreCase("auto") || text.equals("-1")
                ? AUTO
                : Readers.integer(1, MOST_TOKENS).apply(text);
    }

    private static int threads(String text) {
        return text.equalsIgnoreCase("auto") ? 0 : Readers.integer(1, 256).apply(text);
    }

    private static int blockSize(String text) {
        return only(text, "16", "blocks hold 16 tokens");
    }

    private static int oneCopy(String text) {
        return only(text, "1", "there is one copy of the model yet");
    }

    private static Function<String, String> just(String word, String why) {
        return text -> oneOf(text, why + ", so it can only be " + word, word);
    }

    private static String rootPath(String text) {
        String path = text.replaceFirst("/+$", "");
        if (!path.isEmpty() && !path.startsWith("/")) {
            throw new IllegalArgumentException("is '" + text + "'; it must begin with /");
        }
        return path;
    }

    private static String samplingDefaults(String text) {
        SamplingDefaults.NEUTRAL.with(text);
        return text;
    }

    private static int only(String text, String value, String why) {
        if (!text.equals(value)) {
            throw new IllegalArgumentException("is " + text + "; " + why);
        }
        return Integer.parseInt(value);
    }

    private static String dtype(String text) {
        return oneOf(
                text,
                "a CPU computes activations in float32, a GPU in bfloat16; leave it out or say auto",
                "auto",
                "float32",
                "float",
                "bfloat16");
    }

    private static String contentFormat(String text) {
        return oneOf(text, "there is only auto, which asks the template", "auto");
    }

    private static String oneOf(String text, String why, String... words) {
        Function<String, String> choice = Readers.choice(words);
        try {
            return choice.apply(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("is '" + text + "'; " + why, e);
        }
    }
}
