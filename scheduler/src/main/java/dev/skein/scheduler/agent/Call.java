package dev.skein.scheduler.agent;

import dev.skein.scheduler.rollout.Needs;
import java.util.List;
import java.util.Map;

/// What a driver says to an agent. Each may be lost, come late, twice or in another order.
public sealed interface Call {
    /// The agent that it goes to.
    String agent();

    /// Which driver speaks.
    String driver();

    /// A number that only one driver ever drives with.
    long term();

    /// I drive, or want to.
    ///
    /// @param holds whether a majority of agents listens to it
    /// @param round counts the beats of a term
    /// @param boot the life of the agent that the echo is of
    /// @param echo the agent's clock in the last answer that the driver has; only this renews the agent's lease
    /// @param floors by group, its current epoch: what is there of an older one ends, and none comes any more
    record Beat(
            String agent,
            String driver,
            long term,
            boolean holds,
            long round,
            long boot,
            long echo,
            Map<String, Long> floors)
            implements Call {
        public Beat {
            floors = Map.copyOf(floors);
        }
    }

    /// @param rank what each of the ranks takes
    record Reserve(String agent, String driver, long term, String group, long epoch, List<Integer> ranks, Needs rank)
            implements Call {
        public Reserve {
            ranks = List.copyOf(ranks);
        }
    }

    record Commit(String agent, String driver, long term, String group, long epoch) implements Call {}

    /// I drive no more with this term, nor ever will again: others need not wait until the promise is over.
    record Release(String agent, String driver, long term) implements Call {}
}
