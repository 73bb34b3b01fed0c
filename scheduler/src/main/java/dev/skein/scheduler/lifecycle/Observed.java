package dev.skein.scheduler.lifecycle;

import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;

/// What was seen of a group so far, and the counts that the back-off needs.
///
/// @param failedStarts processes in a row that ended before they were ready
/// @param quickFailures failures in a row without having been ready for a while
/// @param restarts processes started beyond the first of each rank
/// @param retryAt no process is started before this time
/// @param failed whether the group was given up
/// @param reason why it last failed, for people; empty if it never did
public record Observed(
        List<Rank> ranks,
        int failedStarts,
        int quickFailures,
        int restarts,
        long retryAt,
        boolean failed,
        String reason) {

    public Observed {
        ranks = List.copyOf(ranks);
    }

    /// Nothing seen yet.
    public static Observed nothing(int size) {
        return new Observed(IntStream.range(0, size).mapToObj(Rank::unplaced).toList(), 0, 0, 0, 0, false, "");
    }

    public boolean placed() {
        return ranks.stream().noneMatch(rank -> rank.host().isEmpty());
    }

    public boolean anyAlive() {
        return ranks.stream().anyMatch(rank -> rank.phase().alive());
    }

    public Rank leader() {
        return ranks.getFirst();
    }

    /// A host was found for every rank.
    public Observed placed(List<String> hosts) {
        if (hosts.size() != ranks.size()) {
            throw new IllegalArgumentException(
                    hosts.size() + " hosts for " + ranks.size() + " ranks; place all or none");
        }
        List<Rank> placed =
                ranks.stream().map(rank -> rank.placed(hosts.get(rank.index()))).toList();
        return withRanks(placed);
    }

    /// Its failures are forgotten; its processes are not.
    public Observed forgiven() {
        return new Observed(ranks, 0, 0, restarts, 0, false, "");
    }

    /// The action was handed to the substrate.
    public Observed begun(Action action, long now) {
        return switch (action) {
            case Action.Place() -> this;
            case Action.Start(int rank, long incarnation) -> started(rank, incarnation, now);
            case Action.Drain(int rank, long incarnation) -> ending(rank, incarnation, Phase.DRAINING, "draining", now);
            case Action.Kill(int rank, long incarnation, String why) ->
                ending(rank, incarnation, Phase.KILLED, why, now);
        };
    }

    /// The event was seen. One that speaks of an earlier process, or of none, changes nothing.
    ///
    /// @param random draws the jitter of the back-off
    public Observed after(Event event, Policy policy, long now, RandomGenerator random) {
        Rank rank = ranks.get(event.rank());
        if (rank.incarnation() != event.incarnation() || !rank.phase().alive()) {
            return this;
        }
        return switch (event) {
            case Event.Spawned spawned -> with(rank.spawned(spawned.processId(), spawned.token()));
            case Event.Progress progress -> rank.phase().ending() ? this : with(rank.saying(progress.detail()));
            case Event.Listening listening -> with(advanced(rank.at(listening.port()), Phase.WARMING, now));
            case Event.Ready ready -> with(ready(rank, ready.detail(), now));
            case Event.Exited exited -> exited(rank, exited, policy, now, random);
        };
    }

    private static Rank ready(Rank rank, String detail, long now) {
        return rank.phase().ending() ? rank : advanced(rank.saying(detail), Phase.READY, now);
    }

    /// A process that was told to end does not become ready any more.
    private static Rank advanced(Rank rank, Phase next, long now) {
        return rank.phase().compareTo(next) < 0 ? rank.entering(next, now) : rank;
    }

    private Observed started(int index, long incarnation, long now) {
        int again = incarnation > 1 ? restarts + 1 : restarts;
        List<Rank> next = replaced(ranks.get(index).starting(incarnation, now));
        return new Observed(next, failedStarts, quickFailures, again, retryAt, failed, reason);
    }

    private Observed ending(int index, long incarnation, Phase phase, String why, long now) {
        Rank rank = ranks.get(index);
        boolean current = rank.incarnation() == incarnation && rank.phase().alive();
        return current ? with(rank.saying(why).entering(phase, now)) : this;
    }

    private Observed exited(Rank rank, Event.Exited exited, Policy policy, long now, RandomGenerator random) {
        String why = rank.phase() == Phase.KILLED ? rank.detail() : exited.reason();
        List<Rank> next = replaced(rank.exited(why, now));
        if (rank.phase() == Phase.DRAINING) {
            return withRanks(next);
        }
        boolean stable = rank.phase() == Phase.READY && now - rank.since() >= policy.stableMillis();
        int starts = rank.phase() == Phase.READY ? 0 : failedStarts + 1;
        int failures = stable ? 1 : quickFailures + 1;
        boolean tooMany = starts >= policy.failedStarts() || failures >= policy.quickFailures();
        boolean over = failed || exited.hopeless() || tooMany;
        return new Observed(next, starts, failures, restarts, now + policy.delay(failures, random), over, why);
    }

    private Observed with(Rank rank) {
        return withRanks(replaced(rank));
    }

    private Observed withRanks(List<Rank> next) {
        return new Observed(next, failedStarts, quickFailures, restarts, retryAt, failed, reason);
    }

    private List<Rank> replaced(Rank rank) {
        List<Rank> next = new ArrayList<>(ranks);
        next.set(rank.index(), rank);
        return next;
    }
}
