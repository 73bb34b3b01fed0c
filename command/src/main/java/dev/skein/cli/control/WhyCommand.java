package dev.skein.cli.control;

import dev.skein.cli.client.Arguments;
import dev.skein.protocol.v1.SchedulerGrpcClient;
import dev.skein.protocol.v1.WhyRequest;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// `skein why`: why a group is where it is.
@CommandLine.Command(
        name = "skein why",
        mixinStandardHelpOptions = true,
        separator = " ",
        header = "say why a group is where it is, or what the machine lacks for it")
public final class WhyCommand {
    @CommandLine.Parameters(paramLabel = "GROUP", description = "as skein status names it")
    private String group = "";

    @CommandLine.Option(
            names = "--server",
            paramLabel = "PORT",
            description = "the server's port; default: the only one that runs")
    private @Nullable Integer server;

    private WhyCommand() {}

    public static int run(List<String> arguments) {
        WhyCommand command = new WhyCommand();
        if (!Arguments.helped(command, arguments)) {
            try (SchedulerCalls calls = new SchedulerCalls(command.server)) {
                calls.call(
                                SchedulerGrpcClient.Why,
                                WhyRequest.newBuilder().setGroup(command.group).build())
                        .getLinesList()
                        .forEach(System.out::println);
            }
        }
        return 0;
    }
}
