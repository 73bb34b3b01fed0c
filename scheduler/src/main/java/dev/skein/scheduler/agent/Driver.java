package dev.skein.scheduler.agent;

import dev.skein.scheduler.rollout.Needs;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Steers the agents of a cluster, while a majority of its voters listens to it: decides where groups go, reserves and
/// commits there, and takes no device for granted. No clock, no thread, no I/O: the caller brings the time, carries
/// the calls of [#due] and brings back what was answered. Each machine may run one; the agents' promises see to it
/// that one drives.
///
/// A driver that loses its majority for a moment decides nothing, but goes on asking under its term; where it gets the
/// majority back, no other has driven meanwhile, since that takes a higher term at a majority, which would refuse this
/// one.
///
/// What a group has is read from what agents answer, never only remembered: so a new driver finds groups where they
/// are, and whatever was lost or came twice is set right with the next beat.
public final class Driver {
    private static final int TERM_SHIFT = 20;

    private final String name;
    private final Times times;
    private final RandomGenerator random;
    private final Map<String, Peer> peers = new TreeMap<>();
    private final Map<String, Shape> wants = new TreeMap<>();
    private final Map<String, Decision> decisions = new TreeMap<>();
    private final Map<String, Long> floors = new TreeMap<>();
    private final Map<String, Long> waits = new HashMap<>();
    private final Map<String, List<String>> reasons = new HashMap<>();
    private final List<Call> releases = new ArrayList<>();
    private boolean running;
    private boolean complete;
    /// Whether a majority has listened since this term began.
    private boolean leads;
    private long term;
    private long highest;
    private long round;
    private long made;
    private long since;
    private long heldSince;
    private long heldAt;
    private long runAt;
    private long beatAt;

    /// What the driver knows of one agent. All times are the driver's.
    private static final class Peer {
        final boolean votes;

        /// The newest, whatever it was asked for.
        @Nullable
        Answer answer;

        long heardAt = Long.MIN_VALUE / 2;
        /// When the newest beat was sent that it answered with yes.
        long grantedAt = Long.MIN_VALUE / 2;
        /// Whether it answered in this term.
        boolean known;

        Map<String, Long> acknowledged = Map.of();
        final Map<String, Long> asked = new HashMap<>();

        Peer(boolean votes) {
            this.votes = votes;
        }
    }

    /// @param name unique to this life of this process
    /// @param voters agents, answering or not, of which more than half must listen
    /// @param others agents that follow whoever drives
    public Driver(
            String name, List<String> voters, List<String> others, Times times, RandomGenerator random, long now) {
        this.name = name;
        this.times = times;
        this.random = random;
        voters.forEach(agent -> peers.put(agent, new Peer(true)));
        others.forEach(agent -> peers.put(agent, new Peer(false)));
        this.runAt = now + random.nextLong(times.promiseMillis() + 1);
    }

    /// A group that is to have its place; the same again changes nothing.
    public void want(String group, Shape shape) {
        wants.put(group, shape);
    }

    /// Its place is given back, wherever it is.
    public void unwant(String group) {
        if (wants.remove(group) != null && running) {
            abandon(group);
        }
    }

    /// What is wanted is said anew from now on, under another term.
    public void forget(long now) {
        wants.clear();
        complete = false;
        if (running) {
            rest(now);
        }
    }

    /// The groups that are to have a place.
    public List<String> wanted() {
        return List.copyOf(wants.keySet());
    }

    /// Whether all groups that are wanted have been named. Before that nothing ends for not being wanted: a new
    /// driver must first learn what it is to keep.
    public void named(boolean all) {
        complete = all;
    }

