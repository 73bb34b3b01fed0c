package dev.skein.scheduler.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LifecycleTest {
    private static final Policy POLICY = new Policy(100, 10_000, 4, 6, 60_000, 1_000, 5_000);
    private static final Desired ONE = Desired.serving(new GroupSpec("g", "model", 1, ""));

    private final Random random = new Random(1);

    @Test
    void aGroupPassesThroughItsStates() {
        Observed seen = Observed.nothing(1);
        assertThat(Lifecycle.state(ONE, seen)).isEqualTo(GroupState.PENDING);
        assertThat(actions(ONE, seen, 0)).containsExactly(new Action.Place());
        seen = seen.placed(List.of("here"));
        assertThat(Lifecycle.state(ONE, seen)).isEqualTo(GroupState.PLACED);
        assertThat(actions(ONE, seen, 0)).containsExactly(new Action.Start(0, 1));
        seen = seen.begun(new Action.Start(0, 1), 0);
        assertThat(Lifecycle.state(ONE, seen)).isEqualTo(GroupState.STARTING);
        seen = after(seen, new Event.Spawned(0, 1, 77, "secret"), 1);
        seen = after(seen, new Event.Listening(0, 1, 9000), 2);
        assertThat(Lifecycle.state(ONE, seen)).isEqualTo(GroupState.WARMING);
        seen = after(seen, new Event.Ready(0, 1, "warm"), 3);
        assertThat(Lifecycle.state(ONE, seen)).isEqualTo(GroupState.READY);
        assertThat(seen.leader()).isEqualTo(new Rank(0, Phase.READY, 1, 3, "here", 9000, 77, "secret", "warm"));
        Desired leaving = ONE.draining(2_000);
        assertThat(actions(leaving, seen, 10)).containsExactly(new Action.Drain(0, 1));
        seen = seen.begun(new Action.Drain(0, 1), 10);
        assertThat(Lifecycle.state(leaving, seen)).isEqualTo(GroupState.DRAINING);
        seen = after(seen, new Event.Exited(0, 1, "done", false), 20);
        assertThat(Lifecycle.state(leaving, seen)).isEqualTo(GroupState.GONE);
        assertThat(seen.quickFailures()).isZero();
    }

    @Test
    void aKilledWorkerStartsAgainAfterAShortWait() {
        Observed seen = after(ready(0), new Event.Exited(0, 1, "killed by signal 9", false), 100_000);
        Decision wait = Lifecycle.decide(ONE, seen, POLICY, 100_000);
        assertThat(wait.actions()).isEmpty();
        assertThat(wait.wakeAt()).isBetween(100_050L, 100_100L);
        assertThat(Lifecycle.state(ONE, seen)).isEqualTo(GroupState.PLACED);
        assertThat(seen.reason()).isEqualTo("killed by signal 9");
        assertThat(actions(ONE, seen, wait.wakeAt())).containsExactly(new Action.Start(0, 2));
        assertThat(seen.begun(new Action.Start(0, 2), wait.wakeAt()).restarts()).isEqualTo(1);
    }

    @Test
    void failedStartsWaitLongerAndEndInFailed() {
        Observed seen = Observed.nothing(1).placed(List.of("here"));
        long now = 0;
        for (int failure = 1; failure <= 4; failure++) {
            seen = seen.begun(new Action.Start(0, failure), now);
            seen = after(seen, new Event.Exited(0, failure, "no memory", false), now);
            assertThat(seen.retryAt() - now).isBetween(50L << failure - 1, 100L << failure - 1);
            assertThat(seen.failed()).isEqualTo(failure == 4);
            now = seen.retryAt();
        }
        assertThat(Lifecycle.state(ONE, seen)).isEqualTo(GroupState.FAILED);
        assertThat(seen.reason()).isEqualTo("no memory");
        assertThat(Lifecycle.decide(ONE, seen, POLICY, now + 1_000_000))
                .isEqualTo(new Decision(List.of(), Decision.NEVER));
    }

    @Test
    void aRankThatCrashesAtWorkIsStartedMoreOften() {
        Observed crashing = crashed(5);
        assertThat(crashing.quickFailures()).isEqualTo(5);
        assertThat(crashing.failedStarts()).isZero();
        assertThat(crashing.failed()).isFalse();
        Observed again = readied(crashing, 6, 10);
        assertThat(after(again, new Event.Exited(0, 6, "crash", false), 60_009).failed())
                .isTrue();
    }

    @Test
    void aRankThatWorkedForAWhileStartsTheCountAnew() {
        Observed stable = readied(crashed(5), 6, 10);
        Observed lost = after(stable, new Event.Exited(0, 6, "crash", false), 60_010);
        assertThat(lost.quickFailures()).isEqualTo(1);
        assertThat(lost.failed()).isFalse();
    }

    private Observed crashed(int times) {
        Observed seen = ready(0);
        for (int incarnation = 1; incarnation <= times; incarnation++) {
            seen = incarnation == 1 ? seen : readied(seen, incarnation, 10);
            seen = after(seen, new Event.Exited(0, incarnation, "crash", false), 10);
        }
        return seen;
    }

    private Observed readied(Observed seen, long incarnation, long now) {
        return after(seen.begun(new Action.Start(0, incarnation), now), new Event.Ready(0, incarnation, ""), now);
    }

    @Test
    void aHopelessFailureIsNotTriedAgain() {
        Observed seen = Observed.nothing(1).placed(List.of("here")).begun(new Action.Start(0, 1), 0);
        seen = after(seen, new Event.Exited(0, 1, "the file ends early", true), 5);
        assertThat(Lifecycle.state(ONE, seen)).isEqualTo(GroupState.FAILED);
    }

    @Test
    void slowProcessesAreKilledAndTheReasonSaysSo() {
        Observed starting = Observed.nothing(1).placed(List.of("here")).begun(new Action.Start(0, 1), 0);
        assertThat(Lifecycle.decide(ONE, starting, POLICY, 999).wakeAt()).isEqualTo(1_000);
        Action.Kill kill = new Action.Kill(0, 1, "did not answer after 1 s");
        assertThat(actions(ONE, starting, 1_000)).containsExactly(kill);
        Observed killed = after(starting.begun(kill, 1_000), new Event.Exited(0, 1, "signal 9", false), 1_001);
        assertThat(killed.reason()).isEqualTo("did not answer after 1 s");

        Observed warming = after(starting, new Event.Listening(0, 1, 1), 10);
        assertThat(actions(ONE, warming, 5_010)).containsExactly(new Action.Kill(0, 1, "was not ready after 5 s"));

        Desired leaving = ONE.draining(3_000);
        Observed draining = ready(0).begun(new Action.Drain(0, 1), 100);
        assertThat(Lifecycle.decide(leaving, draining, POLICY, 200).wakeAt()).isEqualTo(3_100);
        assertThat(actions(leaving, draining, 3_100))
                .containsExactly(new Action.Kill(0, 1, "had not drained after 3 s"));
    }

    @Test
    void theLeaderStartsFirst() {
        Desired three = Desired.serving(new GroupSpec("g", "model", 3, ""));
        Observed seen = Observed.nothing(3).placed(List.of("a", "b", "c"));
        assertThat(actions(three, seen, 0)).containsExactly(new Action.Start(0, 1));
        seen = seen.begun(new Action.Start(0, 1), 0);
        assertThat(actions(three, seen, 0)).isEmpty();
        seen = after(seen, new Event.Listening(0, 1, 9), 1);
        assertThat(actions(three, seen, 1)).containsExactly(new Action.Start(1, 1), new Action.Start(2, 1));
        assertThatThrownBy(() -> Observed.nothing(3).placed(List.of("a"))).hasMessageContaining("1 hosts for 3 ranks");
    }

    @Test
    void newsOfAnEarlierProcessIsDropped() {
        Observed seen = after(ready(0), new Event.Exited(0, 1, "crash", false), 10);
        seen = seen.begun(new Action.Start(0, 2), 200);
        assertThat(after(seen, new Event.Ready(0, 1, "late"), 201)).isEqualTo(seen);
        assertThat(after(seen, new Event.Exited(0, 1, "again", true), 201)).isEqualTo(seen);
    }

    @Test
    void secretsStayOutOfText() {
        assertThat(ready(0).toString() + new Event.Spawned(0, 1, 7, "secret")).doesNotContain("secret");
    }

    private Observed ready(long now) {
        Observed seen = Observed.nothing(1).placed(List.of("here")).begun(new Action.Start(0, 1), now);
        seen = after(seen, new Event.Spawned(0, 1, 7, "secret"), now);
        return after(after(seen, new Event.Listening(0, 1, 9), now), new Event.Ready(0, 1, ""), now);
    }

    private Observed after(Observed seen, Event event, long now) {
        return seen.after(event, POLICY, now, random);
    }

    private static List<Action> actions(Desired desired, Observed seen, long now) {
        return Lifecycle.decide(desired, seen, POLICY, now).actions();
    }
}
