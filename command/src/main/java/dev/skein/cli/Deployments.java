package dev.skein.cli;

import dev.skein.cli.settings.ServeSettings;
import dev.skein.cli.settings.Settings;
import dev.skein.scheduler.lifecycle.Policy;
import dev.skein.scheduler.rollout.Deployment;
import dev.skein.scheduler.rollout.Needs;
import dev.skein.scheduler.rollout.Strategy;
import dev.skein.scheduler.rollout.Template;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/// Makes deployments of what a command line or a file says.
final class Deployments {
    private static final int LONGEST_NAME = 63;

    private Deployments() {}

    static Deployment of(Settings settings, List<String> served, WorkerParameters worker) {
        return new Deployment(
                name(served.getFirst()),
                served,
                template(worker, settings.get(ServeSettings.THREADS)),
                settings.get(ServeSettings.REPLICAS),
                settings.get(ServeSettings.SCALE_TO_ZERO_AFTER).toMillis(),
                Strategy.DEFAULT,
                false);
    }

    /// @param threads of each rank as they were asked for; 0 where they were not
    private static Template template(WorkerParameters worker, int threads) {
        return new Template(
                worker.model().toString(),
                worker.ranks(),
                worker.tensorParallel(),
                worker.encode(),
                needs(worker, threads),
                Policy.DEFAULT.withRestart(Policy.DEFAULT.restart(), worker.recoverMillis()));
    }

    /// A rank on a GPU takes it whole, and its memory in place of the machine's; a core steers it.
    private static Needs needs(WorkerParameters worker, int threads) {
        int ranks = worker.ranks();
        long weights = worker.loadFormat().equals("dummy") ? 0 : bytes(worker.model());
        long bytes = weights + ranks * worker.kvCacheBytes();
        return worker.device().equals("cuda")
                ? new Needs(ranks * Math.max(1, threads), 0, ranks, bytes)
                : new Needs(ranks * worker.threads(), bytes);
    }

    /// Of a model file, or of all the files in its folder.
    private static long bytes(Path model) {
        try (Stream<Path> files = Files.walk(model, 1)) {
            return files.filter(Files::isRegularFile)
                    .mapToLong(file -> file.toFile().length())
                    .sum();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + model, e);
        }
    }

    /// What of a model's name can name its groups: its last part, without what only says that it is a file.
    static String name(String model) {
        String last = model.replaceAll("/+$", "").replaceAll("^.*/", "").toLowerCase(Locale.ROOT);
        String plain =
                last.replaceAll("\\.gguf$", "").replaceAll("[^a-z0-9._-]+", "-").replaceAll("^[^a-z0-9]+", "");
        String cut = plain.substring(0, Math.min(LONGEST_NAME, plain.length())).replaceAll("[^a-z0-9]+$", "");
        return cut.isEmpty() ? "model" : cut;
    }
}
