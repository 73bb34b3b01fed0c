package dev.skein.cli;

import dev.skein.cli.model.DefaultModel;
import dev.skein.cli.model.SkeinHome;
import dev.skein.cli.settings.ServeHelp;
import dev.skein.cli.settings.ServeSettings;
import dev.skein.cli.settings.Setting;
import dev.skein.cli.settings.Settings;
import dev.skein.cli.settings.SettingsReader;
import dev.skein.gateway.Gateway;
import dev.skein.gateway.GatewayException;
import dev.skein.gateway.GatewayOptions;
import dev.skein.scheduler.rollout.Deployment;
import dev.skein.worker.FreeMemory;
import dev.skein.worker.WorkerOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// `skein serve`: one model behind OpenAI's HTTP interface, until a signal comes.
final class ServeCommand {
    private static final Logger log = LoggerFactory.getLogger(ServeCommand.class);

    /// The gateway's drain is bounded by the settings and the worker's by itself; this is for what is not foreseen.
    private static final long END_GRACE_SECONDS = 15;

    private static final int SIGNALLED = 128;

    /// As one worker takes by itself.
    private static final long MOST_CACHE = 4L << 30;

    private static final double CACHE_SHARE = 0.4;

    private final Settings settings;

    private ServeCommand(Settings settings) {
        this.settings = settings;
    }

    static int run(List<String> arguments) throws Exception {
        if (Skein.wantsHelp(arguments)) {
            System.out.print(ServeHelp.text());
            return 0;
        }
        return new ServeCommand(settings(arguments)).serve();
    }

    static Settings settings(List<String> arguments) {
        return settings(arguments, List.of());
    }

    /// @param more that the command knows
    static Settings settings(List<String> arguments, List<Setting<?>> more) {
        List<Setting<?>> all =
                Stream.concat(ServeSettings.ALL.stream(), more.stream()).toList();
        return new SettingsReader(all, ServeSettings.MODEL_FILE).read(arguments, System.getenv());
    }

    /// When the command was given: the script says it, else this Java machine's own start.
    static long began() {
        String said = System.getenv().getOrDefault("SKEIN_STARTED_MILLIS", "");
        return said.isEmpty()
                ? ProcessHandle.current().info().startInstant().orElseThrow().toEpochMilli()
                : Long.parseLong(said);
    }

    private int serve() throws Exception {
        Logging.level(settings.find(ServeSettings.UVICORN_LOG_LEVEL).orElse(settings.get(ServeSettings.LOG_LEVEL)));
        warnAboutAccepted();
        new SettingsReader(ServeSettings.ALL, ServeSettings.MODEL_FILE)
                .strangers(System.getenv())
                .forEach(warning -> System.err.println("skein: the variable " + warning));
        LocalServer server = start(settings, began());
        CompletableFuture<Integer> end = new CompletableFuture<>();
        Signals.handle(
                signal -> end.complete(drained(server)),
                signal -> Runtime.getRuntime().halt(SIGNALLED + signal));
        server.ready().thenAccept(ready -> System.out.println(readyLine(ready)));
        server.failure().thenAccept(reason -> {
            System.err.println("skein: " + reason);
            end.complete(CommandException.FAILED);
        });
        return end.get();
    }

    /// Starts a server as the settings say.
    static LocalServer start(Settings settings, long began) {
        checkAddress(settings);
        long asked = System.currentTimeMillis();
        Path model = model(settings);
        // Fetching happens once and is no part of a start.
        long counted = began + System.currentTimeMillis() - asked;
        Deployment deployment = Deployments.of(settings, names(settings), worker(settings, model));
        GatewayOptions.Api api = api(settings);
        log.info("model={} settings: {}", model, settings);
        return LocalServer.start(counted, deployment, scheduler -> gateway(settings, api, scheduler));
    }

    /// Before anything is fetched, started or logged.
    private static void checkAddress(Settings settings) {
        try {
            Gateway.checkAddress(settings.get(ServeSettings.HOST), settings.get(ServeSettings.PORT));
        } catch (GatewayException e) {
            throw CommandException.failed(e.getMessage());
        }
    }

