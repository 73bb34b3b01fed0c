package dev.skein.scheduler.cluster;

import dev.skein.protocol.v1.EndRank;
import dev.skein.protocol.v1.RankEvent;
import dev.skein.protocol.v1.StartRank;
import dev.skein.scheduler.LocalSubstrate;
import dev.skein.scheduler.MachineStatus;
import dev.skein.scheduler.Scheduler;
import dev.skein.scheduler.Substrate;
import dev.skein.scheduler.agent.Call;
import dev.skein.scheduler.agent.Decision;
import dev.skein.scheduler.agent.Driver;
import dev.skein.scheduler.agent.Shape;
import dev.skein.scheduler.agent.Times;
import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.GroupSpec;
import dev.skein.scheduler.rollout.Needs;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Runs ranks on the machines of a cluster, through their agents. Steers the agents with a [Driver] while a
/// majority of them lets it.
///
/// One thread owns the driver and what is known of the ranks; [#place] reads only what that thread has published.
/// What the scheduler asks of a silent agent is asked again until it answers or the group has another place.
final class AgentSubstrate implements Substrate, AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(AgentSubstrate.class);
    private static final long TICK_MILLIS = 25;
    private static final long AGAIN_MILLIS = 300;

    private final Map<String, AgentCalls> agents;
    private final String name;
    private final List<String> voters;
    private final Driver driver;
    private final Steered steered;
    private final ScheduledThreadPoolExecutor thread;
    private final Map<Seat, Life> lives = new HashMap<>();
    private final Map<Seat, Handle> handles = new HashMap<>();
    private final Map<String, Boolean> watched = new HashMap<>();
    // Written by the driver's thread, read by the scheduler's.
    private final Map<String, Decision> placed = new ConcurrentHashMap<>();
    private final Map<String, List<String>> reasons = new ConcurrentHashMap<>();
    private final Map<String, Decision> told = new ConcurrentHashMap<>();
    private final Map<String, String> keys = new ConcurrentHashMap<>();
    private final Set<String> released = ConcurrentHashMap.newKeySet();
    // Groups that were found running before there was a scheduler to want them.
    private final Set<String> wanted = new TreeSet<>();
    private final long patience;
    // Written by the scheduler's thread, read by whoever settles.
    private volatile boolean pictured;
    private boolean held;
    private boolean drives;
    private long heldSince;
    private @Nullable Scheduler scheduler;

    /// Hears whether this member drives. Called on the substrate's thread; must not block.
    interface Steered {
        /// It drives from now on, and these groups run already.
        ///
        /// @param term that no other driver has
        void drives(long term, List<Found> running);

        /// Another one drives, or none can.
        void rests();
    }

    /// A group that was found running.
    ///
    /// @param incarnations by rank, of the processes that are known
    record Found(String group, String key, List<String> hosts, Map<Integer, Long> incarnations) {}

    private record Seat(String group, int rank) {}

    /// The newest process of a rank, as its agent tells.
    private record Life(String machine, long epoch, String key, long incarnation, Map<Class<?>, Event> seen) {}

    /// What the scheduler wants of a rank.
    private static final class Handle {
        final GroupSpec spec;
        final Seat seat;
        final long incarnation;
        final Consumer<Event> events;
        /// The agent said that it runs, or has ended.
        boolean answered;

        Handle(GroupSpec spec, Seat seat, long incarnation, Consumer<Event> events) {
            this.spec = spec;
            this.seat = seat;
            this.incarnation = incarnation;
            this.events = events;
        }
    }

    /// @param name of this member, unique to its life
    /// @param agents by machine, of all of the cluster; closed with the substrate
    /// @param voters machines of which more than half must listen to this member for it to drive
    AgentSubstrate(String name, Map<String, AgentCalls> agents, List<String> voters, Times times, Steered steered) {
        this.agents = new LinkedHashMap<>(agents);
        this.name = name;
        this.voters = List.copyOf(voters);
        List<String> others = this.agents.keySet().stream()
                .filter(machine -> !voters.contains(machine))
                .toList();
        this.driver = new Driver(name, voters, others, times, new SecureRandom(), now());
        this.steered = steered;
        this.patience = 2 * times.promiseMillis();
        this.thread = new ScheduledThreadPoolExecutor(
                1, Thread.ofPlatform().daemon().name("driver").factory());
        this.thread.setRejectedExecutionHandler(new ThreadPoolExecutor.DiscardPolicy());
    }

    /// Begins to steer.
    void open() {
        agents.keySet().forEach(machine -> thread.execute(() -> watch(machine)));
        thread.scheduleWithFixedDelay(() -> guarded(this::tick), 0, TICK_MILLIS, TimeUnit.MILLISECONDS);
    }

    /// Another member drives: this one does not try to, for a while.
    void defer() {
        run(() -> driver.defer(now()));
    }

    /// Tells this scheduler what becomes of places.
    void serve(Scheduler next) {
        pictured = false;
        run(() -> scheduler = next);
        next.watch(picture -> {
            picture.groups().forEach(group -> keys.put(group.spec().name(), group.key()));
            pictured = true;
        });
    }

    /// The scheduler has named all groups that it wants: what was found running and is none of them goes.
    ///
    /// @return whether it was heard of them; if not, nothing has changed
    boolean settle() {
        if (pictured) {
            run(() -> {
                wanted.stream().filter(group -> !keys.containsKey(group)).forEach(driver::unwant);
                wanted.clear();
                driver.named(true);
            });
        }
        return pictured;
    }

    @Override
    public Place place(GroupSpec spec, Needs needs, Needs others) {
        String group = spec.name();
        Shape shape = new Shape(spec.size(), spec.tensor(), needs.each(spec.size()));
        run(() -> driver.want(group, shape));
        Decision decision = released.contains(group) ? null : placed.get(group);
        if (decision == null) {
            return new Place(List.of(), reasons.getOrDefault(group, List.of("no machine was asked yet")));
        }
        told.putIfAbsent(group, decision);
        return new Place(
                decision.hosts().stream().map(AgentSubstrate::host).toList(),
                List.of("placed at " + String.join(", ", decision.ranks().keySet()) + ", epoch " + decision.epoch()));
    }

    @Override
    public CompletableFuture<List<MachineStatus>> machines() {
        return CompletableFuture.supplyAsync(
                () -> agents.keySet().stream().map(this::machine).toList(), thread);
    }

    private MachineStatus machine(String machine) {
        return new MachineStatus(
                machine,
                voters.contains(machine),
                name.startsWith(machine + "#"),
                driver.silence(machine, now()),
                driver.answer(machine));
    }

    @Override
    public void release(GroupSpec spec) {
        String group = spec.name();
        released.add(group);
        keys.remove(group);
        run(() -> {
            driver.unwant(group);
            placed.remove(group);
            told.remove(group);
            handles.keySet().removeIf(seat -> seat.group().equals(group));
            released.remove(group);
        });
    }

    @Override
    public void start(GroupSpec spec, int rank, long incarnation, Consumer<Event> events) {
        run(() -> {
            Seat seat = new Seat(spec.name(), rank);
            Handle handle = new Handle(spec, seat, incarnation, events);
            handles.put(seat, handle);
            Decision decision = placed.get(spec.name());
            if (decision != null) {
                told.putIfAbsent(spec.name(), decision);
            }
            Life life = lives.get(seat);
            if (life != null
                    && life.incarnation() == incarnation
                    && decision != null
                    && decision.epoch() == life.epoch()) {
                handle.answered = true;
                List.copyOf(life.seen().values()).forEach(events);
            } else {
                attempt(handle);
            }
        });
    }

    @Override
    public void drain(GroupSpec spec, int rank, long incarnation) {
        run(() -> end(new Seat(spec.name(), rank), incarnation, false));
    }

    @Override
    public void kill(GroupSpec spec, int rank, long incarnation) {
        run(() -> end(new Seat(spec.name(), rank), incarnation, true));
    }

    /// Stops steering. Ranks go on for as long as their agents keep them.
    @Override
    public void close() {
        thread.shutdownNow();
        agents.values().forEach(AgentCalls::close);
    }

    private void tick() {
        for (Call call : driver.due(now())) {
            say(call);
        }
        boolean holds = driver.holds(now());
        if (holds != held) {
            held = holds;
            heldSince = drives ? heldSince : now();
            log.info("term={} {} listens to this member", driver.term(), holds ? "a majority" : "no majority");
        }
        if (holds) {
            publish();
            takeOver();
        } else if (!driver.leads() && (drives || !wanted.isEmpty())) {
            rest();
        }
    }

    private void say(Call call) {
        long sentAt = now();
        AgentCalls agent = agents.get(call.agent());
        if (agent != null) {
            agent.tell(call)
                    .onSuccess(answer -> run(() -> driver.answered(call, sentAt, answer, now())))
                    .onFailure(error -> log.trace("{} does not answer: {}", call.agent(), error.toString()));
        }
    }

    /// Once it is known what runs - or enough time was given to find out - the scheduler takes it on.
    private void takeOver() {
        if (drives) {
            return;
        }
        boolean late = now() >= heldSince + patience;
        if (!late && !(driver.heardAll(now()) && watched.keySet().containsAll(agents.keySet()))) {
            return;
        }
        driver.found().forEach((group, shape) -> {
            if (!wanted.contains(group)) {
                wanted.add(group);
                driver.want(group, shape);
            }
        });
        if (late || wanted.stream().allMatch(group -> driver.placed(group).isPresent())) {
            drives = true;
            steered.drives(driver.term(), found());
        }
    }

    private List<Found> found() {
        List<Found> found = new ArrayList<>();
        for (String group : wanted) {
            driver.placed(group).ifPresent(decision -> {
                Map<Integer, Long> incarnations = new TreeMap<>();
                String key = "";
                for (Map.Entry<Seat, Life> entry : lives.entrySet()) {
                    Life life = entry.getValue();
                    if (entry.getKey().group().equals(group) && life.epoch() == decision.epoch()) {
                        incarnations.put(entry.getKey().rank(), life.incarnation());
                        key = life.key();
                    }
                }
                if (!incarnations.isEmpty()) {
                    List<String> hosts =
                            decision.hosts().stream().map(AgentSubstrate::host).toList();
                    found.add(new Found(group, key, hosts, incarnations));
                }
            });
        }
        return found;
    }

    private void rest() {
        drives = false;
        scheduler = null;
        driver.forget(now());
        wanted.clear();
        placed.clear();
        reasons.clear();
        told.clear();
        keys.clear();
        handles.clear();
        steered.rests();
    }

    /// What the driver knows, for the scheduler's thread; and to the scheduler what has changed.
    private void publish() {
        boolean more = false;
        for (String group : driver.wanted()) {
            Optional<Decision> now = driver.placed(group);
            Decision before = told.get(group);
            if (now.isPresent()) {
                more |= placed.put(group, now.get()) == null;
                reasons.remove(group);
            } else {
                placed.remove(group);
                reasons.put(group, driver.reasons(group));
            }
            if (before != null && (now.isEmpty() || now.get().epoch() != before.epoch())) {
                displace(group);
            }
        }
        if (more && scheduler != null) {
            scheduler.placesChanged();
        }
    }

    private void displace(String group) {
        told.remove(group);
        handles.keySet().removeIf(seat -> seat.group().equals(group));
        if (scheduler != null) {
            scheduler.displaced(group, String.join("; ", driver.reasons(group)));
        }
    }

    private void attempt(Handle handle) {
        Decision decision = told.get(handle.seat.group());
        if (handles.get(handle.seat) != handle) {
            return;
        }
        AgentCalls agent = decision == null ? null : agent(decision, handle.seat);
        String key = keys.get(handle.seat.group());
        Optional<LocalSubstrate.Leader> leader = decision == null ? Optional.empty() : leader(handle, decision);
        if (agent == null || decision == null || key == null || handle.seat.rank() > 0 && leader.isEmpty()) {
            later(() -> attempt(handle));
            return;
        }
        StartRank wish = StartRank.newBuilder()
                .setTerm(driver.term())
                .setGroup(handle.spec.name())
                .setEpoch(decision.epoch())
                .setRank(handle.seat.rank())
                .setIncarnation(handle.incarnation)
                .setModel(handle.spec.model())
                .setSize(handle.spec.size())
                .setParameters(handle.spec.parameters())
                .setRevisionKey(key)
                .setLeader(leader.map(LocalSubstrate.Leader::address).orElse(""))
                .setLeaderToken(leader.map(LocalSubstrate.Leader::token).orElse(""))
                .build();
        agent.start(wish).onSuccess(begun -> run(() -> handle.answered = true)).onFailure(error -> {
            log.debug("group={} rank={} is not started yet: {}", wish.getGroup(), wish.getRank(), error.toString());
            later(() -> attempt(handle));
        });
    }

    /// Where the leader of a rank answers; empty for the leader itself, and while it does not.
    private Optional<LocalSubstrate.Leader> leader(Handle handle, Decision decision) {
        Life life = lives.get(new Seat(handle.seat.group(), 0));
        return handle.seat.rank() > 0
                        && life != null
                        && life.epoch() == decision.epoch()
                        && life.seen().get(Event.Spawned.class) instanceof Event.Spawned spawned
                        && life.seen().get(Event.Listening.class) instanceof Event.Listening listening
                ? Optional.of(new LocalSubstrate.Leader(spawned.token(), host(life.machine()) + ":" + listening.port()))
                : Optional.empty();
    }

    private @Nullable AgentCalls agent(Decision decision, Seat seat) {
        return seat.rank() < decision.hosts().size()
                ? agents.get(decision.hosts().get(seat.rank()))
                : null;
    }

    private void end(Seat seat, long incarnation, boolean atOnce) {
        Handle handle = handles.get(seat);
        Decision decision = told.get(seat.group());
        if (handle == null || handle.incarnation != incarnation || decision == null) {
            return;
        }
        AgentCalls agent = agent(decision, seat);
        if (agent == null) {
            return;
        }
        EndRank wish = EndRank.newBuilder()
                .setGroup(seat.group())
                .setEpoch(decision.epoch())
                .setRank(seat.rank())
                .setIncarnation(incarnation)
                .build();
        (atOnce ? agent.kill(wish) : agent.drain(wish))
                .onSuccess(done -> later(() -> gone(handle, decision)))
                .onFailure(error -> later(() -> end(seat, incarnation, atOnce)));
    }

    /// An agent that was told to end a process which it does not have tells of no end.
    private void gone(Handle handle, Decision decision) {
        String machine = decision.hosts().get(handle.seat.rank());
        Life life = lives.get(handle.seat);
        if (handles.get(handle.seat) == handle
                && watched.containsKey(machine)
                && (life == null || life.incarnation() != handle.incarnation)) {
            handles.remove(handle.seat);
            handle.events.accept(
                    new Event.Exited(handle.seat.rank(), handle.incarnation, "its machine does not have it", false));
        }
    }

    private void watch(String machine) {
        AgentCalls agent = agents.get(machine);
        if (agent != null) {
            Set<Seat> heard = new HashSet<>();
            AtomicBoolean over = new AtomicBoolean();
            agent.watch(
                    event -> run(() -> hear(machine, event, heard)),
                    why -> run(() -> {
                        watched.remove(machine);
                        if (over.compareAndSet(false, true)) {
                            later(() -> watch(machine));
                        }
                    }));
        }
    }

    private void hear(String machine, RankEvent event, Set<Seat> heard) {
        if (event.getGroup().isEmpty()) {
            watched.put(machine, true);
            forgetOthers(machine, heard);
        } else {
            heard.add(new Seat(event.getGroup(), event.getRank()));
            Wire.news(event).ifPresent(news -> seen(machine, news));
        }
    }

    /// Processes that ended while nobody watched.
    private void forgetOthers(String machine, Set<Seat> heard) {
        List<Seat> lost = lives.entrySet().stream()
                .filter(entry -> entry.getValue().machine().equals(machine) && !heard.contains(entry.getKey()))
                .map(Map.Entry::getKey)
                .toList();
        for (Seat seat : lost) {
            Life life = lives.get(seat);
            if (life != null) {
                Event end = new Event.Exited(
                        seat.rank(), life.incarnation(), "it ended while its machine was not heard", false);
                seen(machine, new RankNews(seat.group(), life.epoch(), life.key(), end));
            }
        }
    }

    private void seen(String machine, RankNews news) {
        Event event = news.event();
        Seat seat = new Seat(news.group(), event.rank());
        Life life = lives.get(seat);
        if (life == null
                || life.epoch() < news.epoch()
                || life.epoch() == news.epoch() && life.incarnation() < event.incarnation()) {
            life = new Life(machine, news.epoch(), news.key(), event.incarnation(), new LinkedHashMap<>());
            lives.put(seat, life);
        } else if (life.epoch() > news.epoch() || life.incarnation() > event.incarnation()) {
            return;
        }
        life.seen().put(event.getClass(), event);
        if (event instanceof Event.Exited) {
            lives.remove(seat);
        }
        Handle handle = handles.get(seat);
        if (handle != null && handle.incarnation == event.incarnation()) {
            if (event instanceof Event.Exited) {
                handles.remove(seat);
            }
            handle.events.accept(event);
        }
    }

    /// The part of HOST:PORT that others reach its ranks at.
    private static String host(String machine) {
        return machine.substring(0, machine.lastIndexOf(':'));
    }

    private void later(Runnable task) {
        thread.schedule(() -> guarded(task), AGAIN_MILLIS, TimeUnit.MILLISECONDS);
    }

    private void run(Runnable task) {
        thread.execute(() -> guarded(task));
    }

    private static void guarded(Runnable task) {
        try {
            task.run();
        } catch (RuntimeException e) {
            log.error("the driver failed", e);
        }
    }

    private static long now() {
        return System.nanoTime() / 1_000_000;
    }
}
