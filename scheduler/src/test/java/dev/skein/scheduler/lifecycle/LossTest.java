package dev.skein.scheduler.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// A rank of a group is lost, or hangs: what happens to the others.
class LossTest {
    private static final Policy POLICY = new Policy(100, 10_000, 4, 6, 60_000, 1_000, 5_000);
    private static final Desired THREE = Desired.serving(new GroupSpec("g", "model", 3, ""));

    private final Random random = new Random(1);
    private Policy policy = POLICY;
    private Observed seen = Observed.nothing(3).placed(List.of("a", "b", "c"));
    private long now = 1_000;

    private List<Action> due() {
        return Lifecycle.decide(THREE, seen, policy, now).actions();
    }

    private List<Action> begin() {
        List<Action> due = due();
        due.forEach(action -> seen = seen.begun(action, now));
        return due;
    }

    private void happens(Event event) {
        seen = seen.after(event, policy, now, random);
    }

    private void lost(int rank, long incarnation) {
        happens(new Event.Exited(rank, incarnation, "killed by signal 9", false));
    }

    private void ready(long incarnation) {
        begin();
        happens(new Event.Listening(0, incarnation, 9000));
        begin();
        for (int rank = 0; rank < 3; rank++) {
            happens(new Event.Ready(rank, incarnation, ""));
        }
        assertThat(Lifecycle.state(THREE, seen)).isEqualTo(GroupState.READY);
        now += 1_000;
    }

    @Test
    void theOthersStartWithTheLeaderOrAfterIt() {
        assertThat(begin()).containsExactly(new Action.Start(0, 1));
        assertThat(begin()).isEmpty();
        happens(new Event.Listening(0, 1, 9000));
        assertThat(due()).containsExactly(new Action.Start(1, 1), new Action.Start(2, 1));
        policy = POLICY.withStartup(Startup.LEADER_READY);
        assertThat(due()).isEmpty();
        happens(new Event.Ready(0, 1, ""));
        assertThat(due()).containsExactly(new Action.Start(1, 1), new Action.Start(2, 1));
    }

    @Test
    void withNoneALostRankStartsAgainAlone() {
        policy = POLICY.withRestart(Restart.NONE, 0);
        ready(1);
        lost(2, 1);
        now = seen.retryAt();
        assertThat(begin()).containsExactly(new Action.Start(2, 2));
        happens(new Event.Ready(2, 2, ""));
        assertThat(Lifecycle.state(THREE, seen)).isEqualTo(GroupState.READY);
    }

    @Test
    void withRecreateAllEndBeforeAnyStarts() {
        ready(1);
        lost(2, 1);
        assertThat(begin()).extracting(action -> ((Action.Kill) action).rank()).containsExactly(0, 1);
        now = seen.retryAt();
        lost(1, 1);
        assertThat(due()).isEmpty();
        lost(0, 1);
        assertThat(seen.quickFailures()).as("one failure, not three").isEqualTo(1);
        assertThat(seen.reason()).isEqualTo("killed by signal 9");
        assertThat(begin()).containsExactly(new Action.Start(0, 2));
    }

    @Test
    void withRecreateAfterStartAGroupThatIsNotCompleteYetIsCompleted() {
        policy = POLICY.withRestart(Restart.RECREATE_GROUP_AFTER_START, 0);
        begin();
        happens(new Event.Listening(0, 1, 9000));
        begin();
        lost(1, 1);
        now = seen.retryAt();
        assertThat(begin()).containsExactly(new Action.Start(1, 2));
        happens(new Event.Listening(1, 2, 9001));
        happens(new Event.Listening(2, 1, 9002));
        lost(1, 2);
        assertThat(begin()).extracting(action -> ((Action.Kill) action).rank()).containsExactly(0, 2);
    }

    @Test
    void aLostRankIsRecoveredWhileTheOthersWait() {
        policy = POLICY.withRestart(Restart.RECREATE_GROUP_ON_POD_RESTART, 2_000);
        ready(1);
        lost(2, 1);
        assertThat(begin()).as("at once").containsExactly(new Action.Recover(2, 2));
        assertThat(due()).isEmpty();
        happens(new Event.Ready(2, 2, ""));
        assertThat(Lifecycle.state(THREE, seen)).isEqualTo(GroupState.READY);
        now += 3_000;
        assertThat(due()).as("the recovery is over").isEmpty();
        assertThat(seen.restarts()).isEqualTo(1);
        lost(1, 1);
        assertThat(due()).as("not at once the second time in a short while").isEmpty();
        now = seen.retryAt();
        assertThat(due()).containsExactly(new Action.Recover(1, 2));
    }