    private int drained(LocalServer server) {
        long bound = settings.get(ServeSettings.SHUTDOWN_TIMEOUT).toSeconds() + END_GRACE_SECONDS;
        CompletableFuture.delayedExecutor(bound, TimeUnit.SECONDS)
                .execute(() -> Runtime.getRuntime().halt(CommandException.FAILED));
        System.err.println("skein: finishing what runs; a second signal ends it at once");
        server.drain();
        return 0;
    }

    private String readyLine(LocalServer.Ready ready) {
        String host = settings.get(ServeSettings.HOST);
        String shown = host.contains(":") ? "[" + host + "]" : host;
        return String.format(
                Locale.ROOT,
                "skein: ready at http://%s:%d with %s after %.2f s (%s)",
                shown,
                ready.port(),
                ready.model(),
                ready.millis() / 1000.0,
                ready.detail());
    }

    private void warnAboutAccepted() {
        ServeSettings.ALL.stream()
                .filter(setting -> setting.section() == Setting.Section.ACCEPTED && settings.has(setting))
                .forEach(setting ->
                        System.err.println("skein: " + setting.flag() + " changes nothing: " + setting.help()));
    }

    static Path model(Settings settings) {
        settings.all(ServeSettings.SERVED_MODEL_NAME).stream()
                .filter(name -> !settings.has(ServeSettings.MODEL_FILE) && Files.isRegularFile(Path.of(name)))
                .findFirst()
                .ifPresent(name -> {
                    throw CommandException.usage("--served-model-name takes all words that follow it, also " + name
                            + "; name the model first: skein serve " + name + " --served-model-name ...");
                });
        return ModelCommand.models()
                .path(
                        settings.find(ServeSettings.MODEL_FILE).orElse(null),
                        settings.find(ServeSettings.REVISION).orElse(null));
    }

    static WorkerParameters worker(Settings settings, Path model) {
        WorkerParameters parameters = new WorkerParameters(
                model,
                settings.get(ServeSettings.LOAD_FORMAT),
                threads(settings),
                settings.get(ServeSettings.CPU),
                settings.get(ServeSettings.DEVICE),
                settings.get(ServeSettings.GPU_MEMORY_UTILIZATION),
                settings.get(ServeSettings.ENFORCE_EAGER),
                settings.get(ServeSettings.BATCH_INVARIANT),
                settings.find(ServeSettings.MAX_MODEL_LEN).orElse(WorkerOptions.FROM_FILE),
                settings.get(ServeSettings.MAX_NUM_SEQS),
                settings.get(ServeSettings.MAX_NUM_BATCHED_TOKENS),
                settings.find(ServeSettings.KV_CACHE_MEMORY).orElseGet(() -> shareOfMemory(settings)),
                settings.get(ServeSettings.MAX_NUM_QUEUED_REQS),
                settings.get(ServeSettings.PREFIX_CACHING),
                settings.get(ServeSettings.SCHEDULING_POLICY).equals("priority"),
                settings.find(ServeSettings.SPECULATIVE_CONFIG).orElse(null),
                settings.get(ServeSettings.MAX_LOGPROBS),
                settings.get(ServeSettings.SEED),
                settings.get(ServeSettings.TENSOR_PARALLEL),
                settings.get(ServeSettings.PIPELINE_PARALLEL),
                settings.get(ServeSettings.STEP_TIMEOUT).toMillis(),
                settings.get(ServeSettings.RECOVER_SECONDS).toMillis(),
                settings.find(ServeSettings.UVICORN_LOG_LEVEL).orElse(settings.get(ServeSettings.LOG_LEVEL)));
        try {
            requireType(settings.get(ServeSettings.DTYPE), settings.get(ServeSettings.DEVICE));
            parameters.options("checked before the worker starts");
            return parameters;
        } catch (IllegalArgumentException e) {
            throw CommandException.usage(e.getMessage());
        }
    }

    /// Of each rank; unless told otherwise all ranks of all groups share the cores.
    private static int threads(Settings settings) {
        int given = settings.get(ServeSettings.THREADS);
        return given > 0 ? given : Math.max(1, Runtime.getRuntime().availableProcessors() / processes(settings));
    }

    /// Ranks of all groups.
    private static int processes(Settings settings) {
        return Math.max(1, settings.get(ServeSettings.REPLICAS))
                * settings.get(ServeSettings.TENSOR_PARALLEL)
                * settings.get(ServeSettings.PIPELINE_PARALLEL);
    }

