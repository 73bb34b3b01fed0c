package dev.skein.scheduler.cluster;

import dev.skein.scheduler.LocalSubstrate;
import dev.skein.scheduler.agent.Answer;
import dev.skein.scheduler.agent.Call;
import dev.skein.scheduler.agent.Claim;
import dev.skein.scheduler.agent.Ledger;
import dev.skein.scheduler.agent.Machine;
import dev.skein.scheduler.agent.Times;
import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.GroupSpec;
import java.nio.file.Path;
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
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The agent of this machine: gives its devices away by its [Ledger], runs ranks on the substrate of this machine,
/// and ends those whose claim is over. One thread owns all state; all methods may be called from any thread.
public final class Agent implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Agent.class);
    private static final long TICK_MILLIS = 50;

    /// What CUDA shows a process; nothing where it is empty. So a rank sees no GPU that it does not own.
    private static final String VISIBLE = "CUDA_VISIBLE_DEVICES";

    private final Ledger ledger;
    private final KeptFile file;
    private final LocalSubstrate substrate;
    private final ScheduledThreadPoolExecutor thread;
    private final Map<Place, Life> lives = new LinkedHashMap<>();
    private final List<Consumer<RankNews>> watchers = new ArrayList<>();

    /// What to start.
    ///
    /// @param term of the driver that asks
    /// @param key the revision that the group was made of
    /// @param leader of the group; null for the leader itself
    record Order(
            long term,
            long epoch,
            int rank,
            long incarnation,
            String key,
            GroupSpec spec,
            LocalSubstrate.@Nullable Leader leader) {}

    private record Place(String group, int rank) {}

    /// A process that runs, and what was seen of it that still counts.
    private static final class Life {
        final Order order;
        final Map<Class<?>, Event> seen = new LinkedHashMap<>();
        boolean killed;

        Life(Order order) {
            this.order = order;
        }

        boolean later(Order other) {
            return order.epoch() > other.epoch()
                    || order.epoch() == other.epoch() && order.incarnation() > other.incarnation();
        }
    }

    /// @param file keeps what was committed
    /// @param substrate runs the processes of this machine
    public Agent(Machine machine, Times times, Path file, LocalSubstrate substrate) {
        this.file = new KeptFile(file);
        this.substrate = substrate;
        this.ledger = new Ledger(machine, times, this.file.read(), now());
        this.file.write(ledger.kept());
        this.thread = new ScheduledThreadPoolExecutor(
                1, Thread.ofPlatform().daemon().name("agent").factory());
        this.thread.setRejectedExecutionHandler(new ThreadPoolExecutor.DiscardPolicy());
        this.thread.scheduleWithFixedDelay(this::tend, TICK_MILLIS, TICK_MILLIS, TimeUnit.MILLISECONDS);
    }

    /// The answer is on the disk before it completes.
    CompletableFuture<Answer> answer(Call call) {
        return ask(() -> {
            Answer answer = ledger.answer(call, now());
            tend();
            return answer;
        });
    }

    /// How this machine stands.
    CompletableFuture<Answer> describe() {
        return ask(() -> ledger.describe(now()));
    }

    /// The driver with a majority that was heard lately; empty if there is none.
    CompletableFuture<String> driver() {
        return ask(() -> ledger.steered(now()) ? ledger.kept().driver() : "");
    }

    /// Starts a process, unless it runs already. Completes with why not; empty where it does.
    CompletableFuture<String> start(Order order) {
        return ask(() -> {
            String refusal = ledger.refusal(order.term(), order.spec().name(), order.epoch(), order.rank(), now());
            return refusal.isEmpty() ? begin(order) : refusal;
        });
    }

    private String begin(Order order) {
        Place place = new Place(order.spec().name(), order.rank());
        Life other = lives.get(place);
        if (other != null) {
            if (other.order.incarnation() == order.incarnation() && other.order.epoch() == order.epoch()) {
                return "";
            }
            if (other.later(order)) {
                return "a later process of this rank runs";
            }
            kill(other);
            return "an earlier process of this rank still ends";
        }
        Life life = new Life(order);
        lives.put(place, life);
        substrate.start(
                order.spec(),
                order.rank(),
                order.incarnation(),
                order.leader(),
                Map.of(VISIBLE, String.join(",", ledger.gpus(place.group(), place.rank()))),
                event -> thread.execute(() -> seen(life, event)));
        return "";
    }

    /// A process that is gone, or is another by now, is left alone.
    CompletableFuture<String> end(String group, int rank, long incarnation, boolean atOnce) {
        return ask(() -> {
            Life life = lives.get(new Place(group, rank));
            if (life != null && life.order.incarnation() == incarnation) {
                if (atOnce) {
                    kill(life);
                } else {
                    substrate.drain(life.order.spec(), rank, incarnation);
                }
            }
            return "";
        });
    }

    /// Tells what was seen of the processes that run, calls `known`, then tells what is seen from now on; all on
    /// the agent's thread.
    ///
    /// @return ends the watching
    Runnable watch(Consumer<RankNews> watcher, Runnable known) {
        thread.execute(() -> {
            lives.values().forEach(life -> life.seen.values().forEach(event -> watcher.accept(news(life, event))));
            known.run();
            watchers.add(watcher);
        });
        return () -> thread.execute(() -> watchers.remove(watcher));
    }

    private void seen(Life life, Event event) {
        life.seen.put(event.getClass(), event);
        if (event instanceof Event.Exited) {
            lives.remove(new Place(life.order.spec().name(), event.rank()), life);
        }
        RankNews news = news(life, event);
        List.copyOf(watchers).forEach(watcher -> watcher.accept(news));
        if (event instanceof Event.Exited) {
            tend();
        }
    }

    private static RankNews news(Life life, Event event) {
        return new RankNews(life.order.spec().name(), life.order.epoch(), life.order.key(), event);
    }

    /// Ends what is over, and gives its devices back once it has ended.
    private void tend() {
        try {
            for (Claim claim : ledger.due(now())) {
                List<Life> left = lives.values().stream()
                        .filter(life ->
                                life.order.spec().name().equals(claim.group()) && life.order.epoch() == claim.epoch())
                        .toList();
                left.forEach(this::kill);
                if (left.isEmpty()) {
                    log.info("group={} epoch={} leaves this machine", claim.group(), claim.epoch());
                    ledger.ended(claim.group(), claim.epoch());
                }
            }
            file.write(ledger.kept());
        } catch (RuntimeException e) {
            log.error("the agent cannot keep its state", e);
        }
    }

    private void kill(Life life) {
        if (!life.killed) {
            life.killed = true;
            substrate.kill(life.order.spec(), life.order.rank(), life.order.incarnation());
        }
    }

    private <T> CompletableFuture<T> ask(Supplier<T> question) {
        CompletableFuture<T> answer = new CompletableFuture<>();
        thread.execute(() -> {
            try {
                T said = question.get();
                file.write(ledger.kept());
                answer.complete(said);
            } catch (RuntimeException e) {
                log.error("the agent failed", e);
                answer.completeExceptionally(e);
            }
        });
        return answer;
    }

    /// Stops answering. Processes are the substrate's to end.
    @Override
    public void close() {
        thread.shutdownNow();
    }

    private static long now() {
        return System.nanoTime() / 1_000_000;
    }
}
