package dev.skein.cli;

import org.jspecify.annotations.Nullable;

/// Ends the command with one line for the user and an exit code.
public final class CommandException extends RuntimeException {
    /// The command line, the environment or the configuration file is wrong.
    public static final int USAGE = 2;

    /// What was asked for cannot be done.
    public static final int FAILED = 1;

    private final int exitCode;

    private CommandException(@Nullable String message, int exitCode) {
        super(message);
        this.exitCode = exitCode;
    }

    public static CommandException usage(@Nullable String message) {
        return new CommandException(message, USAGE);
    }

    public static CommandException failed(@Nullable String message) {
        return new CommandException(message, FAILED);
    }

    public int exitCode() {
        return exitCode;
    }
}