    @Test
    void anotherRankThatIsLostMeanwhileIsRecoveredToo() {
        policy = POLICY.withRestart(Restart.RECREATE_GROUP_ON_POD_RESTART, 2_000);
        ready(1);
        lost(2, 1);
        begin();
        long by = seen.losses().recoverBy();
        now += 500;
        lost(1, 1);
        assertThat(seen.losses().recoverBy()).as("the first has set the time").isEqualTo(by);
        now = seen.retryAt();
        assertThat(begin()).containsExactly(new Action.Recover(1, 2));
        happens(new Event.Ready(2, 2, ""));
        happens(new Event.Ready(1, 2, ""));
        assertThat(Lifecycle.state(THREE, seen)).isEqualTo(GroupState.READY);
        now = by;
        assertThat(due()).isEmpty();
    }

    @Test
    void aRecoveryThatTakesTooLongRecreatesTheGroup() {
        policy = POLICY.withRestart(Restart.RECREATE_GROUP_ON_POD_RESTART, 900);
        ready(1);
        lost(2, 1);
        long lostAt = now;
        now = seen.retryAt();
        begin();
        now = lostAt + 900;
        assertThat(begin()).hasSize(1).first().isInstanceOf(Action.Recreate.class);
        assertThat(begin()).extracting(action -> ((Action.Kill) action).rank()).containsExactly(0, 1, 2);
    }

    @Test
    void aRecoveryThatFailsAndALostLeaderRecreateTheGroup() {
        policy = POLICY.withRestart(Restart.RECREATE_GROUP_ON_POD_RESTART, 2_000);
        ready(1);
        lost(2, 1);
        now = seen.retryAt();
        begin();
        lost(2, 2);
        assertThat(begin()).extracting(action -> ((Action.Kill) action).rank()).containsExactly(0, 1);
        lost(0, 1);
        lost(1, 1);
        now = seen.retryAt();
        seen = seen.begun(new Action.Start(0, 2), now);
        happens(new Event.Listening(0, 2, 9000));
        begin();
        happens(new Event.Ready(0, 2, ""));
        happens(new Event.Ready(1, 2, ""));
        happens(new Event.Ready(2, 3, ""));
        lost(0, 2);
        assertThat(begin()).extracting(action -> ((Action.Kill) action).rank()).containsExactly(1, 2);
    }

    @Test
    void aHopelessRankFailsTheGroup() {
        ready(1);
        happens(new Event.Exited(1, 1, "the model file is broken", true));
        assertThat(Lifecycle.state(THREE, seen)).isEqualTo(GroupState.FAILED);
        assertThat(seen.reason()).isEqualTo("the model file is broken");
        assertThat(seen.forgiven().failed()).isFalse();
    }

    @Test
    void aRankThatMakesNoStepIsKilledAndAnIdleOneIsNot() {
        policy = POLICY.withHeartbeat(0, 5_000);
        ready(1);
        happens(new Event.Step(0, 1, 10, 0));
        now += 60_000;
        happens(new Event.Step(0, 1, 10, 0));
        happens(new Event.Step(0, 1, 10, 3));
        assertThat(Lifecycle.decide(THREE, seen, policy, now).wakeAt()).isEqualTo(now + 5_000);
        now += 4_000;
        happens(new Event.Step(0, 1, 11, 3));
        now += 4_000;
        happens(new Event.Step(0, 1, 11, 3));
        assertThat(due()).isEmpty();
        now += 1_000;
        assertThat(due()).containsExactly(new Action.Kill(0, 1, "made no step for 5 s with 3 sequences in hand"));
    }

    @Test
    void aRankThatFallsSilentIsKilledAndOneThatNeverSpokeIsNot() {
        policy = POLICY.withHeartbeat(5_000, 0);
        ready(1);
        now += 60_000;
        assertThat(due()).isEmpty();
        happens(new Event.Step(1, 1, 0, 0));
        now += 5_000;
        assertThat(begin()).containsExactly(new Action.Kill(1, 1, "gave no sign of life for 5 s"));
        lost(1, 1);
        assertThat(seen.failedStarts()).as("it had been ready").isZero();
    }
}
