package dev.skein.scheduler;

import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.GroupSpec;
import java.util.List;
import java.util.function.Consumer;

/// What starts ranks. Called by the scheduler's thread only; returns soon. A call that comes too late for its process
/// does nothing.
public interface Substrate {

    /// A host for every rank, or an empty list where there is no room for all.
    List<String> place(GroupSpec spec);

    /// Starts a process. All that is seen of it goes to `events`, from any thread, in order; the last event is always
    /// [Event.Exited], also when the process cannot be started.
    void start(GroupSpec spec, int rank, long incarnation, Consumer<Event> events);

    /// Tells a process to finish its streams and end.
    void drain(GroupSpec spec, int rank, long incarnation);

    /// Ends a process at once.
    void kill(GroupSpec spec, int rank, long incarnation);
}
