package dev.skein.cli.bench;

import dev.skein.cli.CommandException;
import dev.skein.cli.client.Arguments;
import dev.skein.cli.client.ServerApi;
import dev.skein.compute.cpu.CpuOptions;
import io.vertx.core.json.JsonObject;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// `skein bench`.
@CommandLine.Command(
        name = "skein bench",
        mixinStandardHelpOptions = true,
        separator = " ",
        header = "measure the engine, or a server beside its peer",
        description = {
            "",
            "Without --url it loads the model into this process and measures prefill and decode. With --url it drives a"
                    + " server with streaming clients, and with --peer-url another server in turns with it."
                    + " Figures are medians with the least and the most.",
            ""
        })
public final class BenchCommand {
    @CommandLine.Option(
            names = "--model",
            paramLabel = "MODEL",
            description = "a GGUF file or ORG/NAME[:QUANT]; default: the default model")
    private @Nullable String model;

    @CommandLine.Option(names = "--threads", paramLabel = "N", description = "threads that compute; default: all cores")
    private @Nullable Integer threads;

    @CommandLine.Option(
            names = "--cpu",
            paramLabel = "SET",
            defaultValue = "auto",
            description = "instruction set: auto, vnni, avx512, avx2 or java; default ${DEFAULT-VALUE}")
    private String cpu = "auto";

    @CommandLine.Option(
            names = "--runs",
            paramLabel = "N",
            defaultValue = "5",
            description = "measurements whose median is told; default ${DEFAULT-VALUE}")
    private int runs;

    @CommandLine.Option(names = "--url", paramLabel = "URL", description = "a server to measure")
    private @Nullable String url;

    @CommandLine.Option(names = "--peer-url", paramLabel = "URL", description = "another, measured in turns with it")
    private @Nullable String peerUrl;

    @CommandLine.Option(names = "--api-key", paramLabel = "KEY", description = "the server's; default $SKEIN_API_KEY")
    private @Nullable String key;

    @CommandLine.Option(
            names = "--clients",
            paramLabel = "N",
            defaultValue = "8",
            description = "streams at once; default ${DEFAULT-VALUE}")
    private int clients;

    @CommandLine.Option(
            names = "--requests",
            paramLabel = "N",
            defaultValue = "32",
            description = "in each run; default ${DEFAULT-VALUE}")
    private int requests;

    @CommandLine.Option(
            names = "--rate",
            paramLabel = "R",
            defaultValue = "0",
            description = "requests a second at random times, answered or not, in place of --clients")
    private double rate;

    @CommandLine.Option(
            names = "--prompt-words",
            paramLabel = "N",
            defaultValue = "64",
            description = "of each question to a server; default ${DEFAULT-VALUE}")
    private int promptWords;

    @CommandLine.Option(
            names = "--max-tokens",
            paramLabel = "N",
            defaultValue = "128",
            description = "of each answer; default ${DEFAULT-VALUE}")
    private int maxTokens;

    @CommandLine.Option(names = "--json", description = "one JSON object in place of the table")
    private boolean json;

    private BenchCommand() {}

    /// @param models finds the file of a name, null being the default model, and fetches it if need be
    public static int run(List<String> arguments, Function<@Nullable String, Path> models) {
        BenchCommand command = new BenchCommand();
        if (Arguments.helped(command, arguments)) {
            return 0;
        }
        command.check();
        return command.url == null ? command.engine(models) : command.servers(command.url);
    }

    private void check() {
        for (int count : new int[] {runs, clients, requests, promptWords, maxTokens}) {
            if (count < 1) {
                throw CommandException.usage("a count is " + count + "; all of them must be at least 1");
            }
        }
        if (rate < 0 || peerUrl != null && url == null) {
            throw CommandException.usage("--rate must not be negative, and --peer-url needs --url");
        }
    }

    private int engine(Function<@Nullable String, Path> models) {
        Path file = models.apply(model);
        CpuOptions options;
        try {
            options = CpuOptions.defaults().withIsa(CpuOptions.isa(cpu));
            options = threads == null ? options : options.withThreads(threads);
        } catch (IllegalArgumentException e) {
            throw CommandException.usage(e.getMessage());
        }
        try (EngineBench bench = new EngineBench(file, options)) {
            print(bench, file, bench.run(runs));
        }
        return 0;
    }

