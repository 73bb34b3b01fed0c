package dev.skein.cli;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import sun.misc.Signal;

/// Hears SIGINT and SIGTERM. A shutdown hook would not do: it hears only the first, and a second one must end what the
/// first one began.
public final class Signals {
    public static final int INTERRUPT = 2;
    static final int TERMINATE = 15;

    private Signals() {}

    /// @param first called with the signal's number, on a thread of its own
    /// @param again called for every later signal
    public static void handle(IntConsumer first, IntConsumer again) {
        AtomicInteger heard = new AtomicInteger();
        for (String name : new String[] {"INT", "TERM"}) {
            Signal.handle(new Signal(name), signal -> {
                if (heard.getAndIncrement() == 0) {
                    Thread.ofPlatform().name("signal").start(() -> first.accept(signal.getNumber()));
                } else {
                    again.accept(signal.getNumber());
                }
            });
        }
    }

    /// A terminal sends Ctrl-C to every process of the command, so a child leaves the answer to its parent; SIGTERM is
    /// meant for the child itself.
    static void leaveInterruptToParent(Runnable terminate) {
        Signal.handle(new Signal("INT"), ignored -> {});
        Signal.handle(
                new Signal("TERM"), signal -> Thread.ofPlatform().name("signal").start(terminate));
    }
}
