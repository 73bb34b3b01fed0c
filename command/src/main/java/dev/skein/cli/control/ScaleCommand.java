package dev.skein.cli.control;

import dev.skein.cli.CommandException;
import dev.skein.cli.client.Arguments;
import dev.skein.protocol.v1.Deployment;
import dev.skein.protocol.v1.ScaleRequest;
import dev.skein.protocol.v1.SchedulerGrpcClient;
import java.util.List;
import picocli.CommandLine;

/// `skein scale`: another number of groups.
@CommandLine.Command(
        name = "skein scale",
        mixinStandardHelpOptions = true,
        separator = " ",
        header =
                "change how many groups serve a model; 0 keeps its name, and requests wait until there are groups again")
public final class ScaleCommand {
    @CommandLine.Parameters(paramLabel = "NAME=N", arity = "1..*", description = "a deployment and its groups")
    private List<String> wishes = List.of();

    @CommandLine.Mixin
    private final Wait wait = new Wait();

    @CommandLine.Mixin
    private final Target target = new Target();

    private ScaleCommand() {}

    public static int run(List<String> arguments) {
        ScaleCommand command = new ScaleCommand();
        return Arguments.helped(command, arguments) ? 0 : command.scale();
    }

    private int scale() {
        List<ScaleRequest> requests = wishes.stream().map(ScaleCommand::request).toList();
        try (SchedulerCalls calls = new SchedulerCalls(target)) {
            int code = 0;
            for (ScaleRequest request : requests) {
                Deployment answer = calls.call(SchedulerGrpcClient.Scale, request);
                code = Math.max(code, calls.show(answer, wait.seconds()));
            }
            return code;
        }
    }

    static ScaleRequest request(String wish) {
        int equals = wish.lastIndexOf('=');
        try {
            int replicas = Integer.parseInt(wish.substring(equals + 1));
            if (equals > 0 && replicas >= 0) {
                return ScaleRequest.newBuilder()
                        .setName(wish.substring(0, equals))
                        .setReplicas(replicas)
                        .build();
            }
        } catch (NumberFormatException e) {
            // Told below.
        }
        throw CommandException.usage("'" + wish + "' is no number of groups; write NAME=N, such as chat=2");
    }
}
