package dev.skein.scheduler.lifecycle;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;

/// What was seen of a group so far, and the counts that the back-off needs.
///
/// @param beats by rank, its last sign of life
public record Observed(List<Rank> ranks, Losses losses, List<Beat> beats) {

    public Observed {
        ranks = List.copyOf(ranks);
        beats = List.copyOf(beats);
    }

    /// Nothing seen yet.
    public static Observed nothing(int size) {
        return new Observed(
                IntStream.range(0, size).mapToObj(Rank::unplaced).toList(),
                Losses.NONE,
                Collections.nCopies(size, Beat.NONE));
    }

    public boolean placed() {
        return ranks.stream().noneMatch(rank -> rank.host().isEmpty());
    }

    public boolean anyAlive() {
        return anyAlive(ranks);
    }

    public Rank leader() {
        return ranks.getFirst();
    }

    public int failedStarts() {
        return losses.failedStarts();
    }

    public int quickFailures() {
        return losses.quickFailures();
    }

    public int restarts() {
        return losses.restarts();
    }

    public long retryAt() {
        return losses.retryAt();
    }

    public boolean failed() {
        return losses.failed();
    }

    public String reason() {
        return losses.reason();
    }

    /// Sequences that the leader last said it has in hand.
    public int running() {
        return beats.getFirst().running();
    }

    /// Whether the leader has said that it had nothing to do at `since` and ever after.
    public boolean idleSince(long since) {
        Beat beat = beats.getFirst();
        return beat.heard() && beat.running() == 0 && beat.usedAt() <= since;
    }

    /// The same but for the signs of life, which come every second and change nothing that people are told.
    public Observed withoutBeats() {
        return new Observed(ranks, losses, Collections.nCopies(ranks.size(), Beat.NONE));
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

    /// Its place was lost and none of its processes is left: it needs another place.
    public Observed unplaced(String why, long now) {
        List<Rank> next = ranks.stream().map(rank -> rank.unplaced(why, now)).toList();
        return new Observed(next, losses.recreatingAll(false), Collections.nCopies(ranks.size(), Beat.NONE));
    }

    /// Its failures are forgotten; its processes are not.
    public Observed forgiven() {
        return withLosses(losses.forgiven());
    }

    /// The action was handed to the substrate.
    public Observed begun(Action action, long now) {
        return switch (action) {
            case Action.Place() -> this;
            case Action.Start(int rank, long incarnation) -> started(rank, incarnation, now);
            case Action.Recover(int rank, long incarnation) -> started(rank, incarnation, now);
            case Action.Recreate(String why) -> withLosses(losses.recreatingAll(anyAlive()));
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
            case Event.Ready ready -> ready(rank, ready.detail(), now);
            case Event.Step step -> beaten(step, now);
            case Event.Exited exited -> exited(rank, exited, policy, now, random);
        };
    }

    private Observed ready(Rank rank, String detail, long now) {
        if (rank.phase().ending()) {
            return this;
        }
        Observed next = with(advanced(rank.saying(detail), Phase.READY, now));
        return losses.recovering().contains(rank.index()) ? next.withLosses(losses.recovered(rank.index())) : next;
    }

    /// A process that was told to end does not become ready any more.
    private static Rank advanced(Rank rank, Phase next, long now) {
        return rank.phase().compareTo(next) < 0 ? rank.entering(next, now) : rank;
    }

    private Observed beaten(Event.Step step, long now) {
        return withBeat(step.rank(), beats.get(step.rank()).after(step, now));
    }

    private Observed started(int index, long incarnation, long now) {
        Observed next = with(ranks.get(index).starting(incarnation, now)).withBeat(index, Beat.NONE);
        return incarnation > 1 ? next.withLosses(losses.startedAgain()) : next;
    }

    private Observed ending(int index, long incarnation, Phase phase, String why, long now) {
        Rank rank = ranks.get(index);
        boolean current = rank.incarnation() == incarnation && rank.phase().alive();
        return current ? with(rank.saying(why).entering(phase, now)) : this;
    }

    private Observed exited(Rank rank, Event.Exited exited, Policy policy, long now, RandomGenerator random) {
        String why = rank.phase() == Phase.KILLED ? rank.detail() : exited.reason();
        Observed next = with(rank.exited(why, now)).withBeat(rank.index(), Beat.NONE);
        if (losses.recreating()) {
            Losses rest = exited.hopeless() ? losses.givenUp(why) : losses;
            return next.withLosses(next.anyAlive() ? rest : rest.recreatingAll(false));
        }
        if (rank.phase() == Phase.DRAINING) {
            return next;
        }
        return next.withLosses(consequence(rank, policy, now, counted(rank, exited, why, policy, now, random)));
    }

    private Losses counted(
            Rank rank, Event.Exited exited, String why, Policy policy, long now, RandomGenerator random) {
        boolean stable = rank.phase() == Phase.READY && now - rank.since() >= policy.stableMillis();
        boolean wasReady =
                rank.phase() == Phase.READY || beats.get(rank.index()).heard();
        int starts = wasReady ? 0 : losses.failedStarts() + 1;
        int failures = stable ? 1 : losses.quickFailures() + 1;
        boolean tooMany = starts >= policy.failedStarts() || failures >= policy.quickFailures();
        boolean over = losses.failed() || exited.hopeless() || tooMany;
        return losses.failing(starts, failures, now + policy.delay(failures, random), over, why);
    }

    /// What the loss of this rank means for the others.
    private Losses consequence(Rank lost, Policy policy, long now, Losses counted) {
        List<Rank> others =
                ranks.stream().filter(rank -> rank.index() != lost.index()).toList();
        boolean begun = lost.phase() != Phase.STARTING
                && others.stream().allMatch(rank -> rank.phase().listening());
        boolean alone = policy.restart() == Restart.NONE
                || policy.restart() == Restart.RECREATE_GROUP_AFTER_START
                        && !begun
                        && losses.recovering().isEmpty();
        if (alone || !anyAlive(others)) {
            return counted.waitingForNobody();
        }
        if (lost.index() != 0 && policy.recoverMillis() > 0 && wasWhole(lost, others)) {
            // The others and their streams wait: only a rank that is lost again and again is given time.
            Losses first = counted.quickFailures() == 1 ? counted.retryingAt(now) : counted;
            return first.recovering(lost.index(), now + policy.recoverMillis());
        }
        return counted.recreatingAll(true);
    }

    /// Whether all were ready, but for those that are being recovered.
    private boolean wasWhole(Rank lost, List<Rank> others) {
        boolean settled = lost.phase() == Phase.READY || lost.phase() == Phase.KILLED;
        return settled
                && !losses.recovering().contains(lost.index())
                && others.stream()
                        .allMatch(rank -> rank.phase() == Phase.READY
                                || losses.recovering().contains(rank.index()));
    }

    private static boolean anyAlive(List<Rank> ranks) {
        return ranks.stream().anyMatch(rank -> rank.phase().alive());
    }

    private Observed with(Rank rank) {
        return withRanks(replaced(ranks, rank.index(), rank));
    }

    private Observed withRanks(List<Rank> next) {
        return new Observed(next, losses, beats);
    }

    private Observed withLosses(Losses next) {
        return new Observed(ranks, next, beats);
    }

    private Observed withBeat(int rank, Beat beat) {
        return new Observed(ranks, losses, replaced(beats, rank, beat));
    }

    private static <T> List<T> replaced(List<T> list, int index, T value) {
        List<T> next = new ArrayList<>(list);
        next.set(index, value);
        return next;
    }
}
