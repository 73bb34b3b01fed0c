package dev.skein.cli.model.hub;

import dev.skein.cli.CommandException;
import dev.skein.cli.model.FolderLock;
import dev.skein.cli.model.Progress;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/// Brings a model from its hub into the cache, or finds that it is there.
///
/// Several files come at once. The first that cannot be had ends the others; what has come of them stays for the next
/// pull. Two processes that pull the same model do it one after the other, so the second finds it there.
public final class Pull {
    private static final int AT_ONCE = 4;
    private static final long TICK_MILLIS = 100;

    private final HubSettings settings;
    private final HubCache cache;
    private final String agent;
    private final Patience patience;
    private final Progress progress;

    /// @param agent what the hub reads as the name of this program, such as `skein/1.0`
    public Pull(HubSettings settings, HubCache cache, String agent, Patience patience, Progress progress) {
        this.settings = settings;
        this.cache = cache;
        this.agent = agent;
        this.patience = patience;
        this.progress = progress;
    }

    /// The model as it is at the hub now, whole on this machine.
    ///
    /// @param revision a branch, a tag or a commit
    /// @throws CommandException saying why it cannot be had and what to do
    public KeptModel run(HubName model, String revision) {
        progress.say("looking up " + model + (revision.equals(HubCache.MAIN) ? "" : " at " + revision));
        try (HubClient client = new HubClient(settings, model, revision, agent, patience)) {
            Listing listing = listing(client, model);
            Selection selection = Selection.of(model, listing);
            try (FolderLock ignored = FolderLock.take(cache.folder(model), "fetching " + model, progress)) {
                return fetched(client, model, revision, listing.commit(), selection);
            }
        } catch (UncheckedIOException e) {
            throw disk(Objects.requireNonNull(e.getCause()));
        } catch (IOException e) {
            throw disk(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw CommandException.failed("fetching " + model + " was interrupted; the next pull goes on from there");
        }
    }

    /// What is kept under that name, else fetched.
    ///
    /// @throws CommandException saying why it cannot be had and what to do
    public KeptModel keptOrFetched(HubName model, String revision) {
        return cache.find(model, revision).orElseGet(() -> {
            if (!settings.reachable()) {
                throw CommandException.failed(model + (revision.equals(HubCache.MAIN) ? "" : " at " + revision)
                        + " is not kept on this machine" + others(model) + "; " + settings.unreachable());
            }
            return run(model, revision);
        });
    }

    private String others(HubName model) {
        List<String> kept =
                cache.all(model).stream().map(KeptModel::title).distinct().toList();
        return kept.isEmpty() ? "" : " (but " + String.join(", ", kept) + ")";
    }

    private Listing listing(HubClient client, HubName model) throws InterruptedException {
        Retries retries = client.retries(progress::say);
        while (true) {
            try {
                return client.listing();
            } catch (IOException e) {
                retries.failed(model.toString(), e);
            }
        }
    }

    private KeptModel fetched(HubClient client, HubName model, String revision, String commit, Selection selection)
            throws IOException, InterruptedException {
        List<HubFile> files = described(client, commit, selection.files());
        List<HubFile> missing = new ArrayList<>();
        for (HubFile file : files) {
            if (!cache.has(model, commit, file) && !linked(model, commit, file)) {
                missing.add(file);
            }
        }
        if (missing.isEmpty()) {
            progress.say(model + " is there");
        } else {
            checkSpace(model, commit, missing);
            download(client, model, commit, missing);
        }
        HubCache.prune(cache.parts(model, commit));
        KeptModel kept = known(model, revision, commit, selection, files);
        cache.write(kept);
        if (!missing.isEmpty()) {
            progress.say("kept " + kept.title() + " (" + Words.size(kept.size()) + ") in " + cache.entry(kept));
        }
        return kept;
    }

    /// What is known now, with what was known before.
    private KeptModel known(HubName model, String revision, String commit, Selection selection, List<HubFile> files) {
        Optional<KeptModel> before = cache.find(model, commit, selection.variant());
        Map<String, Instant> revisions =
                new HashMap<>(before.map(KeptModel::revisions).orElse(Map.of()));
        revisions.put(revision, Instant.now().truncatedTo(ChronoUnit.MILLIS));
        return new KeptModel(
                new HubName(model.organization(), model.name(), null),
                commit,
                revisions,
                selection.variant(),
                model.quant() == null || before.isPresent() && before.get().byDefault(),
                selection.entry(),
                files,
                Instant.now());
    }

    /// The files with sizes and checksums, for which the hub is asked one by one where the listing has none.
    private List<HubFile> described(HubClient client, String commit, List<HubFile> listed) throws InterruptedException {
        List<HubFile> all = new ArrayList<>();
        for (HubFile file : listed) {
            HubFile whole = file.size() >= 0 && file.checksum() != null ? file : described(client, commit, file);
            if (whole.size() < 0 || whole.checksum() == null) {
                throw CommandException.failed("the hub tells no " + (whole.size() < 0 ? "size" : "hash") + " of "
                        + file.path() + ", so it could not be checked; nothing was fetched");
            }
            all.add(whole);
        }
        return all;
    }

    private HubFile described(HubClient client, String commit, HubFile file) throws InterruptedException {
        Retries retries = client.retries(progress::say);
        while (true) {
            try {
                return client.described(commit, file);
            } catch (IOException e) {
                retries.failed(file.path(), e);
            }
        }
    }

    /// Files often stay the same from one commit to the next.
    private boolean linked(HubName model, String commit, HubFile file) throws IOException {
        Path twin = cache.twin(model, file).orElse(null);
        if (twin == null) {
            return false;
        }
        Path target = cache.snapshot(model, commit).resolve(file.path());
        Files.createDirectories(target.getParent());
        Files.deleteIfExists(target);
        try {
            Files.createLink(target, twin);
        } catch (UnsupportedOperationException | FileSystemException e) {
            Files.copy(twin, target, StandardCopyOption.REPLACE_EXISTING);
        }
        return true;
    }

    private void checkSpace(HubName model, String commit, List<HubFile> missing) throws IOException {
        long need = 0;
        for (HubFile file : missing) {
            Path part = cache.parts(model, commit).resolve(file.path());
            need += file.size() - Math.min(file.size(), Files.exists(part) ? Files.size(part) : 0);
        }
        long free = Files.getFileStore(cache.folder(model)).getUsableSpace();
        if (need > free) {
            throw CommandException.failed(model + " takes " + Words.size(need) + " and " + cache.folder(model) + " has "
                    + Words.size(free) + "; free some space (skein model rm) or set SKEIN_HOME to another folder");
        }
    }

    // --- Several at once ---

    /// Waits on the calling thread, which alone speaks to the user.
    private void download(HubClient client, HubName model, String commit, List<HubFile> missing)
            throws InterruptedException {
        Queue<String> notes = new ConcurrentLinkedQueue<>();
        List<Download> downloads = missing.stream()
                .sorted(Comparator.comparingLong(HubFile::size).reversed())
                .map(file -> new Download(
                        client,
                        commit,
                        file,
                        cache.parts(model, commit).resolve(file.path()),
                        cache.snapshot(model, commit).resolve(file.path())))
                .toList();
        progress.say("fetching " + model + ": " + downloads.size() + (downloads.size() == 1 ? " file, " : " files, ")
                + Words.size(missing.stream().mapToLong(HubFile::size).sum()));
        ExecutorService threads = Executors.newFixedThreadPool(
                AT_ONCE, Thread.ofVirtual().name("pull-", 0).factory());
        try {
            ExecutorCompletionService<Void> ends = new ExecutorCompletionService<>(threads);
            downloads.forEach(download -> ends.submit(() -> {
                download.run(client.retries(notes::add));
                return null;
            }));
            follow(model, downloads, ends, notes);
        } finally {
            threads.shutdownNow();
            threads.awaitTermination(patience.silence().toMillis(), TimeUnit.MILLISECONDS);
        }
    }

    private void follow(
            HubName model, List<Download> downloads, ExecutorCompletionService<Void> ends, Queue<String> notes)
            throws InterruptedException {
        Rate rate = new Rate(
                model.toString(),
                downloads.size(),
                downloads.stream().mapToLong(download -> download.file().size()).sum(),
                () -> downloads.stream().mapToLong(Download::received).sum());
        int running = downloads.size();
        while (running > 0) {
            Future<Void> end = ends.poll(TICK_MILLIS, TimeUnit.MILLISECONDS);
            for (String note = notes.poll(); note != null; note = notes.poll()) {
                progress.say(note);
            }
            progress.update(rate.line(System.nanoTime(), downloads.size() - running));
            if (end != null) {
                check(end);
                running--;
            }
        }
    }

    private static void check(Future<Void> end) throws InterruptedException {
        try {
            end.get();
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case RuntimeException why -> throw why;
                case Error why -> throw why;
                case InterruptedException why -> throw why;
                case null, default -> throw new IllegalStateException(e);
            }
        }
    }

    private CommandException disk(IOException e) {
        String reason = e instanceof FileSystemException file && file.getReason() == null
                ? e.getClass().getSimpleName() + " " + e.getMessage()
                : String.valueOf(e.getMessage());
        return CommandException.failed("cannot keep the model: " + reason
                + "; free some space (skein model rm) or set SKEIN_HOME to another folder."
                + " What has come is kept, and the next pull goes on from there");
    }
}
