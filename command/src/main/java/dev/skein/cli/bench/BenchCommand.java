package dev.skein.cli.bench;

import dev.skein.cli.CommandException;
import dev.skein.cli.client.Arguments;
import dev.skein.compute.Backend;
import dev.skein.compute.ComputeException;
import dev.skein.compute.cpu.CpuBackends;
import dev.skein.compute.cpu.CpuOptions;
import dev.skein.compute.cuda.CudaBackends;
import dev.skein.loadtest.report.Figure;
import dev.skein.worker.DeviceOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// `skein bench`.
@CommandLine.Command(
        name = "skein bench",
        mixinStandardHelpOptions = true,
        separator = " ",
        sortOptions = false,
        header = "measure the engine, or a server beside its peer",
        description = {
            "",
            "Without --url it loads the model into this process and measures prefill and decode. With --url it drives a"
                    + " server with streaming requests, and with --peer-url or --peer another server in turns with it."
                    + " A run that is not counted warms up. Figures are medians of the runs, with the least and the most."
                    + " Latencies count from when a request was due, also while it waits to be sent. Ctrl-C ends it and"
                    + " prints what was measured so far.",
            ""
        })
public final class BenchCommand {
    @CommandLine.Option(
            names = "--runs",
            paramLabel = "N",
            defaultValue = "5",
            description = "measurements whose median is told; default ${DEFAULT-VALUE}")
    private int runs;

    @CommandLine.Option(
            names = "--json",
            paramLabel = "FILE",
            arity = "0..1",
            fallbackValue = "-",
            description = "all figures as one JSON object; without a file, or with -, in place of the table")
    private @Nullable String json;

    @CommandLine.Option(
            names = "--model",
            paramLabel = "MODEL",
            description =
                    "a GGUF file or ORG/NAME[:QUANT], default: the default model; with --url, the name of a model that the server"
                            + " serves, default: its first")
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
            names = "--device",
            paramLabel = "DEVICE",
            defaultValue = "auto",
            description = "what computes: auto, cpu or cuda; default ${DEFAULT-VALUE}")
    private String device = "auto";

    @CommandLine.Option(
            names = "--collective",
            description = "measure instead what two ranks on this machine take to add their floats up")
    private boolean collective;

    @CommandLine.Mixin
    private final ServerBench servers = new ServerBench();

    private BenchCommand() {}

    /// @param models finds the file of a name, null being the default model, and fetches it if need be
    public static int run(List<String> arguments, Function<@Nullable String, Path> models) {
        BenchCommand command = new BenchCommand();
        if (Arguments.helped(command, arguments)) {
            return 0;
        }
        if (command.runs < 1) {
            throw CommandException.usage("--runs is " + command.runs + "; it must be at least 1");
        }
        if (command.collective) {
            return command.collective();
        }
        return command.servers.asked()
                ? command.servers.run(command.model, command.runs, command.json)
                : command.engine(models);
    }

    private int collective() {
        System.out.printf(
                Locale.ROOT, "two ranks on this machine, median (least-most) of the medians of %d runs%n", runs);
        System.out.print(Figure.text(CollectiveBench.run(runs, CollectiveBench.CALLS)));
        return 0;
    }

    private int engine(Function<@Nullable String, Path> models) {
        Path file = models.apply(model);
        CpuOptions options;
        CudaBackends.Device where;
        try {
            where = DeviceOptions.device(device);
            options = CpuOptions.defaults().withIsa(CpuOptions.isa(cpu));
            options = threads == null ? options : options.withThreads(threads);
        } catch (IllegalArgumentException e) {
            throw CommandException.usage(e.getMessage());
        }
        CpuOptions cores = options;
        Backend backend;
        try {
            backend = CudaBackends.choose(where, new CudaBackends.How(true, false), () -> CpuBackends.choose(cores));
        } catch (ComputeException none) {
            throw CommandException.failed(none.getMessage());
        }
        try (EngineBench bench = new EngineBench(file, backend)) {
            print(bench, file, bench.run(runs));
        }
        return 0;
    }

    private void print(EngineBench bench, Path file, List<Figure> figures) {
        long memory = EngineBench.peakMegabytes().orElse(0);
        if (json != null) {
            String text = Figure.json(figures)
                    .put("model", file.toString())
                    .put("backend", bench.backend())
                    .put("runs", runs)
                    .put("load_seconds", bench.loadSeconds())
                    .put("peak_megabytes", memory)
                    .encodePrettily();
            if ("-".equals(json)) {
                System.out.println(text);
                return;
            }
            ServerBench.write(Path.of(json), text + "\n");
        }
        System.out.printf(Locale.ROOT, "%s%n%s, median (least-most) of %d runs%n", file, bench.backend(), runs);
        System.out.print(Figure.text(figures));
        System.out.printf(Locale.ROOT, "  loaded in %.2f s; at most %d MB of memory%n", bench.loadSeconds(), memory);
    }
}
