package dev.skein.scheduler;

import dev.skein.scheduler.lifecycle.Action;
import dev.skein.scheduler.lifecycle.Decision;
import dev.skein.scheduler.lifecycle.Desired;
import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.GroupSpec;
import dev.skein.scheduler.lifecycle.GroupState;
import dev.skein.scheduler.lifecycle.Lifecycle;
import dev.skein.scheduler.lifecycle.Observed;
import dev.skein.scheduler.lifecycle.Policy;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps groups as they are wanted.
///
/// One thread owns all state. Whatever happens becomes a task on it: the task changes what is wanted or what was seen,
/// asks [Lifecycle] what is due, hands that to the [Substrate] and tells the watchers. All methods may be called from
/// any
/// thread and return at once.
public final class Scheduler implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Scheduler.class);

    private final Substrate substrate;
    private final GroupStore store;
    private final Policy policy;
    private final RandomGenerator random;
    private final ScheduledThreadPoolExecutor thread;
    private final Map<String, Entry> groups = new LinkedHashMap<>();
    private final List<Consumer<List<GroupStatus>>> watchers = new ArrayList<>();

    private static final class Entry {
        private Desired desired;
        private Observed observed;
        private @Nullable GroupStatus told;
        private @Nullable ScheduledFuture<?> alarm;

        Entry(Desired desired) {
            this.desired = desired;
            this.observed = Observed.nothing(desired.spec().size());
        }

        GroupStatus status() {
            return new GroupStatus(desired.spec(), Lifecycle.state(desired, observed), observed);
        }
    }

    public Scheduler(Substrate substrate, GroupStore store, Policy policy, RandomGenerator random) {
        this.substrate = substrate;
        this.store = store;
        this.policy = policy;
        this.random = random;
        this.thread = new ScheduledThreadPoolExecutor(
                1, Thread.ofPlatform().daemon().name("scheduler").factory());
        this.thread.setRemoveOnCancelPolicy(true);
        // Tasks that come after the end are dropped: there is nobody left to tell.
        this.thread.setRejectedExecutionHandler(new ThreadPoolExecutor.DiscardPolicy());
    }

    /// Wants this group served. One that had failed or was draining is started again, and its counts with it.
    public void serve(GroupSpec spec) {
        run(() -> {
            Entry entry = groups.computeIfAbsent(spec.name(), name -> new Entry(Desired.serving(spec)));
            if (!entry.desired.spec().equals(spec) && entry.observed.anyAlive()) {
                throw new IllegalStateException("group " + spec.name() + " runs with other parameters; drain it first");
            }
            if (entry.status().state() == GroupState.FAILED || !entry.desired.serving()) {
                entry.observed = entry.observed.forgiven();
            }
            entry.desired = Desired.serving(spec);
            advance(entry);
        });
    }

    /// Wants no group served any more. Completes when all are gone.
    ///
    /// @param millis how long streams may take to finish before their process is killed
    public CompletableFuture<Void> drain(long millis) {
        CompletableFuture<Void> gone = new CompletableFuture<>();
        watch(all -> {
            if (all.stream().allMatch(group -> group.state() == GroupState.GONE)) {
                gone.complete(null);
            }
        });
        run(() -> {
            groups.values().forEach(entry -> entry.desired = entry.desired.draining(millis));
            groups.values().forEach(this::advance);
            tell();
        });
        return gone;
    }

    /// Tells the consumer all groups now and at every change, on the scheduler's thread: it must not block.
    ///
    /// @return ends the watching
    public Runnable watch(Consumer<List<GroupStatus>> watcher) {
        run(() -> {
            watchers.add(watcher);
            watcher.accept(picture());
        });
        return () -> run(() -> watchers.remove(watcher));
    }

    /// Stops deciding. Processes are the substrate's to end.
    @Override
    public void close() {
        thread.shutdownNow();
    }

    private void run(Runnable task) {
        thread.execute(() -> {
            try {
                task.run();
            } catch (RuntimeException e) {
                log.error("scheduler task failed", e);
            }
        });
    }

    private void seen(String group, Event event) {
        run(() -> {
            Entry entry = groups.get(group);
            if (entry != null) {
                note(group, event);
                entry.observed = entry.observed.after(event, policy, now(), random);
                advance(entry);
            }
        });
    }

    private static void note(String group, Event event) {
        switch (event) {
            // Whoever serves the group tells people why it was given up.
            case Event.Exited exited
            when exited.hopeless() ->
                log.debug("group={} rank={} cannot serve: {}", group, exited.rank(), exited.reason());
            case Event.Exited exited -> log.info("group={} rank={} exited: {}", group, exited.rank(), exited.reason());
            case Event.Spawned spawned ->
                log.debug("group={} rank={} process={}", group, spawned.rank(), spawned.processId());
            default -> log.debug("group={} {}", group, event);
        }
    }

    /// Carries out what is due until nothing is, then sets the alarm for the next deadline and tells the change.
    private void advance(Entry entry) {
        Decision decision = Lifecycle.decide(entry.desired, entry.observed, policy, now());
        while (!decision.actions().isEmpty()) {
            boolean placed = true;
            for (Action action : decision.actions()) {
                placed &= carryOut(entry, action);
            }
            if (!placed) {
                break;
            }
            decision = Lifecycle.decide(entry.desired, entry.observed, policy, now());
        }
        setAlarm(entry, decision.wakeAt());
        GroupStatus status = entry.status();
        if (!status.equals(entry.told)) {
            entry.told = status;
            store.put(status);
            tell();
        }
    }

    /// False where there is no place for the group; it stays pending.
    private boolean carryOut(Entry entry, Action action) {
        GroupSpec spec = entry.desired.spec();
        entry.observed = entry.observed.begun(action, now());
        switch (action) {
            case Action.Place() -> {
                List<String> hosts = substrate.place(spec);
                if (hosts.isEmpty()) {
                    return false;
                }
                entry.observed = entry.observed.placed(hosts);
            }
            case Action.Start(int rank, long incarnation) ->
                substrate.start(spec, rank, incarnation, event -> seen(spec.name(), event));
            case Action.Drain(int rank, long incarnation) -> substrate.drain(spec, rank, incarnation);
            case Action.Kill(int rank, long incarnation, String reason) -> {
                log.info("group={} rank={} is killed: {}", spec.name(), rank, reason);
                substrate.kill(spec, rank, incarnation);
            }
        }
        return true;
    }

    private void setAlarm(Entry entry, long wakeAt) {
        if (entry.alarm != null) {
            entry.alarm.cancel(false);
            entry.alarm = null;
        }
        if (wakeAt != Decision.NEVER) {
            long wait = Math.max(0, wakeAt - now());
            entry.alarm = thread.schedule(() -> run(() -> advance(entry)), wait, TimeUnit.MILLISECONDS);
        }
    }

    private void tell() {
        List<GroupStatus> picture = picture();
        List.copyOf(watchers).forEach(watcher -> watcher.accept(picture));
    }

    private List<GroupStatus> picture() {
        return groups.values().stream().map(Entry::status).toList();
    }

    /// Only differences of it are used.
    private static long now() {
        return System.nanoTime() / 1_000_000;
    }
}
