package dev.skein.scheduler.rollout;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.scheduler.lifecycle.Policy;
import dev.skein.scheduler.rollout.Seen.Life;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class RolloutTest {
    private static final Template ONE = new Template("m", 1, "one", Needs.NOTHING, Policy.DEFAULT);
    private static final Template TWO = new Template("m", 1, "two", Needs.NOTHING, Policy.DEFAULT);

    private final List<Seen> groups = new ArrayList<>();
    private @Nullable Pace pace;
    private Deployment deployment = new Deployment("d", List.of(), ONE, 2, Strategy.DEFAULT, false);

    private Plan decide() {
        Plan plan = Rollout.decide(deployment, pace, groups);
        pace = plan.pace();
        return plan;
    }

    private List<Step> steps() {
        return decide().steps();
    }

    private void seen(int index, Template template, Life life, int load) {
        groups.removeIf(group -> group.index() == index);
        groups.add(new Seen(index, template.key(), life, load));
    }

    private void gone(int index) {
        groups.removeIf(group -> group.index() == index);
    }

    private void running(int count) {
        decide();
        for (int i = 0; i < count; i++) {
            seen(i, ONE, Life.READY, 0);
        }
        assertThat(decide().complete()).isTrue();
    }

    @Test
    void makesWhatIsWanted() {
        assertThat(steps()).containsExactly(new Step.Create(0, ONE.key()), new Step.Create(1, ONE.key()));
    }

    @Test
    void warmsTheNewGroupBeforeAnOldOneGoes() {
        running(2);
        deployment = deployment.withTemplate(TWO);
        decide();
        assertThat(steps()).containsExactly(new Step.Create(2, TWO.key()));
        seen(2, TWO, Life.COMING, 0);
        assertThat(steps()).isEmpty();
        seen(0, ONE, Life.READY, 3);
        seen(1, ONE, Life.READY, 9);
        seen(2, TWO, Life.READY, 0);
        assertThat(steps())
                .as("the idler of the two goes")
                .extracting(step -> ((Step.Retire) step).index())
                .containsExactly(0);
        seen(0, ONE, Life.LEAVING, 3);
        assertThat(steps()).as("its place is not free").isEmpty();
        gone(0);
        assertThat(steps()).containsExactly(new Step.Create(0, TWO.key()));
        seen(0, TWO, Life.READY, 0);
        assertThat(steps())
                .as("no third new group is needed")
                .extracting(step -> ((Step.Retire) step).index())
                .containsExactly(1);
        gone(1);
        assertThat(decide()).isEqualTo(new Plan(decide().pace(), List.of(), true));
    }

    @Test
    void aBrokenGroupIsReplacedFirst() {
        running(2);
        seen(1, ONE, Life.FAILED, 0);
        deployment = new Deployment("d", List.of(), TWO, 2, new Strategy(Amount.ONE, Amount.NONE, 0, 1, 0), false);
        decide();
        assertThat(steps()).extracting(step -> ((Step.Retire) step).index()).containsExactly(1);
    }

    @Test
    void scalesDownWhoLosesLeast() {
        running(2);
        seen(0, ONE, Life.COMING, 0);
        deployment = deployment.withReplicas(1);
        assertThat(steps()).extracting(step -> ((Step.Retire) step).index()).containsExactly(0);
        gone(0);
        deployment = deployment.withReplicas(0);
        assertThat(steps()).extracting(step -> ((Step.Retire) step).index()).containsExactly(1);
        gone(1);
        assertThat(decide().complete()).isTrue();
        deployment = deployment.withReplicas(1);
        assertThat(steps()).containsExactly(new Step.Create(0, ONE.key()));
    }

    @Test
    void aPausedUpdateStandsStillAndScales() {
        running(2);
        deployment = deployment.withTemplate(TWO).withPaused(true);
        assertThat(steps()).isEmpty();
        deployment = deployment.withReplicas(3);
        assertThat(steps()).containsExactly(new Step.Create(2, ONE.key()));
        seen(2, ONE, Life.READY, 0);
        deployment = deployment.withPaused(false);
        decide();
        assertThat(steps()).containsExactly(new Step.Create(3, TWO.key()));
    }

    @Test
    void goingBackFindsTheOldGroups() {
        running(2);
        deployment = deployment.withTemplate(TWO);
        decide();
        decide();
        seen(2, TWO, Life.FAILED, 0);
        assertThat(steps()).isEmpty();
        deployment = deployment.withTemplate(ONE);
        assertThat(steps()).extracting(step -> ((Step.Retire) step).index()).containsExactly(2);
    }

    @Test
    void namesAndNumbersAreChecked() {
        assertThatThrownBy(() -> new Deployment("A b", List.of(), ONE, 1, Strategy.DEFAULT, false))
                .hasMessageContaining("'A b'");
        assertThatThrownBy(() -> deployment.withReplicas(-1)).hasMessageContaining("-1");
        assertThatThrownBy(() -> Amount.of("many")).hasMessageContaining("'many'");
        assertThatThrownBy(() -> Amount.of("101%")).hasMessageContaining("101%");
    }
}
