package dev.skein.scheduler;

import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.GroupSpec;
import dev.skein.scheduler.rollout.Needs;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/// Starts nothing: notes what it is asked, and lets a test say what happened.
final class FakeSubstrate implements Substrate {
    final BlockingQueue<String> asked = new LinkedBlockingQueue<>();
    final BlockingQueue<String> started = new LinkedBlockingQueue<>();
    private final Map<String, Consumer<Event>> byGroup = new ConcurrentHashMap<>();
    private final Map<String, Consumer<Event>> processes = new ConcurrentHashMap<>();

    /// Groups that there is room for.
    volatile int room = Integer.MAX_VALUE;

    @Override
    public Place place(GroupSpec spec, Needs needs, Needs others) {
        return new Place(
                others.threads() < room ? Collections.nCopies(spec.size(), "here") : List.of(),
                List.of(others.threads() + " of " + room + " taken"));
    }

    @Override
    public void start(GroupSpec spec, int rank, long incarnation, Consumer<Event> events) {
        processes.put(rank + "." + incarnation, events);
        byGroup.put(spec.name(), events);
        asked.add("start " + rank + "." + incarnation);
        started.add(spec.name());
    }

    /// Everything that a group's first process does until it is ready.
    void ready(String group) {
        Objects.requireNonNull(byGroup.get(group)).accept(new Event.Ready(0, 1, ""));
    }

    void exited(String group) {
        Objects.requireNonNull(byGroup.get(group)).accept(new Event.Exited(0, 1, "ended", false));
    }

    String nextStarted() throws InterruptedException {
        String group = started.poll(30, TimeUnit.SECONDS);
        if (group == null) {
            throw new AssertionError("no group was started");
        }
        return group;
    }

    @Override
    public void drain(GroupSpec spec, int rank, long incarnation) {
        asked.add("drain " + rank + "." + incarnation);
    }

    @Override
    public void kill(GroupSpec spec, int rank, long incarnation) {
        asked.add("kill " + rank + "." + incarnation);
    }

    String next() throws InterruptedException {
        String request = asked.poll(30, TimeUnit.SECONDS);
        if (request == null) {
            throw new AssertionError("the scheduler asked for nothing");
        }
        return request;
    }

    void happens(Event event) {
        Objects.requireNonNull(processes.get(event.rank() + "." + event.incarnation()))
                .accept(event);
    }
}