    /// The groups that have a place anywhere, as the agents last said.
    public Map<String, Shape> found() {
        Map<String, Shape> found = new TreeMap<>();
        Map<String, Integer> sizes = new HashMap<>();
        peers.values().stream()
                .filter(peer -> peer.known)
                .flatMap(peer -> claims(peer).stream())
                .filter(claim -> claim.firm() && claim.epoch() == newest(claim.group()))
                .forEach(claim -> {
                    int here = claim.ranks().size();
                    int size = sizes.merge(claim.group(), here, Integer::sum);
                    Needs all = new Needs(
                            claim.cores().size(), claim.bytes(), claim.gpus().size(), 0);
                    Needs rank = all.each(here);
                    found.put(claim.group(), new Shape(size, size, rank, false));
                });
        return found;
    }

    /// Whether every agent has answered this driver, or has surely ended its groups.
    public boolean heardAll(long now) {
        return peers.values().stream().allMatch(peer -> peer.known || fenced(peer, now));
    }

    /// Whether a majority of the voters listens to this driver, and to no other.
    public boolean holds(long now) {
        long voters = peers.values().stream().filter(peer -> peer.votes).count();
        long granted = peers.values().stream()
                .filter(peer -> peer.votes && now < peer.grantedAt + times.holdMillis())
                .count();
        return running && 2 * granted > voters;
    }

    /// Whether it has held in this term and not given up: while it does not hold, it may again.
    public boolean leads() {
        return leads;
    }

    /// Another one drives: that one is not to be disturbed by who would like to.
    public void defer(long now) {
        if (!running) {
            runAt = Math.max(runAt, now + random.nextLong(times.promiseMillis() / 2));
        }
    }

    public long term() {
        return term;
    }

    /// The place that a group has; empty while it has none, or this driver does not drive.
    public Optional<Decision> placed(String group) {
        return Optional.ofNullable(decisions.get(group)).filter(decision -> decision.stage() == Decision.Stage.PLACED);
    }

    /// Why a group has no place yet, for people.
    public List<String> reasons(String group) {
        return reasons.getOrDefault(group, List.of());
    }

    /// What an agent last said; null if it never did.
    public @Nullable Answer answer(String agent) {
        return peer(agent).answer;
    }

    /// How long ago that was, in milliseconds.
    public long silence(String agent, long now) {
        return now - peer(agent).heardAt;
    }

    /// What is to be said now. To be asked every few ten milliseconds, and after each answer.
    public List<Call> due(long now) {
        List<Call> calls = new ArrayList<>(releases);
        releases.clear();
        if (!running && now >= runAt) {
            run(now);
        }
        if (!running) {
            return calls;
        }
        boolean holds = holds(now);
        if (holds) {
            heldAt = now;
            if (!leads) {
                leads = true;
                heldSince = now;
                beatAt = now;
            }
        }
        if (!holds && now >= Math.max(since, lastGranted()) + 2 * times.promiseMillis()) {
            rest(now);
            return calls;
        }
        if (holds) {
            reconcile(calls, now);
        }
        if (now >= beatAt) {
            beatAt = now + times.beatMillis();
            round++;
            peers.forEach((agent, peer) -> {
                if (holds || peer.votes) {
                    calls.add(beat(agent, peer, holds));
                }
            });
        }
        return calls;
    }

    private long lastGranted() {
        return peers.values().stream()
                .filter(peer -> peer.votes)
                .mapToLong(peer -> peer.grantedAt)
                .max()
                .orElse(since);
    }

    private void run(long now) {
        running = true;
        leads = false;
        term = highest + 1;
        highest = term;
        round = 0;
        since = now;
        beatAt = now;
        decisions.clear();
        floors.clear();
        waits.clear();
        reasons.clear();
        peers.values().forEach(peer -> {
            peer.known = false;
            peer.acknowledged = Map.of();
            peer.asked.clear();
            peer.grantedAt = Long.MIN_VALUE / 2;
        });
    }

    /// Where agents said yes to one that gets no majority, the next one should not have to wait for that.
    private void rest(long now) {
        peers.keySet().forEach(agent -> releases.add(new Call.Release(agent, name, term)));
        running = false;
        leads = false;
        decisions.clear();
        runAt = now + times.promiseMillis() / 4 + random.nextLong(times.promiseMillis());
    }

