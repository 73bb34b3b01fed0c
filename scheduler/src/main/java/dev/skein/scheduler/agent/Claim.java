package dev.skein.scheduler.agent;

import java.util.List;

/// What a group has of one machine.
///
/// @param epoch of the decision that put it there
/// @param ranks that are here
/// @param cores that they own
/// @param gpus ids of those that they own: as many for the first rank as for the next, in this order
/// @param bytes of memory that they own
/// @param until when a reservation ends, by the agent's clock; without meaning once it is committed
public record Claim(
        String group,
        long epoch,
        List<Integer> ranks,
        List<Integer> cores,
        List<String> gpus,
        long bytes,
        State state,
        long until) {

    public enum State {
        RESERVED,
        COMMITTED,
        /// Its processes were told to end and have not all done so: the devices are not free yet.
        ENDING
    }

    public Claim {
        ranks = List.copyOf(ranks);
        cores = List.copyOf(cores);
        gpus = List.copyOf(gpus);
    }

    /// Whether ranks have their place by it.
    boolean firm() {
        return state == State.COMMITTED;
    }

    /// Those of a rank that is here.
    List<String> gpusOf(int rank) {
        int each = gpus.size() / ranks.size();
        int from = ranks.indexOf(rank) * each;
        return gpus.subList(from, from + each);
    }

    Claim in(State next) {
        return new Claim(group, epoch, ranks, cores, gpus, bytes, next, until);
    }
}
