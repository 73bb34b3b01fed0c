package dev.skein.scheduler.lifecycle;

import java.util.ArrayList;
import java.util.List;

/// Says what is due for a group.
///
/// Properties, whatever order events come in:
///
/// 1. Asking twice with the same arguments gives the same answer; once the actions are noted as begun, none is left.
/// 2. A rank is started only when it has no process.
/// 3. Once faults stop, a group that is wanted becomes READY unless it had failed before, and one that is not wanted
///    becomes GONE.
/// 4. A process that takes too long to listen, to warm or to drain is killed.
public final class Lifecycle {

    private Lifecycle() {}

    /// The actions that are due at `now`, and when to ask again.
    public static Decision decide(Desired desired, Observed observed, Policy policy, long now) {
        Plan plan = new Plan(now);
        if (!desired.serving() || observed.failed()) {
            observed.ranks().forEach(rank -> end(rank, desired, plan));
        } else if (!observed.placed()) {
            plan.actions.add(new Action.Place());
        } else {
            observed.ranks().forEach(rank -> keep(rank, observed, desired, policy, plan));
        }
        return plan.decision();
    }

    /// Where in its life the group is.
    public static GroupState state(Desired desired, Observed observed) {
        if (!desired.serving()) {
            return observed.anyAlive() ? GroupState.DRAINING : GroupState.GONE;
        }
        if (observed.failed()) {
            return GroupState.FAILED;
        }
        if (!observed.placed()) {
            return GroupState.PENDING;
        }
        return stateOfRanks(observed.ranks());
    }

    private static GroupState stateOfRanks(List<Rank> ranks) {
        if (ranks.stream().allMatch(rank -> rank.phase() == Phase.READY)) {
            return GroupState.READY;
        }
        if (ranks.stream().noneMatch(rank -> rank.phase().alive())) {
            return GroupState.PLACED;
        }
        return ranks.stream().allMatch(rank -> rank.phase().listening()) ? GroupState.WARMING : GroupState.STARTING;
    }

    private static void keep(Rank rank, Observed observed, Desired desired, Policy policy, Plan plan) {
        switch (rank.phase()) {
            case ABSENT -> start(rank, observed, plan);
            case STARTING -> plan.killAfter(rank, policy.startMillis(), "did not answer");
            case WARMING -> plan.killAfter(rank, policy.warmMillis(), "was not ready");
            case DRAINING -> plan.killAfter(rank, desired.drainMillis(), "had not drained");
            case READY, KILLED -> {}
        }
    }

    private static void start(Rank rank, Observed observed, Plan plan) {
        boolean turn = rank.index() == 0 || observed.leader().phase().listening();
        if (turn && plan.reached(observed.retryAt())) {
            plan.actions.add(new Action.Start(rank.index(), rank.incarnation() + 1));
        }
    }

    private static void end(Rank rank, Desired desired, Plan plan) {
        if (rank.phase() == Phase.DRAINING) {
            plan.killAfter(rank, desired.drainMillis(), "had not drained");
        } else if (rank.phase() == Phase.STARTING || rank.phase() == Phase.WARMING) {
            plan.actions.add(new Action.Kill(rank.index(), rank.incarnation(), "no longer wanted"));
        } else if (rank.phase() == Phase.READY) {
            plan.actions.add(new Action.Drain(rank.index(), rank.incarnation()));
        }
    }

    /// Actions and the nearest deadline, gathered while the ranks are looked at.
    private static final class Plan {
        private final long now;
        private final List<Action> actions = new ArrayList<>();
        private long wakeAt = Decision.NEVER;

        Plan(long now) {
            this.now = now;
        }

        boolean reached(long deadline) {
            if (now >= deadline) {
                return true;
            }
            wakeAt = Math.min(wakeAt, deadline);
            return false;
        }

        void killAfter(Rank rank, long millis, String complaint) {
            if (reached(rank.since() + millis)) {
                String reason = complaint + " after " + millis / 1000 + " s";
                actions.add(new Action.Kill(rank.index(), rank.incarnation(), reason));
            }
        }

        Decision decision() {
            return new Decision(actions, wakeAt);
        }
    }
}
