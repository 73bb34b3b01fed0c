package dev.skein.cli.model.hub;

import dev.skein.cli.CommandException;
import dev.skein.cli.model.Models;
import dev.skein.cli.model.Progress;

/// A pull in a process of its own: the model is its argument, the rest its environment.
final class PullProcess {
    private PullProcess() {}

    static void main(String[] arguments) {
        Models models = new Models(System.getenv(), "test", Patience.USUAL, new Progress(System.err, false));
        try {
            System.out.println(models.path(arguments[0], null));
        } catch (CommandException e) {
            System.err.println(e.getMessage());
            System.exit(e.exitCode());
        }
    }
}
