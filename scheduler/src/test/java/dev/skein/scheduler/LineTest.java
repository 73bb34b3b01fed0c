package dev.skein.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.scheduler.lifecycle.Action;
import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.Policy;
import dev.skein.scheduler.rollout.Deployment;
import dev.skein.scheduler.rollout.Needs;
import dev.skein.scheduler.rollout.Step;
import dev.skein.scheduler.rollout.Strategy;
import dev.skein.scheduler.rollout.Template;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// When a deployment falls asleep, on a clock of the test's own.
class LineTest {
    private static final long IDLE = 1_000;

    private final Line line = new Line(new Deployment(
                    "g",
                    List.of(),
                    new Template("model", 1, "{}", Needs.NOTHING, Policy.DEFAULT),
                    2,
                    Strategy.DEFAULT,
                    false)
            .withScaleToZero(IDLE));

    /// Both groups are ready at 0, and one has said so.
    LineTest() {
        line.wake(0);
        for (Step step : line.plan(0).steps()) {
            if (step instanceof Step.Create(int index, String key)) {
                Entry group = line.create(index, key);
                group.observed = group.observed
                        .placed(List.of("here"))
                        .begun(new Action.Start(0, 1), 0)
                        .after(new Event.Ready(0, 1, ""), Policy.DEFAULT, 0, new Random(1));
            }
        }
        says(0, 10, 0, 0);
        assertThat(line.plan(0).complete()).isTrue();
    }

    private void says(int index, long steps, int running, long now) {
        Entry group = Objects.requireNonNull(line.groups.get(index));
        group.observed = group.observed.after(new Event.Step(0, 1, steps, running), Policy.DEFAULT, now, new Random(1));
    }

    @Test
    void sleepsOnceAllItsGroupsHadNothingToDoForLongEnough() {
        says(1, 10, 0, 100);
        says(0, 10, 0, 1_050);
        assertThat(line.rest(1_050))
                .as("one group said first at 100 that it has nothing to do")
                .isFalse();
        says(1, 10, 0, 1_100);
        assertThat(line.rest(1_100)).isTrue();
        assertThat(line.status().asleep()).isTrue();
        assertThat(line.plan(1_100).steps()).hasSize(2).allMatch(step -> step instanceof Step.Retire);
        assertThat(line.rest(1_200)).as("it sleeps already").isFalse();
    }

    @Test
    void aGroupThatWorksOrSaysNothingKeepsItAwake() {
        assertThat(line.rest(5_000)).as("one group has said nothing yet").isFalse();
        says(1, 10, 3, 5_000);
        assertThat(line.rest(6_500)).as("it has sequences in hand").isFalse();
        says(1, 10, 0, 7_000);
        says(1, 11, 0, 7_900);
        assertThat(line.rest(8_100)).as("it made a step at 7900").isFalse();
        assertThat(line.rest(8_900)).isTrue();
    }

    @Test
    void wakesWithAllItsGroupsAndStaysAwakeAsLongAgain() {
        says(1, 10, 0, 0);
        assertThat(line.wake(500)).as("it did not sleep").isFalse();
        assertThat(line.rest(1_400)).isFalse();
        assertThat(line.rest(1_500)).isTrue();
        line.plan(1_500);
        line.groups.clear();
        assertThat(line.plan(2_000)).satisfies(plan -> {
            assertThat(plan.complete()).as("nothing is as wanted").isTrue();
            assertThat(plan.steps()).isEmpty();
        });
        assertThat(line.wake(9_000)).isTrue();
        assertThat(line.status().asleep()).isFalse();
        line.plan(9_000);
        assertThat(line.plan(9_000).steps()).hasSize(2).allMatch(step -> step instanceof Step.Create);
        assertThat(line.rest(99_000)).as("its groups are not there yet").isFalse();
    }

    @Test
    void withoutATimeItNeverSleepsAndWithNoGroupsWantedThereIsNothingToWake() {
        says(1, 10, 0, 0);
        line.want(line.deployment().withScaleToZero(0));
        assertThat(line.rest(1_000_000)).isFalse();
        line.want(line.deployment().withScaleToZero(IDLE).withReplicas(0));
        line.plan(1_000_000);
        line.groups.clear();
        line.plan(1_000_000);
        assertThat(line.rest(2_000_000)).isFalse();
        assertThat(line.wake(2_000_000)).isFalse();
        assertThat(line.plan(2_000_000).steps()).isEmpty();
    }
}