    private Call beat(String agent, Peer peer, boolean holds) {
        Answer last = peer.answer;
        return new Call.Beat(
                agent,
                name,
                term,
                holds,
                round,
                last == null ? 0 : last.boot(),
                last == null ? 0 : last.clock(),
                holds ? floors : Map.of());
    }

    /// An answer came.
    ///
    /// @param sentAt when its call was handed out by [#due]
    public void answered(Call call, long sentAt, Answer answer, long now) {
        Peer peer = peers.get(call.agent());
        if (peer == null) {
            return;
        }
        highest = Math.max(highest, answer.term());
        if (peer.answer == null || answer.newerThan(peer.answer)) {
            peer.answer = answer;
            peer.heardAt = now;
        }
        if (!running || call.term() != term) {
            return;
        }
        if (call instanceof Call.Beat beat) {
            granted(beat, peer, sentAt, answer, now);
        } else if (!answer.done() && answer.term() == term) {
            refused(call, answer, now);
        }
    }

    private void granted(Call.Beat beat, Peer peer, long sentAt, Answer answer, long now) {
        if (answer.done()) {
            peer.known = true;
            peer.grantedAt = Math.max(peer.grantedAt, sentAt);
            if (beat.holds() && beat.boot() == answer.boot()) {
                peer.acknowledged = beat.floors();
            }
        } else if (!answer.driver().equals(name)) {
            contested(peer, answer, now);
        }
    }

    /// Another driver has the ear of this agent. Where that one has no majority, a higher term brings the agent
    /// back. Who has lost its own for a moment only stays, since those who listened to it are not free for the
    /// other yet.
    private void contested(Peer peer, Answer answer, long now) {
        if (!holds(now)) {
            if (peer.votes && !(leads && now < heldAt + times.promiseMillis())) {
                rest(now);
            }
        } else if (answer.term() >= term) {
            term = highest + 1;
            highest = term;
            round = 0;
            beatAt = now;
        }
    }

    /// Another try needs another epoch, since some agents may have said yes.
    private void refused(Call call, Answer answer, long now) {
        String group = switch (call) {
            case Call.Reserve reserve -> reserve.group();
            case Call.Commit commit -> commit.group();
            case Call.Beat beat -> "";
            case Call.Release release -> "";
        };
        long epoch = switch (call) {
            case Call.Reserve reserve -> reserve.epoch();
            case Call.Commit commit -> commit.epoch();
            case Call.Beat beat -> 0;
            case Call.Release release -> 0;
        };
        Decision decision = decisions.get(group);
        if (decision != null && decision.epoch() == epoch && decision.stage() != Decision.Stage.PLACED) {
            reasons.put(group, List.of(call.agent() + " refused: " + answer.reason()));
            waits.put(group, now + times.beatMillis() + random.nextLong(times.beatMillis()));
            abandon(group);
        }
    }

    private void reconcile(List<Call> calls, long now) {
        TreeSet<String> groups = new TreeSet<>(wants.keySet());
        groups.addAll(decisions.keySet());
        groups.addAll(floors.keySet());
        peers.values().stream()
                .filter(peer -> peer.answer != null && peer.known)
                .flatMap(peer -> claims(peer).stream())
                .forEach(claim -> groups.add(claim.group()));
        for (String group : groups) {
            Shape shape = wants.get(group);
            if (shape == null) {
                if (complete) {
                    clear(group, now);
                }
            } else {
                keep(group, shape, calls, now);
            }
        }
    }

    /// A group that nobody wants goes from wherever it is; then it is forgotten.
    private void clear(String group, long now) {
        if (decisions.remove(group) != null || !floors.containsKey(group)) {
            abandon(group);
        }
        if (clear(group, floor(group), now)) {
            floors.remove(group);
        }
    }

