package dev.skein.cli;

import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.tls.TlsFiles;
import dev.skein.scheduler.RankOrder;
import dev.skein.scheduler.RankReport;
import dev.skein.worker.GroupMember;
import dev.skein.worker.Worker;
import dev.skein.worker.WorkerListener;
import dev.skein.worker.engine.EngineStatistics;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.LoggerFactory;

/// `skein worker`: the process of one rank, started by the scheduler's local substrate and useless without it.
///
/// The standard input brings the order and then says when to drain; when it ends, the parent is dead, and so is this
/// process at once. The standard output is for [RankReport]s alone.
final class WorkerProcess {
    /// The scheduler kills what drains for too long; this only bounds a worker that lost its scheduler.
    private static final Duration LONGEST_DRAIN = Duration.ofDays(1);

    private static final int PARENT_GONE = 3;
    private static final long BEAT_MILLIS = 1_000;

    private final PrintStream reports;
    private final long mainMillis = System.currentTimeMillis();
    private final AtomicBoolean ready = new AtomicBoolean();
    private final CompletableFuture<Running> worker = new CompletableFuture<>();

    private WorkerProcess(PrintStream reports) {
        this.reports = reports;
    }

    /// Serves until told to end.
    static int run() {
        PrintStream reports = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        // What a library prints must not look like a report.
        System.setOut(System.err);
        return new WorkerProcess(reports)
                .serve(new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)));
    }

    /// A rank at work.
    ///
    /// @param failure completes with the reason when it breaks
    /// @param ended completes when its work is over
    /// @param close ends it when what runs has finished, or after that time
    /// @param statistics of its engine, if it has one
    private record Running(
            CompletableFuture<String> failure,
            CompletableFuture<Void> ended,
            Consumer<Duration> close,
            Supplier<Optional<EngineStatistics>> statistics) {}

    private int serve(BufferedReader orders) {
        Running made;
        try {
            String line = orders.readLine();
            if (line == null) {
                return PARENT_GONE;
            }
            made = start(RankOrder.of(line));
        } catch (IOException | RuntimeException e) {
            LoggerFactory.getLogger(WorkerProcess.class).debug("the worker does not start", e);
            report(new RankReport.Failed(String.valueOf(e.getMessage()), true));
            return CommandException.FAILED;
        }
        worker.complete(made);
        Thread.ofPlatform().daemon().name("orders").start(() -> obey(orders, made));
        return awaitEnd(made);
    }

    private Running start(RankOrder order) {
        return order.leader().isEmpty() ? lead(order) : follow(order);
    }

    private Running lead(RankOrder order) {
        WorkerParameters parameters = WorkerParameters.decode(order.parameters());
        Logging.level(parameters.logLevel());
        Worker worker = Worker.start(parameters.options(order.token()), encryption(), event -> tell(event, order));
        return new Running(worker.failure(), new CompletableFuture<>(), worker::close, worker::statistics);
    }

    private Running follow(RankOrder order) {
        int colon = order.leader().lastIndexOf(':');
        GroupMember member = GroupMember.start(
                order.leader().substring(0, colon),
                Integer.parseInt(order.leader().substring(colon + 1)),
                order.token(),
                OptionalInt.of(order.rank()),
                encryption(),
                event -> tell(event, order));
        return new Running(member.failure(), member.ended(), member::close, Optional::empty);
    }

    /// As the agent of this machine speaks; on a machine alone, not at all.
    private static Encryption encryption() {
        return TlsFiles.ofProperties().map(Encryption::of).orElse(Encryption.NONE);
    }

    private void tell(WorkerListener.Event event, RankOrder order) {
        switch (event) {
            case WorkerListener.Listening(String host, int port) -> report(new RankReport.Listening(port));
            case WorkerListener.Loading(int parts, int of) ->
                report(new RankReport.Progress("loading weights, " + parts + " of " + of));
            case WorkerListener.Gathering(String ranks) -> report(new RankReport.Progress(ranks));
            case WorkerListener.Recovered(String reason, double seconds) ->
                report(new RankReport.Progress(String.format(Locale.ROOT, "recovered in %.2f s: %s", seconds, reason)));
            case WorkerListener.Warming() -> report(new RankReport.Progress("warming up"));
            case WorkerListener.Ready done -> {
                ready.set(true);
                report(new RankReport.Ready(stages(done, order)));
                Thread.ofPlatform().daemon().name("heartbeat").start(this::beat);
            }
            // A model that cannot be loaded cannot be loaded a second time; an engine that broke at work can be.
            case WorkerListener.Failed(String reason, boolean hopeless) ->
                report(new RankReport.Failed(reason, hopeless && !ready.get()));
        }
    }

    /// Tells once a second how many steps the engine has made, so that one that hangs is found; a rank without an
    /// engine tells that it lives.
    private void beat() {
        try {
            Running running = worker.join();
            while (true) {
                Thread.sleep(BEAT_MILLIS);
                report(running.statistics
                        .get()
                        .map(statistics -> new RankReport.Step(statistics.steps(), (int) statistics.seated()))
                        .orElse(new RankReport.Step(0, 0)));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private String stages(WorkerListener.Ready done, RankOrder order) {
        return String.format(
                Locale.ROOT,
                "Java %.2f s, weights %.2f s, warm-up %.2f s; %s",
                (mainMillis - order.askedMillis()) / 1000.0,
                done.headerSeconds() + done.weightsSeconds(),
                done.warmUpSeconds(),
                done.backend());
    }

    private void report(RankReport report) {
        reports.println(report.line());
    }

    private static void obey(BufferedReader orders, Running worker) {
        try {
            for (String line = orders.readLine(); line != null; line = orders.readLine()) {
                if (line.equals(RankOrder.DRAIN)) {
                    Thread.ofPlatform().name("drain").start(() -> drain(worker));
                }
            }
        } catch (IOException e) {
            // As good as its end.
        }
        Runtime.getRuntime().halt(PARENT_GONE);
    }

    private static void drain(Running worker) {
        worker.close.accept(LONGEST_DRAIN);
        System.exit(0);
    }

    private static int awaitEnd(Running worker) {
        Signals.leaveInterruptToParent(() -> drain(worker));
        CompletableFuture.anyOf(worker.failure, worker.ended).join();
        return worker.failure.isDone() ? CommandException.FAILED : 0;
    }
}
