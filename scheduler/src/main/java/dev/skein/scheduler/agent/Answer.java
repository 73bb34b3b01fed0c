package dev.skein.scheduler.agent;

import java.util.List;

/// What an agent says to a call: whether it was done, and how it stands now.
///
/// @param reason why it was refused; empty where it was done
/// @param boot which life of the agent this is; grows with every start
/// @param revision counts the answers of this life
/// @param clock of the agent, in milliseconds; only differences within one life mean something
/// @param term the highest that it ever listened to
/// @param driver whose term that is
/// @param claims all it has given
public record Answer(
        String reason,
        Machine machine,
        long boot,
        long revision,
        long clock,
        long term,
        String driver,
        List<Claim> claims) {

    public Answer {
        claims = List.copyOf(claims);
    }

    public boolean done() {
        return reason.isEmpty();
    }

    boolean newerThan(Answer other) {
        return boot != other.boot ? boot > other.boot : revision > other.revision;
    }
}
