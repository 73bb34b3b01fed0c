package dev.skein.scheduler.lifecycle;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/// Says what is due for a group.
///
/// Properties, whatever order events come in:
///
/// 1. Asking twice with the same arguments gives the same answer; once the actions are noted as begun, none is left.
/// 2. A rank is started only when it has no process.
/// 3. Once faults stop, a group that is wanted becomes READY unless it had failed before, and one that is not wanted
///    becomes GONE.
/// 4. A process that takes too long to listen, to warm, to drain or to make its next step is killed.
/// 5. Ranks lost from a ready group, but not the leader, are recovered alone where the policy says so; where that fails
///    or takes too long, or the policy does not say so, all ranks end before any is started anew ([Restart]).
public final class Lifecycle {

    private Lifecycle() {}

    /// The actions that are due at `now`, and when to ask again.
    public static Decision decide(Desired desired, Observed observed, Policy policy, long now) {
        Plan plan = new Plan(now);
        if (!desired.serving() || observed.failed()) {
            observed.ranks().forEach(rank -> end(rank, desired, plan));
        } else if (!observed.placed()) {
            plan.actions.add(new Action.Place());
        } else if (observed.losses().recreating()) {
            observed.ranks().forEach(rank -> clear(rank, observed, plan));
        } else if (overdue(observed, plan)) {
            plan.actions.add(new Action.Recreate("the recovery of rank "
                    + observed.losses().recovering().stream()
                            .sorted()
                            .map(String::valueOf)
                            .collect(Collectors.joining(", "))
                    + " took too long; the last was lost because: " + observed.reason()));
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

    private static boolean overdue(Observed observed, Plan plan) {
        Losses losses = observed.losses();
        return !losses.recovering().isEmpty() && plan.reached(losses.recoverBy());
    }

    /// All ranks go before any starts anew.
    private static void clear(Rank rank, Observed observed, Plan plan) {
        if (rank.phase().alive() && rank.phase() != Phase.KILLED) {
            plan.actions.add(
                    new Action.Kill(rank.index(), rank.incarnation(), "its group is recreated: " + observed.reason()));
        }
    }

    private static void keep(Rank rank, Observed observed, Desired desired, Policy policy, Plan plan) {
        switch (rank.phase()) {
            case ABSENT -> start(rank, observed, policy, plan);
            case STARTING -> plan.killAfter(rank, policy.startMillis(), "did not answer");
            case WARMING -> plan.killAfter(rank, policy.warmMillis(), "was not ready");
            case DRAINING -> plan.killAfter(rank, desired.drainMillis(), "had not drained");
            case READY -> watch(rank, observed.beats().get(rank.index()), policy, plan);
            case KILLED -> {}
        }
    }

    private static void start(Rank rank, Observed observed, Policy policy, Plan plan) {
        Phase leader = observed.leader().phase();
        boolean led = policy.startup() == Startup.LEADER_READY ? leader == Phase.READY : leader.listening();
        if ((rank.index() == 0 || led) && plan.reached(observed.retryAt())) {
            boolean recovery = observed.losses().recovering().contains(rank.index());
            long next = rank.incarnation() + 1;
            plan.actions.add(recovery ? new Action.Recover(rank.index(), next) : new Action.Start(rank.index(), next));
        }
    }

    /// A process that hangs keeps its sockets open: only its steps tell.
    private static void watch(Rank rank, Beat beat, Policy policy, Plan plan) {
        if (!beat.heard()) {
            return;
        }
        if (policy.silentMillis() > 0 && plan.reached(beat.heardAt() + policy.silentMillis())) {
            plan.kill(rank, "gave no sign of life for " + policy.silentMillis() / 1000 + " s");
        } else if (policy.stepMillis() > 0 && beat.running() > 0 && plan.reached(beat.stepAt() + policy.stepMillis())) {
            plan.kill(
                    rank,
                    "made no step for " + policy.stepMillis() / 1000 + " s with " + beat.running()
                            + " sequences in hand");
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
                kill(rank, complaint + " after " + millis / 1000 + " s");
            }
        }

        void kill(Rank rank, String reason) {
            actions.add(new Action.Kill(rank.index(), rank.incarnation(), reason));
        }

        Decision decision() {
            return new Decision(actions, wakeAt);
        }
    }
}