    private void print(EngineBench bench, Path file, List<Figure> figures) {
        long memory = EngineBench.peakMegabytes().orElse(0);
        if (json) {
            System.out.println(Figure.json(figures)
                    .put("model", file.toString())
                    .put("backend", bench.backend())
                    .put("runs", runs)
                    .put("load_seconds", bench.loadSeconds())
                    .put("peak_megabytes", memory)
                    .encodePrettily());
            return;
        }
        System.out.printf(Locale.ROOT, "%s%n%s, median (least-most) of %d runs%n", file, bench.backend(), runs);
        System.out.print(Figure.text(figures));
        System.out.printf(Locale.ROOT, "  loaded in %.2f s; at most %d MB of memory%n", bench.loadSeconds(), memory);
    }

    private int servers(String ours) {
        ServerBench.Load load = new ServerBench.Load(clients, requests, promptWords, maxTokens, rate, 1);
        ServerBench first = new ServerBench(new ServerApi(ours, Arguments.key(key)), load);
        ServerBench peer = peerUrl == null ? null : new ServerBench(new ServerApi(peerUrl, null), load);
        List<ServerBench.Result> results = new ArrayList<>();
        List<ServerBench.Result> peers = new ArrayList<>();
        for (int run = 0; run <= runs; run++) {
            ServerBench.Result result = first.run(run);
            ServerBench.Result other = peer == null ? null : peer.run(run);
            // The first run warms up.
            if (run > 0) {
                results.add(result);
            }
            if (run > 0 && other != null) {
                peers.add(other);
            }
        }
        print(first, peer, results, peers);
        return 0;
    }

    private void print(
            ServerBench first,
            @Nullable ServerBench peer,
            List<ServerBench.Result> ours,
            List<ServerBench.Result> peers) {
        if (json) {
            JsonObject report = new JsonObject().put("server", Figure.json(figures(ours)));
            if (peer != null) {
                report.put("peer", Figure.json(figures(peers))).put("throughput_ratio", ratio(ours, peers));
            }
            System.out.println(report.encodePrettily());
            return;
        }
        System.out.println((rate > 0 ? rate + " requests a second" : clients + " clients") + ", " + requests
                + " requests a run, prompts of " + promptWords + " words, answers of " + maxTokens
                + " tokens; median (least-most) of " + runs + " runs");
        System.out.println(url + "  " + first.model());
        System.out.print(Figure.text(figures(ours)));
        if (peer != null) {
            System.out.println(peerUrl + "  " + peer.model());
            System.out.print(Figure.text(figures(peers)));
            System.out.printf(Locale.ROOT, "tokens a second, the first to the second: %.2f%n", ratio(ours, peers));
        }
    }

    private static double ratio(List<ServerBench.Result> ours, List<ServerBench.Result> peers) {
        return over(ours, ServerBench.Result::tokensPerSecond).median()
                / over(peers, ServerBench.Result::tokensPerSecond).median();
    }

    private static List<Figure> figures(List<ServerBench.Result> results) {
        return List.of(
                new Figure("output", over(results, ServerBench.Result::tokensPerSecond), "tok/s in all"),
                new Figure(
                        "time to first token, p50",
                        over(results, r -> r.firstMillis().quantile(0.5)),
                        "ms"),
                new Figure(
                        "time to first token, p99",
                        over(results, r -> r.firstMillis().quantile(0.99)),
                        "ms"),
                new Figure(
                        "between tokens, p50",
                        over(results, r -> r.betweenMillis().quantile(0.5)),
                        "ms"),
                new Figure(
                        "between tokens, p99",
                        over(results, r -> r.betweenMillis().quantile(0.99)),
                        "ms"));
    }

    private static Samples over(List<ServerBench.Result> results, ToDoubleFunction<ServerBench.Result> figure) {
        return Samples.of(results.stream().mapToDouble(figure).toArray());
    }
}
