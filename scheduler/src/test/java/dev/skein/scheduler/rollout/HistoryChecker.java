package dev.skein.scheduler.rollout;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/// Watches a history from outside and knows nothing of how it is decided: only what was asked for, what was done and
/// what
/// was heard. Each rule is one sentence of the contract.
final class HistoryChecker {

    private static final class Group {
        final String revision;
        final int size;
        final boolean[] process;
        final boolean[] ready;
        final boolean recreated;
        int places;
        boolean leaving;
        boolean lost;

        Group(String revision, int size, boolean recreated) {
            this.recreated = recreated;
            this.revision = revision;
            this.size = size;
            process = new boolean[size];
            ready = new boolean[size];
        }

        boolean isReady() {
            for (boolean rank : ready) {
                if (!rank) {
                    return false;
                }
            }
            return !leaving;
        }

        boolean hasProcess() {
            for (boolean rank : process) {
                if (rank) {
                    return true;
                }
            }
            return false;
        }
    }

    private final Map<Integer, Group> groups = new HashMap<>();
    private final List<String> log = new ArrayList<>();
    private final boolean writing;
    private int wanted;
    private int missing;
    private int extra;
    private int keeps;
    private String revision = "";

    /// @param writing whether the history is written down
    HistoryChecker(boolean writing) {
        this.writing = writing;
    }

    /// @param missing how many of the wanted groups may be missing
    /// @param extra how many more than wanted there may be
    /// @param keeps how many may be of another revision in the end
    void wants(int wanted, int missing, int extra, int keeps, String revision) {
        this.wanted = wanted;
        this.missing = missing;
        this.extra = extra;
        this.keeps = keeps;
        this.revision = revision;
        note(() -> "wants " + wanted + " -" + missing + " +" + extra + " keeps " + keeps + " of " + revision);
    }

    /// @param recreated whether the loss of one rank ends all of them
    void created(int index, String made, int size, boolean recreated) {
        note(() -> "create " + index + " " + made + " size " + size);
        require(!groups.containsKey(index), () -> "group " + index + " exists");
        groups.put(index, new Group(made, size, recreated));
        require(
                groups.size() <= wanted + extra,
                () -> groups.size() + " groups, more than " + wanted + " and " + extra);
    }

    void placed(int index, int places) {
        note(() -> "place " + index + " " + places);
        Group group = group(index);
        require(places == group.size, () -> "group " + index + " got " + places + " of " + group.size + " places");
        group.places = places;
    }

    void started(int index, int rank) {
        note(() -> "start " + index + "/" + rank);
        Group group = group(index);
        require(group.places == group.size, () -> "a rank started before all had a place");
        require(!group.process[rank], () -> "rank " + rank + " has two processes");
        require(!group.leaving, () -> "a group that leaves starts a rank");
        group.lost &= group.hasProcess();
        require(!group.recreated || !group.lost, () -> "a rank started beside those of before the loss");
        group.process[rank] = true;
    }

    void readyHeard(int index, int rank) {
        note(() -> "ready " + index + "/" + rank);
        group(index).ready[rank] = true;
    }

    /// The rank was told to end, or was heard to have ended.
    void unready(int index, int rank) {
        note(() -> "unready " + index + "/" + rank);
        group(index).ready[rank] = false;
    }

    void ended(int index, int rank) {
        note(() -> "ended " + index + "/" + rank);
        group(index).process[rank] = false;
        group(index).lost = true;
    }

    void retired(int index) {
        note(() -> "retire " + index);
        Group group = group(index);
        require(!group.leaving, () -> "group " + index + " is told to go twice");
        boolean served = group.isReady();
        group.leaving = true;
        long ready = groups.values().stream().filter(Group::isReady).count();
        require(
                !served || ready >= wanted - missing,
                () -> ready + " ready groups left of " + wanted + " less " + missing);
    }

    void gone(int index) {
        note(() -> "gone " + index);
        Group group = group(index);
        require(group.leaving, () -> "a group went that was not told to");
        require(!group.hasProcess(), () -> "a group went and left a process");
        groups.remove(index);
    }

    /// @param what is asked for only where somebody will read it
    void note(Supplier<String> what) {
        if (writing) {
            log.add(what.get());
        }
    }

    /// Nothing moves any more: all must be as it was wanted.
    void settled() {
        require(groups.size() == wanted, () -> groups.size() + " groups in the end, not " + wanted);
        require(groups.values().stream().allMatch(Group::isReady), () -> "not all are ready in the end");
        long others = groups.values().stream()
                .filter(group -> !group.revision.equals(revision))
                .count();
        require(others <= keeps, () -> others + " groups of other revisions in the end");
    }

    AssertionError broken(String rule) {
        return new AssertionError(rule + "\n  " + String.join("\n  ", log));
    }

    private Group group(int index) {
        Group group = groups.get(index);
        if (group == null) {
            throw broken("there is no group " + index);
        }
        return group;
    }

    private void require(boolean kept, Supplier<String> rule) {
        if (!kept) {
            throw broken(rule.get());
        }
    }
}
