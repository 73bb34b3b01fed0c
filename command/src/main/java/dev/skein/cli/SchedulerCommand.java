package dev.skein.cli;

import dev.skein.cli.client.Arguments;
import dev.skein.cli.control.Target;
import dev.skein.cli.control.TlsFlags;
import dev.skein.cli.model.SkeinHome;
import dev.skein.cli.settings.TlsSettings;
import dev.skein.compute.cuda.CudaDevice;
import dev.skein.compute.cuda.CudaProbe;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.tls.TlsFiles;
import dev.skein.scheduler.LocalSubstrate;
import dev.skein.scheduler.agent.Devices;
import dev.skein.scheduler.agent.Gpu;
import dev.skein.scheduler.agent.Machine;
import dev.skein.scheduler.agent.Times;
import dev.skein.scheduler.cluster.Member;
import dev.skein.worker.FreeMemory;
import io.vertx.core.Vertx;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;

/// `skein scheduler`: joins this machine to a cluster, until a signal comes.
@CommandLine.Command(
        name = "skein scheduler",
        mixinStandardHelpOptions = true,
        separator = " ",
        header = "join this machine to a cluster; docs/machines.md tells how")
final class SchedulerCommand {
    private static final Logger log = LoggerFactory.getLogger(SchedulerCommand.class);
    private static final int SIGNALLED = 128;
    private static final long SECOND = 1_000;

    @CommandLine.Option(
            names = "--listen",
            paramLabel = "HOST:PORT",
            defaultValue = "127.0.0.1:7070",
            description = "where the other machines reach this one; the port after it is used too; default"
                    + " ${DEFAULT-VALUE}")
    private String listen = "";

    @CommandLine.Option(
            names = "--join",
            paramLabel = "HOST:PORT",
            arity = "1..*",
            description = "where the other machines listen that vote, running or not: more than half of all that vote"
                    + " must answer for anything to be placed")
    private List<String> join = List.of();

    @CommandLine.Option(
            names = "--agents",
            paramLabel = "HOST:PORT",
            arity = "1..*",
            description =
                    "where machines listen that only run ranks, and neither vote nor keep what is wanted; the same"
                            + " list on all machines: one that finds itself in it is such a machine")
    private List<String> agents = List.of();

    @CommandLine.Option(
            names = "--label",
            paramLabel = "KEY=VALUE",
            arity = "1..*",
            description = "where this machine stands: zone, block, rack")
    private Map<String, String> labels = Map.of();

    @CommandLine.Option(
            names = "--token-file",
            paramLabel = "FILE",
            required = true,
            description = "holds the cluster's token, the same on all machines")
    private Path tokenFile = Path.of("");

    @CommandLine.Mixin
    private final TlsFlags tls = new TlsFlags();

    @CommandLine.Option(
            names = "--cores",
            paramLabel = "N",
            description = "cores that groups may own; default: all of this machine")
    private @Nullable Integer cores;

    @CommandLine.Option(
            names = "--gpus",
            paramLabel = "N|ids=ID,ID",
            description = "GPUs that groups may own: so many, or those that CUDA_VISIBLE_DEVICES calls so; default: all"
                    + " that Skein can use")
    private String gpus = GpuChoice.ALL;

    @CommandLine.Option(
            names = "--keep-seconds",
            paramLabel = "N",
            defaultValue = "10",
            description =
                    "how long groups run on a machine that is cut off, before they are placed elsewhere; 0 for ever,"
                            + " and then they never are; the same on all machines; default ${DEFAULT-VALUE}")
    private int keepSeconds;

    @CommandLine.Option(
            names = "--promise-seconds",
            paramLabel = "N",
            defaultValue = "3",
            description =
                    "how long a machine that listens to who decides listens to no other: who decides may be silent"
                            + " for as long, and when it is lost, it takes as long until another does; the same on all"
                            + " machines, at most --keep-seconds; default ${DEFAULT-VALUE}")
    private int promiseSeconds;

    @CommandLine.Option(
            names = "--state",
            paramLabel = "FILE",
            description = "keeps what this machine has promised; default: a file in Skein's folder")
    private @Nullable Path state;

    @CommandLine.Option(
            names = "--log-level",
            paramLabel = "LEVEL",
            defaultValue = "info",
            description = "debug, info, warning or error; default ${DEFAULT-VALUE}")
    private String logLevel = "";

    private SchedulerCommand() {}

    static int run(List<String> arguments) throws Exception {
        SchedulerCommand command = new SchedulerCommand();
        return Arguments.helped(command, arguments) ? 0 : command.serve();
    }

