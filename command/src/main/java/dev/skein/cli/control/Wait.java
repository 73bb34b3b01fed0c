package dev.skein.cli.control;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// Whether, and for how long, a command waits for what it asked for.
final class Wait {
    @CommandLine.Option(
            names = "--wait",
            paramLabel = "SECONDS",
            description = "wait until all groups are as wanted, at most so long; exit code 1 if they are not")
    private @Nullable Integer seconds;

    /// Null not to wait.
    @Nullable
    Integer seconds() {
        return seconds;
    }
}
