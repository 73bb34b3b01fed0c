package dev.skein.loadtest;

import dev.skein.loadtest.measure.Goal;
import dev.skein.loadtest.measure.Observation;
import dev.skein.loadtest.measure.Summary;
import dev.skein.loadtest.plan.Load;
import dev.skein.loadtest.report.Environment;
import dev.skein.loadtest.report.Report;
import dev.skein.loadtest.report.Side;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Measures one server, or two in turns. One thread runs it; [#stop()] may come from another.
public final class LoadTest implements AutoCloseable {
    private static final long TICK_MILLIS = 200;

    private final Wire wire = new Wire();
    private final Load load;
    private final Goal goal;
    private final Duration silence;
    private final Consumer<Progress> progress;

    // Written by the thread that ends the test, read by the one that runs it.
    private volatile boolean stopped;
    private volatile @Nullable Run running;

    /// How far a run has come.
    ///
    /// @param server whose turn it is
    /// @param round 0 while it warms up
    /// @param rounds after the warm-up
    /// @param tokensPerSecond of the answers that ended
    public record Progress(
            String server,
            int round,
            int rounds,
            int ended,
            int open,
            int failed,
            int requests,
            double tokensPerSecond) {}

    /// @param silence of a server after which a request counts as failed
    /// @param progress told some times a second, on the thread that runs the test
    public LoadTest(Load load, Goal goal, Duration silence, Consumer<Progress> progress) {
        this.load = load;
        this.goal = goal;
        this.silence = silence;
        this.progress = progress;
    }

    /// Starts a server by a command of the shell and waits until it is ready. Closing the peer ends it.
    ///
    /// @param patience how long it may take
    /// @throws LoadException if it ends or does not answer in time, or if something answers there already
    public Peer startPeer(String command, Address address, Duration patience) {
        return Peer.start(wire, command, address, patience, () -> stopped);
    }

    /// A run to warm up, which is not counted, and then all others, of both servers in turns.
    ///
    /// @param peer null for none
    /// @return what was measured until the end, or until [#stop()], or until all requests of one run
    ///     failed
    /// @throws LoadException if a server does not answer, or all requests failed before anything was
    ///     measured
    public Report run(Address ours, @Nullable Address peer, int runs) {
        Environment environment = Environment.here();
        List<Side> sides = new ArrayList<>();
        sides.add(side(ours));
        if (peer != null) {
            sides.add(side(peer));
        }
        String ended = null;
        for (int round = 0; round <= runs && ended == null; round++) {
            for (int i = 0; i < sides.size() && ended == null; i++) {
                Side side = sides.get(i);
                Address address = i == 0 || peer == null ? ours : peer;
                Summary summary = Summary.of(measure(address, side, round, runs), goal);
                // The first run warms up.
                if (round > 0 && summary.completed() > 0) {
                    sides.set(i, side.and(summary));
                }
                ended = reason(side, summary, round);
            }
        }
        if (ended != null && sides.getFirst().runs().isEmpty()) {
            throw new LoadException(ended);
        }
        return new Report(environment, load, goal, sides, ended);
    }

    private Side side(Address address) {
        Target target = Target.ask(wire, address);
        return new Side(address.url(), target.model(), target.software(), List.of());
    }

    private List<Observation> measure(Address address, Side side, int round, int runs) {
        Run run = new Run(wire, new Target(address, side.model(), side.software()), load, round, silence);
        running = run;
        if (stopped) {
            return List.of();
        }
        CompletableFuture<List<Observation>> observations = run.start();
        while (true) {
            try {
                return observations.get(TICK_MILLIS, TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                progress.accept(run.progress(side.url(), runs));
            } catch (InterruptedException e) {
                stop();
                Thread.interrupted();
            } catch (ExecutionException e) {
                throw new IllegalStateException("a run failed", e.getCause());
            }
        }
    }

    /// Why nothing more is to be measured, or null.
    private @Nullable String reason(Side side, Summary summary, int round) {
        if (stopped) {
            return "ended before " + (round == 0 ? "anything was measured" : "all runs were measured");
        }
        if (summary.completed() > 0) {
            return null;
        }
        return "all " + summary.failed() + " requests of a run to " + side.url() + " failed: "
                + summary.failures().entrySet().stream()
                        .map(failure -> failure.getValue().count() + " by " + failure.getKey() + " ("
                                + failure.getValue().example() + ")")
                        .collect(Collectors.joining("; "));
    }

    /// Ends the test soon: nothing more is asked, open streams are broken off, and what was measured is returned.
    public void stop() {
        stopped = true;
        Run run = running;
        if (run != null) {
            run.stop();
        }
        wire.abort();
    }

    /// Whether [#stop()] was called.
    public boolean stopped() {
        return stopped;
    }

    @Override
    public void close() {
        wire.close();
    }
}