    private int serve() throws Exception {
        Logging.level(logLevel);
        TlsFiles files = tls.files().orElse(null);
        Member.Options options = options(TlsSettings.read(files));
        TlsSettings.warnIfPlain(options.encryption(), List.of(listen));
        String host = listen.substring(0, listen.lastIndexOf(':'));
        LocalSubstrate local = new LocalSubstrate(
                host, JavaCommand.worker(host, options.mark(), files), 0, FreeMemory::bytes, System.err::println);
        Runtime.getRuntime().addShutdownHook(new Thread(local::close, "end-children"));
        Member member = member(options, local);
        System.out.println("skein: " + listen + " is one of "
                + (options.voters().size() + options.followers().size()) + " machines"
                + (options.votes() ? "" : " and does not vote") + ", with "
                + options.machine().devices().cores() + " cores and "
                + options.machine().devices().gpus().size() + " GPUs");
        CompletableFuture<Integer> end = new CompletableFuture<>();
        Signals.handle(
                signal -> {
                    member.close();
                    end.complete(0);
                },
                signal -> Runtime.getRuntime().halt(SIGNALLED + signal));
        return end.get();
    }

    private Member member(Member.Options options, LocalSubstrate local) {
        try {
            return Member.start(Vertx.vertx(), options, local);
        } catch (RuntimeException e) {
            throw CommandException.failed(listen + " cannot join: " + e.getMessage());
        }
    }

    private Member.Options options(Encryption encryption) {
        Target.checked("--listen", listen);
        join.forEach(address -> Target.checked("--join", address));
        agents.forEach(address -> Target.checked("--agents", address));
        join.stream().filter(agents::contains).findFirst().ifPresent(address -> {
            throw CommandException.usage("--agents " + address + " is in --join, too: a machine votes or does not");
        });
        TreeSet<String> voters = new TreeSet<>(join);
        if (!agents.contains(listen)) {
            voters.add(listen);
        }
        if (voters.isEmpty()) {
            throw CommandException.usage("--agents names " + listen
                    + " itself, so it does not vote, and --join names no machine that does; name all that vote there");
        }
        labels.keySet().stream()
                .filter(label -> !Machine.LEVELS.contains(label))
                .findFirst()
                .ifPresent(label -> {
                    throw CommandException.usage(
                            "--label " + label + " is no level; there is " + String.join(", ", Machine.LEVELS));
                });
        Times usual = Times.DEFAULT;
        try {
            Times times =
                    new Times(promiseSeconds * SECOND, keepSeconds * SECOND, usual.reserveMillis(), usual.beatMillis());
            Machine machine = new Machine(listen, labels, new Devices(numa(), FreeMemory.bytes(), gpus()));
            return new Member.Options(
                    machine,
                    List.copyOf(voters),
                    List.copyOf(new TreeSet<>(agents)),
                    Target.token(tokenFile),
                    encryption,
                    file(),
                    times);
        } catch (IllegalArgumentException e) {
            throw CommandException.usage(e.getMessage());
        }
    }

    private Path file() {
        return state != null
                ? state
                : SkeinHome.of(System.getenv()).machines().resolve(listen.replace(':', '_') + ".json");
    }

    private List<Gpu> gpus() {
        GpuChoice choice = GpuChoice.of(gpus);
        return switch (CudaProbe.probe()) {
            case CudaProbe.Absent(String reason) -> {
                log.info("gpus=none reason=\"{}\"", reason);
                yield choice.of(List.of());
            }
            case CudaProbe.Present(List<CudaDevice> devices, int _) ->
                choice.of(GpuChoice.named(devices, System.getenv().getOrDefault("CUDA_VISIBLE_DEVICES", "")));
        };
    }

    /// By core, its node; as many cores as were given, which need not be there.
    private List<Integer> numa() {
        List<Integer> found =
                nodes(Path.of("/sys/devices/system/node"), Runtime.getRuntime().availableProcessors());
        int wanted = cores == null ? found.size() : cores;
        List<Integer> all = new ArrayList<>(found.subList(0, Math.min(wanted, found.size())));
        all.addAll(Collections.nCopies(Math.max(0, wanted - found.size()), 0));
        return all;
    }

    /// @param folder as Linux has it: nodeN holds cpuM for each core of the node
    static List<Integer> nodes(Path folder, int count) {
        List<Integer> nodes = new ArrayList<>();
        for (int core = 0; core < count; core++) {
            nodes.add(node(folder, core));
        }
        return nodes;
    }

    private static int node(Path folder, int core) {
        try (Stream<Path> nodes = Files.list(folder)) {
            return nodes.filter(node -> Files.exists(node.resolve("cpu" + core)))
                    .map(node -> node.getFileName().toString().replaceAll("\\D", ""))
                    .filter(number -> !number.isEmpty())
                    .mapToInt(Integer::parseInt)
                    .findFirst()
                    .orElse(0);
        } catch (IOException e) {
            return 0;
        }
    }
}
