package dev.skein.cli;

import dev.skein.cli.bench.BenchCommand;
import dev.skein.cli.client.ChatCommand;
import dev.skein.cli.client.StatusCommand;
import dev.skein.cli.control.ApplyCommand;
import dev.skein.cli.control.ClusterStatus;
import dev.skein.cli.control.RolloutCommand;
import dev.skein.cli.control.ScaleCommand;
import dev.skein.cli.control.WhyCommand;
import dev.skein.cli.settings.NearestName;
import dev.skein.cli.train.TrainCommand;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.LoggerFactory;

/// The entry: finds the subcommand and turns its end into an exit code.
public final class Skein {

    /// Runs to its end and returns the exit code.
    @FunctionalInterface
    interface Subcommand {
        int run(List<String> arguments) throws Exception;
    }

    private record Entry(String help, Subcommand command) {}

    private static final Map<String, Entry> COMMANDS = commands();

    private Skein() {}

    private static Map<String, Entry> commands() {
        Map<String, Entry> commands = new LinkedHashMap<>();
        commands.put("serve", new Entry("serve a model over HTTP, as OpenAI's API", ServeCommand::run));
        commands.put(
                "chat",
                new Entry("talk to a model in the terminal", words -> ChatCommand.run(words, OwnServer::start)));
        commands.put("scheduler", new Entry("join this machine to a cluster", SchedulerCommand::run));
        commands.put("cert", new Entry("make certificates for the machines of a cluster", CertCommand::run));
        commands.put("gateway", new Entry("serve the groups of a cluster over HTTP", GatewayCommand::run));
        commands.put(
                "status",
                new Entry(
                        "show a server's groups, ranks, queue and cache",
                        words -> words.contains("--scheduler") ? ClusterStatus.run(words) : StatusCommand.run(words)));
        commands.put("scale", new Entry("change how many groups serve a model", ScaleCommand::run));
        commands.put("rollout", new Entry("look at an update, hold it or take it back", RolloutCommand::run));
        commands.put(
                "apply",
                new Entry(
                        "serve the models that a file describes",
                        words -> ApplyCommand.run(words, DeploymentFile::read)));
        commands.put("why", new Entry("say why a group is where it is", WhyCommand::run));
        commands.put(
                "bench",
                new Entry(
                        "measure the engine, or a server beside its peer",
                        words -> BenchCommand.run(
                                words, name -> ModelCommand.models().path(name, null))));
        commands.put("model", new Entry("fetch, list, show and remove models", ModelCommand::run));
        commands.put("version", new Entry("print the version", Skein::version));
        commands.put("help", new Entry("print this, or a command's help", Skein::help));
        return commands;
    }

    static void main(String[] arguments) {
        List<String> words = List.of(arguments);
        int code;
        if (!words.isEmpty() && words.getFirst().equals("worker")) {
            code = WorkerProcess.run();
        } else if (!words.isEmpty() && words.getFirst().equals("train")) {
            code = run(words.subList(1, words.size()), rest -> TrainCommand.run(rest, OwnServer::startPatiently));
        } else {
            code = run(words);
        }
        // Threads of libraries must not keep a finished command alive.
        System.out.flush();
        System.exit(code);
    }

    /// A wrong use or a refusal is one line; what nobody foresaw is logged with its trace.
    static int run(List<String> words) {
        return run(
                words.isEmpty() ? words : words.subList(1, words.size()),
                rest -> find(words).run(rest));
    }

    private static int run(List<String> arguments, Subcommand command) {
        try {
            return command.run(arguments);
        } catch (CommandException e) {
            System.err.println("skein: " + e.getMessage());
            return e.exitCode();
        } catch (Exception e) {
            LoggerFactory.getLogger(Skein.class).error("the command failed", e);
            return CommandException.FAILED;
        }
    }

    private static Subcommand find(List<String> words) {
        String word = words.isEmpty() ? "help" : words.getFirst();
        String name = switch (word) {
            case "--version", "-V" -> "version";
            case "--help", "-h" -> "help";
            default -> word;
        };
        Entry entry = COMMANDS.get(name);
        if (entry == null) {
            throw CommandException.usage("there is no command '" + word + "'"
                    + NearestName.of(word, COMMANDS.keySet())
                            .map(nearest -> "; the nearest is " + nearest)
                            .orElse("; see skein help"));
        }
        return entry.command();
    }

    private static int version(List<String> arguments) {
        System.out.println("skein " + Version.TEXT);
        return 0;
    }

    private static int help(List<String> arguments) throws Exception {
        if (!arguments.isEmpty()) {
            return find(arguments).run(List.of("--help"));
        }
        System.out.println(
                "skein COMMAND [flags]      Skein " + Version.TEXT + ", a server of large language models\n");
        COMMANDS.forEach((name, entry) -> System.out.printf("  %-10s %s%n", name, entry.help()));
        System.out.println("\nskein COMMAND --help tells a command's flags. ./skein test runs all checks and tests.");
        return 0;
    }

    static boolean wantsHelp(List<String> arguments) {
        return arguments.stream().anyMatch(Arrays.asList("--help", "-h")::contains);
    }
}