    /// One group takes what it finds; several that start together must be told. 0 leaves it to the group.
    private static long shareOfMemory(Settings settings) {
        return settings.get(ServeSettings.REPLICAS) < 2
                ? 0
                : Math.min(MOST_CACHE, (long) (CACHE_SHARE * FreeMemory.bytes()) / processes(settings));
    }

    private static void requireType(String type, String device) {
        boolean wrong = type.equals("bfloat16") ? device.equals("cpu") : !type.equals("auto") && device.equals("cuda");
        if (wrong) {
            throw new IllegalArgumentException(
                    "--dtype %s does not go with --device %s: a CPU computes in float32, a GPU in bfloat16"
                            .formatted(type, device));
        }
    }

    static GatewayOptions gateway(
            Settings settings, GatewayOptions.Api api, GatewayOptions.SchedulerAddress scheduler) {
        GatewayOptions.Limits usual = GatewayOptions.Limits.defaults();
        return new GatewayOptions(
                settings.get(ServeSettings.HOST),
                settings.get(ServeSettings.PORT),
                scheduler,
                api,
                new GatewayOptions.Access(
                        settings.all(ServeSettings.API_KEY),
                        settings.all(ServeSettings.ALLOWED_ORIGINS),
                        settings.get(ServeSettings.REQUEST_ID_HEADERS)),
                new GatewayOptions.Limits(
                        usual.bodyBytes(),
                        usual.heldBytes(),
                        usual.headerBytes(),
                        usual.nesting(),
                        usual.requests(),
                        usual.sequences(),
                        usual.header(),
                        usual.body(),
                        usual.keepAlive(),
                        settings.get(ServeSettings.GROUP_WAIT_TIMEOUT),
                        settings.get(ServeSettings.SHUTDOWN_TIMEOUT),
                        settings.get(ServeSettings.REQUEST_TIMEOUT)),
                new GatewayOptions.Logs(
                        settings.get(ServeSettings.LOG_REQUESTS), !settings.get(ServeSettings.DISABLE_LOG_STATS)),
                cacheLabels(settings),
                settings.get(ServeSettings.SEED),
                Version.TEXT,
                SkeinHome.of(System.getenv()).libraries());
    }

    /// As vLLM writes them, which is as Python does.
    private static Map<String, String> cacheLabels(Settings settings) {
        return Map.of(
                "cache_dtype",
                settings.get(ServeSettings.KV_CACHE_DTYPE),
                "enable_prefix_caching",
                settings.get(ServeSettings.PREFIX_CACHING) ? "True" : "False",
                "gpu_memory_utilization",
                settings.get(ServeSettings.GPU_MEMORY_UTILIZATION).toString());
    }

    /// As vLLM: unless told otherwise a model is called what the command called it.
    static List<String> names(Settings settings) {
        List<String> given = settings.all(ServeSettings.SERVED_MODEL_NAME);
        return given.isEmpty()
                ? List.of(settings.find(ServeSettings.MODEL_FILE).orElse(DefaultModel.Source.SMOLLM2.name()))
                : given;
    }

    static GatewayOptions.Api api(Settings settings) {
        try {
            return new GatewayOptions.Api(
                    names(settings),
                    settings.find(ServeSettings.CHAT_TEMPLATE)
                            .map(ChatTemplate::text)
                            .orElse(null),
                    settings.get(ServeSettings.TRUST_REQUEST_TEMPLATE),
                    settings.get(ServeSettings.GENERATION_CONFIG).equals("auto"),
                    settings.get(ServeSettings.OVERRIDE_GENERATION_CONFIG),
                    settings.get(ServeSettings.RESPONSE_ROLE),
                    settings.get(ServeSettings.MAX_LOGPROBS),
                    settings.get(ServeSettings.TOKENS_AS_IDS),
                    settings.get(ServeSettings.PROMPT_TOKENS_DETAILS),
                    settings.get(ServeSettings.FORCE_USAGE),
                    settings.get(ServeSettings.ROOT_PATH));
        } catch (GatewayException e) {
            throw CommandException.usage(e.getMessage());
        }
    }
}
