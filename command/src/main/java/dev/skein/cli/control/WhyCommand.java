package dev.skein.cli.control;

import dev.skein.cli.client.Arguments;
import dev.skein.protocol.v1.SchedulerGrpcClient;
import dev.skein.protocol.v1.WhyRequest;
import java.util.List;
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

    @CommandLine.Mixin
    private final Target target = new Target();

    private WhyCommand() {}

    public static int run(List<String> arguments) {
        WhyCommand command = new WhyCommand();
        if (!Arguments.helped(command, arguments)) {
            try (SchedulerCalls calls = new SchedulerCalls(command.target)) {
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
