package dev.skein.gateway;

import static java.util.Objects.requireNonNull;

import dev.skein.gateway.openai.SamplingDefaults;
import dev.skein.protocol.tls.Encryption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * All that a gateway is told at its start.
 *
 * @param host address to listen on; loopback unless told otherwise
 * @param port 0 lets the system choose
 * @param scheduler where the groups are learnt from
 * @param api how the API answers
 * @param access who may call
 * @param limits bounds on what a client may send or hold
 * @param logs what is logged beside what goes wrong
 * @param cacheLabels settings of the groups' caches, told as labels of {@code vllm:cache_config_info}
 * @param seed of the seeds of requests that bring none
 * @param version answered by {@code /version}
 * @param cache folder where the tokenizer's native library is unpacked
 */
public record GatewayOptions(
        String host,
        int port,
        SchedulerAddress scheduler,
        Api api,
        Access access,
        Limits limits,
        Logs logs,
        Map<String, String> cacheLabels,
        long seed,
        String version,
        Path cache) {

    public GatewayOptions {
        requireNonNull(scheduler, "scheduler is null");
        requireNonNull(api, "api is null");
        requireNonNull(access, "access is null");
        requireNonNull(limits, "limits is null");
        requireNonNull(logs, "logs is null");
        cacheLabels = Map.copyOf(cacheLabels);
        requireNonNull(version, "version is null");
        requireNonNull(cache, "cache is null");
        check(!host.isBlank(), "host is empty; give an address such as 127.0.0.1 or 0.0.0.0");
        check(port >= 0 && port <= 65_535, "port is " + port + "; it must be 0 to 65535");
    }

    /** Port 8000 of loopback, everything else as its own defaults say. */
    public static GatewayOptions defaults(SchedulerAddress scheduler) {
        return new GatewayOptions(
                "127.0.0.1",
                8000,
                scheduler,
                Api.defaults(),
                Access.defaults(),
                Limits.defaults(),
                Logs.defaults(),
                Map.of(),
                0,
                "dev",
                Path.of(System.getProperty("java.io.tmpdir"), "skein"));
    }

    public GatewayOptions withAddress(String host, int port) {
        return new GatewayOptions(host, port, scheduler, api, access, limits, logs, cacheLabels, seed, version, cache);
    }

    public GatewayOptions withApi(Api api) {
        return new GatewayOptions(host, port, scheduler, api, access, limits, logs, cacheLabels, seed, version, cache);
    }

    public GatewayOptions withAccess(Access access) {
        return new GatewayOptions(host, port, scheduler, api, access, limits, logs, cacheLabels, seed, version, cache);
    }

    public GatewayOptions withLimits(Limits limits) {
        return new GatewayOptions(host, port, scheduler, api, access, limits, logs, cacheLabels, seed, version, cache);
    }

    public GatewayOptions withLogs(Logs logs) {
        return new GatewayOptions(host, port, scheduler, api, access, limits, logs, cacheLabels, seed, version, cache);
    }

    public GatewayOptions withCacheLabels(Map<String, String> labels) {
        return new GatewayOptions(host, port, scheduler, api, access, limits, logs, labels, seed, version, cache);
    }

    public GatewayOptions withSeed(long seed) {
        return new GatewayOptions(host, port, scheduler, api, access, limits, logs, cacheLabels, seed, version, cache);
    }

    public GatewayOptions withVersion(String version) {
        return new GatewayOptions(host, port, scheduler, api, access, limits, logs, cacheLabels, seed, version, cache);
    }

    public GatewayOptions withCache(Path cache) {
        return new GatewayOptions(host, port, scheduler, api, access, limits, logs, cacheLabels, seed, version, cache);
    }

    /**
     * Where the scheduler answers gRPC.
     *
     * @param members at any of them; one that does not answer is left for the next
     * @param token sent as {@code authorization: Bearer TOKEN}; null sends none
     * @param encryption of what is said to it, and to the groups that it names
     */
    public record SchedulerAddress(
            List<Member> members, @Nullable String token, Encryption encryption) {
        public SchedulerAddress {
            members = List.copyOf(members);
            check(!members.isEmpty(), "there is no address of a scheduler");
        }

        /** One process that is not encrypted. */
        public SchedulerAddress(String host, int port, @Nullable String token) {
            this(List.of(new Member(host, port)), token, Encryption.NONE);
        }

        /** One process that knows the groups. */
        public record Member(String host, int port) {
            public Member {
                check(!host.isBlank(), "the scheduler's host is empty");
                check(port > 0 && port <= 65_535, "the scheduler's port is " + port + "; it must be 1 to 65535");
            }

            @Override
            public String toString() {
                return host + ":" + port;
            }
        }

        /** The secret stays out of logs. */
        @Override
        public String toString() {
            return members.stream().map(Member::toString).collect(Collectors.joining(", "));
        }
    }

    /**
     * How the API answers.
     *
     * @param servedModelNames names that requests may give; answers carry the first. Empty: the model file's own name
     * @param chatTemplate Jinja source instead of the model's own; null takes the model's
     * @param trustRequestChatTemplate whether a request may bring its own template
     * @param useGenerationConfig whether the model's generation_config.json gives sampling defaults
     * @param overrideGenerationConfig JSON whose sampling defaults win over all others; empty for none
     * @param responseRole role of generated chat messages
     * @param maxLogprobs most likely ids that a request may ask for at each place
     * @param returnTokensAsTokenIds whether logprobs always name tokens as {@code token_id:ID}
     * @param enablePromptTokensDetails whether usage says how many prompt ids came from the prefix cache
     * @param enableForceIncludeUsage whether every stream carries usage, in its last chunk and on the way
     * @param rootPath prefix of every path where a proxy passes it on, such as /llm; without it paths are taken too
     */
    public record Api(
            List<String> servedModelNames,
            @Nullable String chatTemplate,
            boolean trustRequestChatTemplate,
            boolean useGenerationConfig,
            String overrideGenerationConfig,
            String responseRole,
            int maxLogprobs,
            boolean returnTokensAsTokenIds,
            boolean enablePromptTokensDetails,
            boolean enableForceIncludeUsage,
            String rootPath) {
        public Api {
            servedModelNames = List.copyOf(servedModelNames);
            check(servedModelNames.stream().noneMatch(String::isBlank), "a served model name is empty");
            check(
                    rootPath.isEmpty() || rootPath.startsWith("/") && !rootPath.endsWith("/"),
                    "root-path is " + rootPath + "; it must begin with / and not end with it");
            checkOverrides(overrideGenerationConfig);
            check(!responseRole.isBlank(), "the response role is empty; the usual one is assistant");
            check(maxLogprobs >= 0 && maxLogprobs <= 1000, "max-logprobs is " + maxLogprobs + "; it must be 0 to 1000");
        }

        public static Api defaults() {
            return new Api(List.of(), null, false, true, "", "assistant", 20, false, false, false, "");
        }

        public Api withServedModelNames(List<String> names) {
            return new Api(
                    names,
                    chatTemplate,
                    trustRequestChatTemplate,
                    useGenerationConfig,
                    overrideGenerationConfig,
                    responseRole,
                    maxLogprobs,
                    returnTokensAsTokenIds,
                    enablePromptTokensDetails,
                    enableForceIncludeUsage,
                    rootPath);
        }

        private static void checkOverrides(String config) {
            try {
                SamplingDefaults.NEUTRAL.with(config);
            } catch (IllegalArgumentException e) {
                throw new GatewayException("override-generation-config " + e.getMessage(), e);
            }
        }
    }

    /**
     * Who may call.
     *
     * @param apiKeys bearer tokens; once there is one, every path needs it but /health, /ping, /version and /metrics
     * @param allowedOrigins web pages that may call from a browser, {@code *} for all; none by default, so that a page
     *     somebody visits cannot use the models of their machine
     * @param enableRequestIdHeaders whether answers carry {@code X-Request-Id}
     */
    public record Access(List<String> apiKeys, List<String> allowedOrigins, boolean enableRequestIdHeaders) {
        public Access {
            apiKeys = List.copyOf(apiKeys);
            allowedOrigins = List.copyOf(allowedOrigins);
            check(apiKeys.stream().noneMatch(String::isBlank), "an API key is empty; leave it out for no key");
        }

        public static Access defaults() {
            return new Access(List.of(), List.of(), false);
        }

        /** Without the keys. */
        @Override
        public String toString() {
            return "Access[apiKeys=" + apiKeys.size() + ", allowedOrigins=" + allowedOrigins
                    + ", enableRequestIdHeaders=" + enableRequestIdHeaders + "]";
        }
    }

    /**
     * What is logged at level info.
     *
     * @param requests whether each request has a line when it ends
     * @param statistics whether each engine has a line every ten seconds with what it does, unless it idles
     */
    public record Logs(boolean requests, boolean statistics) {
        public static Logs defaults() {
            return new Logs(false, true);
        }
    }

    /**
     * Bounds on what a client may send or hold.
     *
     * @param bodyBytes longest request body; above it 413
     * @param heldBytes bytes of all bodies that are read or answered at a time; above that 503 with Retry-After
     * @param headerBytes longest header block; above it 431
     * @param nesting deepest JSON
     * @param requests requests in flight; above it 503 with Retry-After
     * @param sequences sequences of one request: prompts times n
     * @param header time that a new connection has to send its first request with its headers
     * @param body time for a body to arrive
     * @param keepAlive time that a connection may take from an answer to its next request with its headers
     * @param groupWait time that a request waits for a group that can take it, and for one that comes back; zero does not
     *     wait. After it 503 with Retry-After
     * @param drain time that streams have to finish when the gateway closes
     * @param request time from a request's body to the end of its answer; zero for no limit
     */
    public record Limits(
            int bodyBytes,
            long heldBytes,
            int headerBytes,
            int nesting,
            int requests,
            int sequences,
            Duration header,
            Duration body,
            Duration keepAlive,
            Duration groupWait,
            Duration drain,
            Duration request) {
        private static final int LONGEST_BODY = 32 << 20;

        // Bytes of heap for each byte of a body: itself, its strings, the prompt made of them, its ids.
        private static final int HEAP_OF_BODY = 8;

        public Limits {
            check(bodyBytes > 0, "the body limit is " + bodyBytes + " bytes; it must be above 0");
            check(
                    heldBytes >= bodyBytes,
                    "the limit of bytes in hand is " + heldBytes + "; it must hold a body of " + bodyBytes);
            check(headerBytes >= 1024, "the header limit is " + headerBytes + " bytes; it must be 1024 or more");
            check(nesting > 1, "the nesting limit is " + nesting + "; it must be above 1");
            check(requests > 0, "the limit of requests is " + requests + "; it must be above 0");
            check(sequences > 0, "the limit of sequences is " + sequences + "; it must be above 0");
            positive("header", header);
            positive("body", body);
            positive("keep-alive", keepAlive);
            check(!groupWait.isNegative(), "the group-wait time is negative: " + groupWait);
            check(!drain.isNegative(), "the drain time is negative: " + drain);
            check(!request.isNegative(), "the time for a request is negative: " + request);
        }

        public static Limits defaults() {
            return new Limits(
                    LONGEST_BODY,
                    Math.max(LONGEST_BODY, Runtime.getRuntime().maxMemory() / HEAP_OF_BODY),
                    64 << 10,
                    200,
                    4096,
                    16_384,
                    Duration.ofSeconds(10),
                    Duration.ofSeconds(120),
                    Duration.ofSeconds(75),
                    Duration.ofSeconds(30),
                    Duration.ofSeconds(30),
                    Duration.ZERO);
        }

        private static void positive(String name, Duration time) {
            check(time.isPositive(), "the " + name + " time is " + time + "; it must be above 0");
        }
    }

    private static void check(boolean right, String message) {
        if (!right) {
            throw new GatewayException(message);
        }
    }
}
