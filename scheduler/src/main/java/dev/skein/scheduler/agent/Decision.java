package dev.skein.scheduler.agent;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/// Where a group is, as its driver decided.
///
/// @param ranks by agent, the ranks that are there
public record Decision(long epoch, Map<String, List<Integer>> ranks, Stage stage) {

    public enum Stage {
        RESERVING,
        COMMITTING,
        /// All agents have it on their disks: ranks may start.
        PLACED
    }

    public Decision {
        ranks = Map.copyOf(ranks);
    }

    Decision at(Stage next) {
        return new Decision(epoch, ranks, next);
    }

    /// By rank, the agent that it is at.
    public List<String> hosts() {
        int size = ranks.values().stream().mapToInt(List::size).sum();
        List<String> hosts = new ArrayList<>(Collections.nCopies(size, ""));
        ranks.forEach((agent, here) -> here.forEach(rank -> hosts.set(rank, agent)));
        return hosts;
    }
}