    private void keep(String group, Shape shape, List<Call> calls, long now) {
        Decision decision = decisions.get(group);
        if (decision == null) {
            decision = floors.containsKey(group) ? decide(group, shape, now) : find(group, shape, now);
        }
        if (decision == null) {
            return;
        }
        if (decision.hosts().size() != shape.size()) {
            abandon(group);
            return;
        }
        if (lost(group, decision, now)) {
            reasons.put(
                    group,
                    List.of("its place at " + String.join(", ", decision.ranks().keySet()) + " was lost"));
            abandon(group);
            return;
        }
        decisions.put(group, advanced(group, shape, decision, calls, now));
    }

    /// Reads from the answers where the group is. What is committed proves by itself that nobody placed it elsewhere:
    /// that needs a fence, which such a claim has not outlived. That it is nowhere is known only when all have been
    /// heard, or are surely without it.
    private @Nullable Decision find(String group, Shape shape, long now) {
        long epoch = newest(group);
        Map<String, List<Integer>> ranks = new TreeMap<>();
        peers.forEach((agent, peer) -> {
            Claim claim = peer.known ? claim(peer, group) : null;
            if (claim != null && claim.epoch() == epoch && claim.firm()) {
                ranks.put(agent, claim.ranks());
            }
        });
        if (areAll(ranks, shape.size())) {
            floors.put(group, epoch);
            beatAt = 0;
            return new Decision(epoch, ranks, Decision.Stage.PLACED);
        }
        if (heardAll(now)) {
            abandon(group);
        } else {
            reasons.put(group, List.of("some machines have not been heard yet"));
        }
        return null;
    }

    /// Whether these are the ranks of a group of that size: what is left of a larger one may be as many and others.
    private static boolean areAll(Map<String, List<Integer>> ranks, int size) {
        List<Integer> found =
                ranks.values().stream().flatMap(List::stream).sorted().toList();
        return found.equals(IntStream.range(0, size).boxed().toList());
    }

    private long newest(String group) {
        return peers.values().stream()
                .filter(peer -> peer.known)
                .map(peer -> claim(peer, group))
                .mapToLong(claim -> claim == null ? 0 : claim.epoch())
                .max()
                .orElse(0);
    }

    /// A new epoch: what there is of the group anywhere ends.
    private void abandon(String group) {
        decisions.remove(group);
        made++;
        floors.put(group, (term << TERM_SHIFT) + made);
        beatAt = 0;
    }

    private @Nullable Decision decide(String group, Shape shape, long now) {
        long epoch = floor(group);
        if (now < waits.getOrDefault(group, 0L)) {
            return null;
        }
        if (!clear(group, epoch, now)) {
            reasons.put(group, List.of("waits until nothing of it runs any more where it was"));
            return null;
        }
        Placement.Found found = Placement.place(shape, free(now));
        reasons.put(group, found.reasons());
        if (found.hosts().isEmpty()) {
            return null;
        }
        Map<String, List<Integer>> ranks = new TreeMap<>();
        for (int rank = 0; rank < found.hosts().size(); rank++) {
            ranks.computeIfAbsent(found.hosts().get(rank), host -> new ArrayList<>())
                    .add(rank);
        }
        return new Decision(epoch, ranks, Decision.Stage.RESERVING);
    }

    /// Whether nothing of an older epoch runs anywhere, nor ever will.
    private boolean clear(String group, long epoch, long now) {
        return peers.values().stream().allMatch(peer -> fenced(peer, now) || obeys(peer, group, epoch));
    }

    private static boolean obeys(Peer peer, String group, long epoch) {
        Claim claim = claim(peer, group);
        return peer.known
                && peer.acknowledged.getOrDefault(group, 0L) >= epoch
                && (claim == null || claim.epoch() >= epoch);
    }

