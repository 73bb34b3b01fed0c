package dev.skein.scheduler;

import dev.skein.scheduler.lifecycle.Action;
import dev.skein.scheduler.lifecycle.Decision;
import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.GroupSpec;
import dev.skein.scheduler.lifecycle.GroupState;
import dev.skein.scheduler.lifecycle.Lifecycle;
import dev.skein.scheduler.rollout.Deployment;
import dev.skein.scheduler.rollout.Needs;
import dev.skein.scheduler.rollout.Plan;
import dev.skein.scheduler.rollout.Step;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps deployments and their groups as they are wanted.
///
/// One thread owns all state. Whatever happens becomes a task on it: the task changes what is wanted or what was seen,
/// asks [dev.skein.scheduler.rollout.Rollout] which groups there should be and [Lifecycle] what is due for each, hands
/// that to the [Substrate] and tells the watchers. All methods may be called from any thread and return at once.
public final class Scheduler implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Scheduler.class);

    /// An alarm that rings so much too late says that this process stood still, and news of its children waits unread.
    private static final long STOOD_STILL_MILLIS = 1_000;

    private static final long RETRY_PLACE_MILLIS = 2_000;

    private final Substrate substrate;
    private final GroupStore store;
    private final RandomGenerator random;
    private final ScheduledThreadPoolExecutor thread;
    private final Map<String, Line> lines = new LinkedHashMap<>();
    private final List<Consumer<Picture>> watchers = new ArrayList<>();
    private boolean ending;
    private boolean changed;

    public Scheduler(Substrate substrate, GroupStore store, RandomGenerator random) {
        this.substrate = substrate;
        this.store = store;
        this.random = random;
        this.thread = new ScheduledThreadPoolExecutor(
                1, Thread.ofPlatform().daemon().name("scheduler").factory());
        this.thread.setRemoveOnCancelPolicy(true);
        // Tasks that come after the end are dropped: there is nobody left to tell.
        this.thread.setRejectedExecutionHandler(new ThreadPoolExecutor.DiscardPolicy());
    }

    /// Wants this deployment, in place of the one of its name if there is one. A changed template is rolled out; groups
    /// that were given up are tried again.
    public CompletableFuture<DeploymentStatus> apply(Deployment wanted) {
        return ask(() -> {
            checkNames(wanted);
            Line line = lines.computeIfAbsent(wanted.name(), name -> new Line(wanted));
            line.want(wanted.withPaused(line.deployment().paused()));
            line.wake(now());
            forgive(line);
            return advanced(line);
        });
    }

    /// Wants another number of groups.
    public CompletableFuture<DeploymentStatus> scale(String name, int replicas) {
        return ask(() -> {
            Line line = line(name);
            line.want(line.deployment().withReplicas(replicas));
            line.wake(now());
            return advanced(line);
        });
    }

    /// A request waits for a group of it: if it sleeps, it wakes. One that is scaled to 0 by hand stays so.
    public CompletableFuture<DeploymentStatus> wake(String name) {
        return ask(() -> {
            Line line = line(name);
            if (!line.wake(now())) {
                return line.status();
            }
            log.info("deployment={} wakes: a request waits for it", name);
            return advanced(line);
        });
    }

    /// Lets an update stand still, or go on.
    public CompletableFuture<DeploymentStatus> pause(String name, boolean paused) {
        return ask(() -> {
            Line line = line(name);
            line.want(line.deployment().withPaused(paused));
            return advanced(line);
        });
    }

    /// Goes back to the template before the newest one; once more goes forth again.
    public CompletableFuture<DeploymentStatus> undo(String name) {
        return ask(() -> {
            Line line = line(name);
            line.want(line.deployment().withTemplate(line.before()));
            line.wake(now());
            forgive(line);
            return advanced(line);
        });
    }

    /// Tries the groups again that were given up.
    public CompletableFuture<DeploymentStatus> retry(String name) {
        return ask(() -> {
            Line line = line(name);
            forgive(line);
            return advanced(line);
        });
    }

    public CompletableFuture<DeploymentStatus> status(String name) {
        return ask(() -> line(name).status());
    }

    /// Why a group is where it is: its state and history, and what the machine has and lacks for it.
    public CompletableFuture<List<String>> why(String group) {
        return ask(() -> {
            Entry entry = entries()
                    .filter(each -> each.name().equals(group))
                    .findFirst()
                    .orElseThrow(() -> unknown("group", group, entries().map(Entry::name)));
            return Why.lines(
                    entry.status(), substrate.place(entry.desired.spec(), entry.template.needs(), others(entry)));
        });
    }

    /// The machines that groups may run on; none where there is only this one.
    public CompletableFuture<List<MachineStatus>> machines() {
        return substrate.machines();
    }

    /// Takes over groups that run already, before anything is wanted of this scheduler. What was seen of their
    /// processes comes as it does after a start.
    public CompletableFuture<DeploymentStatus> adopt(Wish wish, List<Running> groups) {
        return ask(() -> {
            Line line = new Line(wish);
            lines.put(wish.name(), line);
            for (Running group : groups) {
                Entry entry = line.adopt(group.index(), group.key());
                entry.observed = entry.observed.placed(group.hosts());
                group.incarnations()
                        .forEach((rank, incarnation) -> carryOut(entry, new Action.Start(rank, incarnation)));
            }
            return advanced(line);
        });
    }

    /// A group that another scheduler started.
    ///
    /// @param index of its name
    /// @param key the revision that it was made of
    /// @param hosts by rank
    /// @param incarnations of the ranks that have a process
    public record Running(int index, String key, List<String> hosts, Map<Integer, Long> incarnations) {}

    /// Machines have room that they had not: groups without a place are placed now.
    public void placesChanged() {
        run(() -> entries()
                .filter(entry -> entry.state() == GroupState.PENDING)
                .toList()
                .forEach(this::advance));
    }

    /// The group's place was lost. Its processes have ended, or will have before the substrate gives it another.
    public void displaced(String group, String why) {
        run(() -> entries().filter(entry -> entry.name().equals(group)).toList().forEach(entry -> {
            log.info("group={} loses its place: {}", group, why);
            entry.observed = entry.observed.unplaced(why, now());
            advance(entry);
            advance(line(entry.deployment));
        }));
    }

    /// Wants no group served any more. Completes when all are gone.
    ///
    /// @param millis how long streams may take to finish before their process is killed
    public CompletableFuture<Void> drain(long millis) {
        CompletableFuture<Void> gone = new CompletableFuture<>();
        watch(all -> {
            if (ending && all.groups().isEmpty()) {
                gone.complete(null);
            }
        });
        run(() -> {
            ending = true;
            entries().toList().forEach(entry -> {
                entry.desired = entry.desired.draining(millis);
                advance(entry);
            });
            lines.values().forEach(this::bury);
            changed = true;
        });
        return gone;
    }

    /// Tells the consumer all there is now and at every change, on the scheduler's thread: it must not block.
    ///
    /// @return ends the watching
    public Runnable watch(Consumer<Picture> watcher) {
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

    private void checkNames(Deployment wanted) {
        for (Line line : lines.values()) {
            Deployment other = line.deployment();
            if (!other.name().equals(wanted.name())) {
                other.served().stream()
                        .filter(wanted.served()::contains)
                        .findFirst()
                        .ifPresent(name -> {
                            throw new IllegalArgumentException("the name " + name + " is served by " + other.name()
                                    + " already; give " + wanted.name() + " another");
                        });
            }
        }
    }

    private Line line(String name) {
        Line line = lines.get(name);
        if (line == null) {
            throw unknown("deployment", name, lines.keySet().stream());
        }
        return line;
    }

    private static SchedulerException unknown(String what, String name, Stream<String> known) {
        return new SchedulerException(
                SchedulerException.Kind.NOT_FOUND,
                "there is no " + what + " " + name + "; there is " + String.join(", ", known.toList()));
    }

    /// Those of an older revision are left to the rollout, which replaces them first.
    private void forgive(Line line) {
        String newest = line.deployment().template().key();
        List<Entry> failed = line.groups.values().stream()
                .filter(entry -> entry.state() == GroupState.FAILED
                        && entry.template.key().equals(newest))
                .toList();
        for (Entry entry : failed) {
            entry.observed = entry.observed.forgiven();
            advance(entry);
        }
    }

    private DeploymentStatus advanced(Line line) {
        changed = true;
        advance(line);
        return line.status();
    }

    private <T> CompletableFuture<T> ask(Supplier<T> question) {
        CompletableFuture<T> answer = new CompletableFuture<>();
        run(() -> {
            try {
                T said = question.get();
                // One of the watchers may keep what is wanted: it hears of it before who asked is answered.
                tell();
                answer.complete(said);
            } catch (SchedulerException refused) {
                answer.completeExceptionally(refused);
            } catch (IllegalArgumentException wrong) {
                answer.completeExceptionally(
                        new SchedulerException(SchedulerException.Kind.INVALID, String.valueOf(wrong.getMessage())));
            } catch (RuntimeException broken) {
                answer.completeExceptionally(broken);
                throw broken;
            }
        });
        return answer;
    }

    private void run(Runnable task) {
        thread.execute(() -> {
            try {
                task.run();
            } catch (RuntimeException e) {
                log.error("scheduler task failed", e);
            }
            tell();
        });
    }

    private void seen(Entry entry, Event event) {
        run(() -> {
            note(entry.name(), event);
            GroupState before = entry.state();
            entry.observed = entry.observed.after(event, entry.template.policy(), now(), random);
            advance(entry);
            Line line = line(entry.deployment);
            if (before != entry.state()) {
                advance(line);
            } else if (event instanceof Event.Step && !ending && line.rest(now())) {
                log.info(
                        "deployment={} sleeps: nothing to do for {} s; the next request wakes it",
                        entry.deployment,
                        line.deployment().scaleToZeroMillis() / 1000);
                advanced(line);
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
            case Event.Step step -> log.trace("group={} {}", group, step);
            default -> log.debug("group={} {}", group, event);
        }
    }

    /// Makes and retires groups until nothing is due.
    private void advance(Line line) {
        if (ending) {
            bury(line);
            return;
        }
        boolean complete = line.complete();
        boolean due = true;
        while (due) {
            bury(line);
            List<Step> steps = settled(line);
            steps.forEach(step -> take(line, step));
            due = !steps.isEmpty();
        }
        changed |= complete != line.complete();
        watchProgress(line);
    }

    /// One alarm for each deployment that is not as it is wanted.
    private void watchProgress(Line line) {
        boolean armed = line.alarm != null && !line.alarm.isDone();
        if (!armed && !line.complete() && !line.stalled()) {
            long wait = Math.max(1, line.stallsAt() - now());
            line.alarm = thread.schedule(() -> run(() -> look(line)), wait, TimeUnit.MILLISECONDS);
        }
    }

    private void look(Line line) {
        line.plan(now());
        changed |= line.stalled();
        line.alarm = null;
        watchProgress(line);
    }

    /// The steps of a decision after which the pace does not change any more.
    private List<Step> settled(Line line) {
        Plan plan = line.plan(now());
        for (Plan next = line.plan(now()); !next.equals(plan); next = line.plan(now())) {
            plan = next;
        }
        return plan.steps();
    }

    private void take(Line line, Step step) {
        changed = true;
        switch (step) {
            case Step.Create(int index, String key) -> {
                Entry entry = line.create(index, key);
                log.debug("group={} is made, revision {}", entry.name(), key);
                advance(entry);
            }
            case Step.Retire(int index, String reason) -> {
                Entry entry = line.groups.get(index);
                if (entry != null) {
                    log.info("group={} goes: {}", entry.name(), reason);
                    entry.desired =
                            entry.desired.draining(line.deployment().strategy().drainMillis());
                    advance(entry);
                }
            }
        }
    }

    /// Groups that are gone leave their place to others.
    private void bury(Line line) {
        boolean freed = line.groups.values().removeIf(entry -> {
            boolean gone = entry.state() == GroupState.GONE;
            if (gone) {
                disarm(entry);
                store.remove(entry.name());
                substrate.release(entry.desired.spec());
            }
            return gone;
        });
        if (freed) {
            changed = true;
            entries()
                    .filter(entry -> entry.state() == GroupState.PENDING)
                    .toList()
                    .forEach(this::advance);
        }
    }

    /// Carries out what is due until nothing is, then sets the alarm for the next deadline and notes the change.
    private void advance(Entry entry) {
        Decision decision = decide(entry);
        boolean placed = true;
        while (placed && !decision.actions().isEmpty()) {
            for (Action action : decision.actions()) {
                placed &= carryOut(entry, action);
            }
            decision = decide(entry);
        }
        setAlarm(entry, placed ? decision.wakeAt() : now() + RETRY_PLACE_MILLIS);
        GroupStatus status = entry.status();
        if (!status.equals(entry.told)) {
            entry.told = status;
            store.put(status);
            changed = true;
        }
    }

    private static Decision decide(Entry entry) {
        return Lifecycle.decide(entry.desired, entry.observed, entry.template.policy(), now());
    }

    /// False where there is no place for the group; it stays pending.
    private boolean carryOut(Entry entry, Action action) {
        GroupSpec spec = entry.desired.spec();
        entry.observed = entry.observed.begun(action, now());
        switch (action) {
            case Action.Place() -> {
                return place(entry);
            }
            case Action.Start(int rank, long incarnation) ->
                substrate.start(spec, rank, incarnation, event -> seen(entry, event));
            case Action.Recover(int rank, long incarnation) -> {
                log.info("group={} rank={} is recovered, the others wait", spec.name(), rank);
                substrate.start(spec, rank, incarnation, event -> seen(entry, event));
            }
            case Action.Recreate(String reason) -> log.info("group={} is recreated: {}", spec.name(), reason);
            case Action.Drain(int rank, long incarnation) -> substrate.drain(spec, rank, incarnation);
            case Action.Kill(int rank, long incarnation, String reason) -> {
                log.info("group={} rank={} is killed: {}", spec.name(), rank, reason);
                substrate.kill(spec, rank, incarnation);
            }
        }
        return true;
    }

    private boolean place(Entry entry) {
        Substrate.Place place = substrate.place(entry.desired.spec(), entry.template.needs(), others(entry));
        if (place.hosts().isEmpty()) {
            entry.pending = String.join("; ", place.reasons());
            return false;
        }
        entry.pending = "";
        entry.observed = entry.observed.placed(place.hosts());
        return true;
    }

    /// What all other groups take that have their place.
    private Needs others(Entry entry) {
        return entries()
                .filter(other -> other != entry && other.observed.placed())
                .map(other -> other.template.needs())
                .reduce(Needs.NOTHING, Needs::plus);
    }

    private Stream<Entry> entries() {
        return lines.values().stream().flatMap(line -> line.groups.values().stream());
    }

    private void setAlarm(Entry entry, long wakeAt) {
        disarm(entry);
        if (wakeAt != Decision.NEVER) {
            long wait = Math.max(0, wakeAt - now());
            entry.alarm = thread.schedule(() -> run(() -> ring(entry, wakeAt)), wait, TimeUnit.MILLISECONDS);
        }
    }

    private void ring(Entry entry, long wakeAt) {
        if (now() - wakeAt > STOOD_STILL_MILLIS) {
            setAlarm(entry, now() + STOOD_STILL_MILLIS);
        } else {
            advance(entry);
        }
    }

    private static void disarm(Entry entry) {
        if (entry.alarm != null) {
            entry.alarm.cancel(false);
            entry.alarm = null;
        }
    }

    private void tell() {
        if (changed) {
            changed = false;
            Picture picture = picture();
            List.copyOf(watchers).forEach(watcher -> watcher.accept(picture));
        }
    }

    private Picture picture() {
        return new Picture(
                lines.values().stream().map(Line::status).toList(),
                entries().map(Entry::status).toList());
    }

    /// Only differences of it are used.
    private static long now() {
        return System.nanoTime() / 1_000_000;
    }
}
