package dev.skein.cli.control;

import dev.skein.cli.CommandException;
import dev.skein.cli.client.Arguments;
import dev.skein.protocol.v1.RolloutAction;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// `skein rollout`: looks at an update, holds it, goes back.
@CommandLine.Command(
        name = "skein rollout",
        mixinStandardHelpOptions = true,
        separator = " ",
        header = "look at an update of a model's groups, hold it or take it back")
public final class RolloutCommand {
    @CommandLine.Parameters(
            index = "0",
            paramLabel = "ACTION",
            description = "status; pause; resume; undo, back to the revision before; retry groups that were given up")
    private String action = "";

    @CommandLine.Parameters(index = "1", paramLabel = "NAME", description = "the deployment")
    private String name = "";

    @CommandLine.Option(
            names = "--wait",
            paramLabel = "SECONDS",
            description = "wait until all groups are as wanted, at most so long; exit code 1 if they are not")
    private @Nullable Integer seconds;

    @CommandLine.Option(
            names = "--server",
            paramLabel = "PORT",
            description = "the server's port; default: the only one that runs")
    private @Nullable Integer server;

    private RolloutCommand() {}

    public static int run(List<String> arguments) {
        RolloutCommand command = new RolloutCommand();
        return Arguments.helped(command, arguments) ? 0 : command.ask();
    }

    private int ask() {
        RolloutAction wanted = action(action);
        try (SchedulerCalls calls = new SchedulerCalls(server)) {
            return calls.show(calls.rollout(name, wanted), seconds);
        }
    }

    static RolloutAction action(String word) {
        return switch (word.toLowerCase(Locale.ROOT)) {
            case "status" -> RolloutAction.ROLLOUT_ACTION_STATUS;
            case "pause" -> RolloutAction.ROLLOUT_ACTION_PAUSE;
            case "resume" -> RolloutAction.ROLLOUT_ACTION_RESUME;
            case "undo" -> RolloutAction.ROLLOUT_ACTION_UNDO;
            case "retry" -> RolloutAction.ROLLOUT_ACTION_RETRY;
            default ->
                throw CommandException.usage(
                        "'" + word + "' is nothing that can be done; there is status, pause, resume, undo and retry");
        };
    }
}