    /// Its ranks have surely ended: it cannot know a later clock of its own than it last told us, or an earlier
    /// driver.
    private boolean fenced(Peer peer, long now) {
        return times.keepMillis() > 0 && now >= Math.max(peer.heardAt, heldSince) + times.fenceMillis();
    }

    private boolean lost(String group, Decision decision, long now) {
        return decision.ranks().keySet().stream().anyMatch(agent -> {
            Peer peer = peers.get(agent);
            if (peer == null || fenced(peer, now)) {
                return true;
            }
            Claim claim = claim(peer, group);
            return decision.stage() == Decision.Stage.PLACED
                    && (claim == null || claim.epoch() != decision.epoch() || !claim.firm());
        });
    }

    private Decision advanced(String group, Shape shape, Decision decision, List<Call> calls, long now) {
        return switch (decision.stage()) {
            case RESERVING -> {
                if (all(group, decision, false)) {
                    yield advanced(group, shape, decision.at(Decision.Stage.COMMITTING), calls, now);
                }
                ask(group, decision, false, shape.rank(), calls, now);
                yield decision;
            }
            case COMMITTING -> {
                if (all(group, decision, true)) {
                    reasons.remove(group);
                    yield decision.at(Decision.Stage.PLACED);
                }
                ask(group, decision, true, shape.rank(), calls, now);
                yield decision;
            }
            case PLACED -> decision;
        };
    }

    private boolean all(String group, Decision decision, boolean committed) {
        return decision.ranks().keySet().stream().allMatch(agent -> has(agent, group, decision, committed));
    }

    private boolean has(String agent, String group, Decision decision, boolean committed) {
        Claim claim = claim(peer(agent), group);
        return claim != null
                && claim.epoch() == decision.epoch()
                && (claim.firm() || !committed && claim.state() == Claim.State.RESERVED);
    }

    private void ask(String group, Decision decision, boolean commit, Needs rank, List<Call> calls, long now) {
        decision.ranks().forEach((agent, ranks) -> {
            String question = (commit ? "commit " : "reserve ") + decision.epoch();
            Peer peer = peer(agent);
            if (!has(agent, group, decision, commit)
                    && now >= peer.asked.getOrDefault(question, Long.MIN_VALUE / 2) + times.beatMillis()) {
                peer.asked.put(question, now);
                calls.add(
                        commit
                                ? new Call.Commit(agent, name, term, group, decision.epoch())
                                : new Call.Reserve(agent, name, term, group, decision.epoch(), ranks, rank));
            }
        });
    }

    private Peer peer(String agent) {
        Peer peer = peers.get(agent);
        if (peer == null) {
            throw new IllegalStateException("there is no agent " + agent);
        }
        return peer;
    }

    /// What nobody has of the machines that answer; what this driver just gave away and has not seen yet counts as
    /// taken.
    private List<Free> free(long now) {
        List<Free> free = new ArrayList<>();
        peers.forEach((agent, peer) -> {
            Answer answer = peer.answer;
            if (answer != null && peer.known && now < peer.heardAt + times.holdMillis()) {
                Free left = Free.of(answer.machine(), answer.claims());
                for (Map.Entry<String, Decision> entry : decisions.entrySet()) {
                    List<Integer> ranks = entry.getValue().ranks().getOrDefault(agent, List.of());
                    Shape shape = wants.get(entry.getKey());
                    if (claim(peer, entry.getKey()) == null && shape != null) {
                        left = left.without(shape.rank(), ranks.size());
                    }
                }
                free.add(left);
            }
        });
        return free;
    }

    private long floor(String group) {
        return floors.getOrDefault(group, 0L);
    }

    private static List<Claim> claims(Peer peer) {
        return peer.answer == null ? List.of() : peer.answer.claims();
    }

    private static @Nullable Claim claim(Peer peer, String group) {
        return claims(peer).stream()
                .filter(claim -> claim.group().equals(group))
                .findFirst()
                .orElse(null);
    }
}
