package dev.skein.scheduler;

import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.GroupSpec;
import dev.skein.scheduler.rollout.Needs;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/// What starts ranks. Called by the scheduler's thread only, but for [#machines]; returns soon. A call that comes too
/// late for its process does nothing.
public interface Substrate {

    /// Where a group's ranks go, or why they go nowhere.
    ///
    /// @param hosts one for every rank; empty where there is no room for all
    /// @param reasons for people, with numbers: what was looked at, and what falls short
    record Place(List<String> hosts, List<String> reasons) {
        public Place {
            hosts = List.copyOf(hosts);
            reasons = List.copyOf(reasons);
        }
    }

    /// Finds a host for every rank, or for none.
    ///
    /// @param others what the groups that have their place take
    Place place(GroupSpec spec, Needs needs, Needs others);

    /// Starts a process. All that is seen of it goes to `events`, from any thread, in order; the last event is always
    /// [Event.Exited], also when the process cannot be started.
    void start(GroupSpec spec, int rank, long incarnation, Consumer<Event> events);

    /// Tells a process to finish its streams and end.
    void drain(GroupSpec spec, int rank, long incarnation);

    /// Ends a process at once.
    void kill(GroupSpec spec, int rank, long incarnation);

    /// The machines that it runs ranks on; none where there is only this one.
    default CompletableFuture<List<MachineStatus>> machines() {
        return CompletableFuture.completedFuture(List.of());
    }

    /// The group is gone: its place may go to others.
    default void release(GroupSpec spec) {}
}
