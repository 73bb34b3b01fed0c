package dev.skein.cli;

import dev.skein.cli.client.Arguments;
import dev.skein.cli.client.Table;
import dev.skein.cli.model.DefaultModel;
import dev.skein.cli.model.ModelChoice;
import dev.skein.cli.model.Models;
import dev.skein.cli.model.Progress;
import dev.skein.cli.model.hub.HubCache;
import dev.skein.cli.model.hub.HubName;
import dev.skein.cli.model.hub.KeptModel;
import dev.skein.cli.model.hub.Patience;
import dev.skein.cli.settings.NearestName;
import java.io.Console;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// `skein model`: what is kept on this machine, and how it comes there and goes.
final class ModelCommand {
    private static final String HELP = """
            skein model                            print the file of the default model, fetched if need be
            skein model pull ORG/NAME[:QUANT]      fetch a model, or what is new of it, and print where it lies
            skein model list                       what is kept, the default model too
            skein model show MODEL                 what a kept model or a file is
            skein model rm ORG/NAME[:QUANT]        remove it

            pull and rm take --revision BRANCH, TAG or COMMIT, rm takes -y. Without QUANT a model's safetensors are
            fetched with their configuration and tokenizer; a model that has GGUF files alone gives Q4_K_M, or what
            comes nearest. A pull that was cut goes on where it was; each file is checked against the hub's hash.

            HF_ENDPOINT      the hub's address; there is no other default
            HF_TOKEN         for private and gated models
            HF_HUB_OFFLINE   1: never ask a hub
            SKEIN_HOME       where models are kept, under hub/ORG/NAME; `skein serve` finds them there without a network
            """;

    /// What the rest of the arguments is given to.
    @FunctionalInterface
    private interface Action {
        int run(Models models, List<String> arguments);
    }

    private static final Map<String, Action> ACTIONS = actions();

    private ModelCommand() {}

    private static Map<String, Action> actions() {
        Map<String, Action> actions = new LinkedHashMap<>();
        actions.put("pull", ModelCommand::pull);
        actions.put("list", ModelCommand::list);
        actions.put("show", ModelCommand::show);
        actions.put("rm", ModelCommand::remove);
        return actions;
    }

    static int run(List<String> arguments) {
        return run(models(), arguments);
    }

    static int run(Models models, List<String> arguments) {
        if (Skein.wantsHelp(arguments)) {
            System.out.print(HELP);
            return 0;
        }
        if (arguments.isEmpty()) {
            System.out.println(models.defaultModel().file());
            return 0;
        }
        Action action = ACTIONS.get(arguments.getFirst());
        if (action == null) {
            throw CommandException.usage("there is no 'skein model " + arguments.getFirst() + "'"
                    + NearestName.of(arguments.getFirst(), ACTIONS.keySet())
                            .map(nearest -> "; the nearest is " + nearest)
                            .orElse("; there are " + String.join(", ", ACTIONS.keySet())));
        }
        return action.run(models, arguments.subList(1, arguments.size()));
    }

    /// The models of this machine and its hub, with progress on the terminal.
    static Models models() {
        return new Models(System.getenv(), "skein/" + Version.TEXT, Patience.USUAL, Progress.onStandardError());
    }

    // --- Actions ---

    /// A model of a hub, as words and flags name it.
    @CommandLine.Command(separator = " ")
    private static final class Named {
        @CommandLine.Parameters(arity = "1", paramLabel = "ORG/NAME[:QUANT]")
        private String model = "";

        @CommandLine.Option(names = "--revision", paramLabel = "REVISION")
        private @Nullable String revision;

        @CommandLine.Option(names = {"-y", "--yes"})
        private boolean yes;

        static Named of(List<String> arguments) {
            Named named = new Named();
            Arguments.helped(named, arguments);
            return named;
        }

        HubName hub() {
            return HubName.of(model)
                    .orElseThrow(() -> CommandException.usage(
                            "'" + model + "' is no name of a model on a hub; those are ORG/NAME or ORG/NAME:QUANT"));
        }
    }

