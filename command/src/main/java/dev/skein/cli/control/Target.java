package dev.skein.cli.control;

import dev.skein.cli.model.SkeinHome;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// Which server a command speaks to.
final class Target {
    @CommandLine.Option(
            names = "--server",
            paramLabel = "PORT",
            description = "the server's port; default: the only one that runs")
    private @Nullable Integer server;

    /// @throws dev.skein.cli.CommandException if there is none, or more than one to choose from
    ServerFile find() {
        return ServerFile.find(SkeinHome.of(System.getenv()), server);
    }
}
