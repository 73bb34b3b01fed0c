package dev.skein.cli.control;

import dev.skein.cli.client.Arguments;
import dev.skein.protocol.v1.ApplyRequest;
import dev.skein.protocol.v1.Deployment;
import dev.skein.protocol.v1.DeploymentSpec;
import dev.skein.protocol.v1.SchedulerGrpcClient;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import picocli.CommandLine;

/// `skein apply`: serves what a file says.
@CommandLine.Command(
        name = "skein apply",
        mixinStandardHelpOptions = true,
        separator = " ",
        header = "serve the models that a file describes; a model that is served already is updated group by group")
public final class ApplyCommand {
    @CommandLine.Option(
            names = {"-f", "--file"},
            paramLabel = "FILE",
            required = true,
            description = "a YAML file; docs/deployments.md says what it may hold")
    private Path file = Path.of("");

    @CommandLine.Mixin
    private final Wait wait = new Wait();

    @CommandLine.Mixin
    private final Target target = new Target();

    private ApplyCommand() {}

    /// @param reader makes deployments of a file
    public static int run(List<String> arguments, Function<Path, List<DeploymentSpec>> reader) {
        ApplyCommand command = new ApplyCommand();
        return Arguments.helped(command, arguments) ? 0 : command.apply(reader);
    }

    private int apply(Function<Path, List<DeploymentSpec>> reader) {
        List<DeploymentSpec> wanted = reader.apply(file);
        try (SchedulerCalls calls = new SchedulerCalls(target)) {
            List<Deployment> answers = new ArrayList<>();
            for (DeploymentSpec spec : wanted) {
                answers.add(calls.call(
                        SchedulerGrpcClient.Apply,
                        ApplyRequest.newBuilder().setDeployment(spec).build()));
            }
            return answers.stream()
                    .mapToInt(answer -> calls.show(answer, wait.seconds()))
                    .max()
                    .orElse(0);
        }
    }
}
