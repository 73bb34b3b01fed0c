package dev.skein.scheduler.agent;

import java.util.List;

/// What a group has of one machine.
///
/// @param epoch of the decision that put it there
/// @param ranks that are here
/// @param cores that they own
/// @param bytes of memory that they own
/// @param until when a reservation ends, by the agent's clock; without meaning once it is committed
public record Claim(
        String group, long epoch, List<Integer> ranks, List<Integer> cores, long bytes, State state, long until) {

    public enum State {
        RESERVED,
        COMMITTED,
        /// Its processes were told to end and have not all done so: the devices are not free yet.
        ENDING
    }

    public Claim {
        ranks = List.copyOf(ranks);
        cores = List.copyOf(cores);
    }

    /// Whether ranks have their place by it.
    boolean firm() {
        return state == State.COMMITTED;
    }

    Claim in(State next) {
        return new Claim(group, epoch, ranks, cores, bytes, next, until);
    }
}
