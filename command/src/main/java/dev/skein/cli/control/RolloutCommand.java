package dev.skein.cli.control;

import dev.skein.cli.CommandException;
import dev.skein.cli.client.Arguments;
import dev.skein.protocol.v1.RolloutAction;
import java.util.List;
import java.util.Locale;
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

    @CommandLine.Mixin
    private final Wait wait = new Wait();

    @CommandLine.Mixin
    private final Target target = new Target();

    private RolloutCommand() {}

    public static int run(List<String> arguments) {
        RolloutCommand command = new RolloutCommand();
        return Arguments.helped(command, arguments) ? 0 : command.ask();
    }

    private int ask() {
        RolloutAction wanted = action(action);
        try (SchedulerCalls calls = new SchedulerCalls(target)) {
            return calls.show(calls.rollout(name, wanted), wait.seconds());
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