    private static int pull(Models models, List<String> arguments) {
        Named named = Named.of(arguments);
        KeptModel kept = models.pull().run(named.hub(), named.revision == null ? HubCache.MAIN : named.revision);
        System.out.println(models.cache().entry(kept));
        return 0;
    }

    private static int list(Models models, List<String> arguments) {
        if (!arguments.isEmpty()) {
            throw CommandException.usage("skein model list takes no arguments");
        }
        List<List<String>> rows = new ArrayList<>();
        rows.add(List.of("MODEL", "REVISION", "COMMIT", "SIZE", "USED"));
        DefaultModel usual = models.defaultModel();
        usual.kept().ifPresent(file -> rows.add(row(usual.source(), file)));
        models.cache().all().forEach(kept -> rows.add(row(kept)));
        System.out.print(rows.size() == 1 ? "none yet; skein model pull ORG/NAME fetches one\n" : Table.text(rows));
        return 0;
    }

    /// The one that is served when none is named: of a Python package, and no time is kept of its use.
    private static List<String> row(DefaultModel.Source source, Path file) {
        return List.of(
                source.name(),
                "default",
                ModelSheet.shortened(source.sha256()),
                ModelSheet.size(file.toFile().length()),
                "");
    }

    private static List<String> row(KeptModel kept) {
        return List.of(
                kept.title(),
                String.join(",", new TreeSet<>(kept.revisions().keySet())),
                ModelSheet.shortened(kept.commit()),
                ModelSheet.size(kept.size()),
                ModelSheet.time(kept.used()));
    }

    private static int show(Models models, List<String> arguments) {
        Named named = Named.of(arguments);
        switch (ModelChoice.of(named.model)) {
            case ModelChoice.Local(Path path) -> System.out.print(ModelSheet.of(path));
            case ModelChoice.Hub(HubName name) -> {
                List<KeptModel> kept = chosen(models.cache(), name, named.revision);
                kept.forEach(each -> System.out.print(ModelSheet.of(models.cache(), each)));
            }
        }
        return 0;
    }

    private static int remove(Models models, List<String> arguments) {
        Named named = Named.of(arguments);
        List<KeptModel> kept = chosen(models.cache(), named.hub(), named.revision);
        if (!named.yes && !agreed(kept)) {
            System.err.println("skein: nothing was removed");
            return CommandException.FAILED;
        }
        models.remove(named.hub(), kept);
        kept.forEach(each -> System.err.println("skein: removed " + described(each)));
        return 0;
    }

    /// Without a quantization all of them, without a revision all commits.
    private static List<KeptModel> chosen(HubCache cache, HubName name, @Nullable String revision) {
        List<KeptModel> kept = cache.all(name).stream()
                .filter(each -> name.quant() == null || each.isQuant(name.quant()))
                .filter(each -> revision == null || each.isAt(revision).isPresent())
                .toList();
        if (kept.isEmpty()) {
            Set<String> others = new TreeSet<>();
            cache.all().forEach(each -> others.add(each.title()));
            throw CommandException.failed(
                    name + (revision == null ? "" : " at " + revision) + " is not kept on this machine; "
                            + (others.isEmpty() ? "nothing is" : "there are " + String.join(", ", others)));
        }
        return kept;
    }

    private static boolean agreed(List<KeptModel> kept) {
        Console console = System.console();
        if (console == null || !console.isTerminal()) {
            throw CommandException.usage("skein model rm asks at a terminal; elsewhere say -y");
        }
        kept.forEach(each -> System.err.println("  " + described(each)));
        String answer = console.readLine("remove %s? [y/N] ", kept.size() == 1 ? "it" : "them");
        return answer != null && answer.strip().toLowerCase(Locale.ROOT).startsWith("y");
    }

    private static String described(KeptModel kept) {
        return kept.title() + " " + ModelSheet.shortened(kept.commit()) + " (" + ModelSheet.size(kept.size()) + ")";
    }
}
