package dev.skein.loadtest;

import dev.skein.loadtest.measure.Exchange;
import dev.skein.loadtest.measure.Observation;
import dev.skein.loadtest.measure.Outcome;
import dev.skein.loadtest.plan.Load;
import dev.skein.loadtest.plan.Pattern;
import io.vertx.core.buffer.Buffer;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;

/// One run of a load against one server.
final class Run {
    private static final long STOP_NANOS = 50_000_000;

    /// Reads answers and makes bodies, off the event loop.
    private static final Executor THREADS = task -> Thread.ofVirtual().start(task);

    private final Wire wire;
    private final Target target;
    private final Load load;
    private final int round;
    private final Duration silence;
    private final long origin = System.nanoTime();
    private final Queue<CompletableFuture<Observation>> observations = new ConcurrentLinkedQueue<>();
    private final LongAdder ended = new LongAdder();
    private final LongAdder failed = new LongAdder();
    private final LongAdder tokens = new LongAdder();

    // Written by whoever ends the test, read by those who ask.
    private volatile boolean stopped;

    Run(Wire wire, Target target, Load load, int round, Duration silence) {
        this.wire = wire;
        this.target = target;
        this.load = load;
        this.round = round;
        this.silence = silence;
    }

    /// Begins; completes with all observations when the last request has ended.
    CompletableFuture<List<Observation>> start() {
        return CompletableFuture.supplyAsync(
                () -> {
                    switch (load.pattern()) {
                        case Pattern.Clients clients -> closed(clients.count());
                        case Pattern.Open open -> open(open);
                    }
                    return observations.stream().map(CompletableFuture::join).toList();
                },
                THREADS);
    }

    /// Asks nothing more; what is open is for the wire to break.
    void stop() {
        stopped = true;
    }

    LoadTest.Progress progress(String name, int runs) {
        double seconds = (System.nanoTime() - origin) / (double) TimeUnit.SECONDS.toNanos(1);
        return new LoadTest.Progress(
                name,
                round,
                runs,
                ended.intValue(),
                observations.size() - ended.intValue(),
                failed.intValue(),
                load.requests(),
                tokens.sum() / seconds);
    }

    private void closed(int clients) {
        AtomicInteger next = new AtomicInteger();
        List<CompletableFuture<Void>> all = IntStream.range(0, Math.min(clients, load.requests()))
                .mapToObj(_ -> CompletableFuture.runAsync(() -> client(next), THREADS))
                .toList();
        all.forEach(CompletableFuture::join);
    }

    private void client(AtomicInteger next) {
        for (int i = next.getAndIncrement(); i < load.requests() && !stopped; i = next.getAndIncrement()) {
            ask(body(i), System.nanoTime() - origin).join();
        }
    }

    /// Bodies are made before they are due, so that making them delays nothing.
    private void open(Pattern.Open pattern) {
        long[] due = load.due(pattern, round);
        Semaphore places = new Semaphore(pattern.most() == 0 ? Integer.MAX_VALUE : pattern.most());
        for (int i = 0; i < due.length; i++) {
            Buffer body = body(i);
            if (!await(due[i]) || !await(places)) {
                return;
            }
            ask(body, due[i]).whenComplete((_, _) -> places.release());
        }
    }

    private boolean await(long due) {
        for (long left = due - now(); left > 0 && !stopped; left = due - now()) {
            LockSupport.parkNanos(Math.min(left, STOP_NANOS));
        }
        return !stopped;
    }

    private boolean await(Semaphore places) {
        try {
            while (!stopped) {
                if (places.tryAcquire(STOP_NANOS, TimeUnit.NANOSECONDS)) {
                    return true;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return false;
    }

    private long now() {
        return System.nanoTime() - origin;
    }

    private Buffer body(int request) {
        return load.body(target.model(), round, request).toBuffer();
    }

    /// Completes when the answer has ended; its reading goes on beside.
    private CompletableFuture<Exchange> ask(Buffer body, long due) {
        CompletableFuture<Exchange> exchange =
                wire.post(target.address(), load.dialect().path(), body, origin, silence);
        observations.add(exchange.thenApplyAsync(ended -> observed(due, ended), THREADS));
        return exchange;
    }

    private Observation observed(long due, Exchange exchange) {
        Outcome outcome = exchange.outcome();
        // What breaks after the user ended the test broke because of it.
        if (stopped && outcome instanceof Outcome.Failure) {
            outcome = new Outcome.Cut();
        }
        switch (outcome) {
            case Outcome.Answer answer -> tokens.add(answer.tokens());
            case Outcome.Failure _ -> failed.increment();
            case Outcome.Cut _ -> {}
        }
        ended.increment();
        return new Observation(due, exchange.sent(), outcome);
    }
}
