package dev.skein.scheduler;

import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.GroupSpec;
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
    private final Map<String, Consumer<Event>> processes = new ConcurrentHashMap<>();

    @Override
    public List<String> place(GroupSpec spec) {
        return Collections.nCopies(spec.size(), "here");
    }

    @Override
    public void start(GroupSpec spec, int rank, long incarnation, Consumer<Event> events) {
        processes.put(rank + "." + incarnation, events);
        asked.add("start " + rank + "." + incarnation);
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
