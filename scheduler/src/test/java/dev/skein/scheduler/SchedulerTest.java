package dev.skein.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.GroupState;
import dev.skein.scheduler.lifecycle.Policy;
import dev.skein.scheduler.rollout.Deployment;
import dev.skein.scheduler.rollout.Needs;
import dev.skein.scheduler.rollout.Strategy;
import dev.skein.scheduler.rollout.Template;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class SchedulerTest {

    private final FakeSubstrate substrate = new FakeSubstrate();
    private final GroupStore store = new GroupStore();
    private final Policy policy = new Policy(1, 10, 2, 2, 60_000, 60_000, 60_000);
    private final Scheduler scheduler = new Scheduler(substrate, store, new Random(1));
    private final Template template = new Template("model", 1, "{}", new Needs(1, 0), policy);
    private final Deployment one = new Deployment("g", List.of(), template, 1, Strategy.DEFAULT, false);

    @AfterEach
    void close() {
        scheduler.close();
        store.close();
    }

    @Test
    void startsAgainAfterALossAndGivesUpAfterTwo() throws Exception {
        scheduler.apply(one);
        assertThat(substrate.next()).isEqualTo("start 0.1");
        substrate.happens(new Event.Ready(0, 1, ""));
        substrate.happens(new Event.Exited(0, 1, "killed", false));
        assertThat(substrate.next()).isEqualTo("start 0.2");
        BlockingQueue<GroupStatus> seen = watch();
        substrate.happens(new Event.Exited(0, 2, "killed again", false));
        GroupStatus failed = await(seen, GroupState.FAILED);
        assertThat(failed.reason()).isEqualTo("killed again");
        assertThat(failed.observed().restarts()).isEqualTo(1);
        scheduler.apply(one);
        assertThat(substrate.next()).isEqualTo("start 0.3");
    }

    @Test
    void takesOverGroupsThatRunAndCanGoBackToTheTemplateBefore() throws Exception {
        Template newer = new Template("model", 1, "newer", new Needs(1, 0), policy);
        Wish wish = new Wish(one.withTemplate(newer), 4, List.of(template), 1);
        Scheduler.Running running = new Scheduler.Running(0, newer.key(), List.of("here"), Map.of(0, 5L));
        DeploymentStatus status = scheduler.adopt(wish, List.of(running)).get(30, TimeUnit.SECONDS);
        assertThat(substrate.next()).isEqualTo("start 0.5");
        assertThat(status.revision()).isEqualTo(4);
        DeploymentStatus undone = scheduler.undo("g").get(30, TimeUnit.SECONDS);
        assertThat(undone.revision()).isEqualTo(5);
        assertThat(undone.deployment().template()).isEqualTo(template);
        assertThat(undone.earlier()).containsExactly(newer);
    }

    @Test
    void drainsAndKillsWhatDoesNotEnd() throws Exception {
        scheduler.apply(one);
        assertThat(substrate.next()).isEqualTo("start 0.1");
        substrate.happens(new Event.Ready(0, 1, ""));
        var gone = scheduler.drain(20);
        assertThat(substrate.next()).isEqualTo("drain 0.1");
        assertThat(substrate.next()).isEqualTo("kill 0.1");
        assertThat(gone).isNotDone();
        substrate.happens(new Event.Exited(0, 1, "killed", false));
        gone.get(30, TimeUnit.SECONDS);
        assertThat(substrate.asked).isEmpty();
    }

    @Test
    void theStoreHoldsTheNewestPictureAndHasNoNetwork() throws Exception {
        scheduler.apply(one);
        substrate.next();
        substrate.happens(new Event.Listening(0, 1, 4711));
        await(watch(), GroupState.WARMING);
        store.open();
        StoredGroup row = store.all().get(60, TimeUnit.SECONDS).getFirst();
        assertThat(row.state()).isEqualTo("WARMING");
        assertThat(row.deployment()).isEqualTo("g");
        assertThat(row.ports()).containsExactly(4711);
        assertThat(Thread.getAllStackTraces().keySet())
                .extracting(Thread::getName)
                .noneMatch(name -> name.contains("IO.thread"))
                .anyMatch(name -> name.startsWith("hz.skein"));
    }

    @Test
    void anUpdateWarmsTheNewGroupThenDrainsTheOld() throws Exception {
        scheduler.apply(one);
        assertThat(substrate.nextStarted()).isEqualTo("g-0");
        substrate.ready("g-0");
        Template other = new Template("model", 1, "other", new Needs(1, 0), policy);
        DeploymentStatus begun = scheduler.apply(one.withTemplate(other)).get(30, TimeUnit.SECONDS);
        assertThat(begun.revision()).isEqualTo(2);
        assertThat(begun.complete()).isFalse();
        assertThat(substrate.nextStarted()).isEqualTo("g-1");
        substrate.asked.clear();
        substrate.ready("g-1");
        assertThat(substrate.next()).isEqualTo("drain 0.1");
        substrate.exited("g-0");
        assertThat(status()).satisfies(done -> {
            assertThat(done.complete()).isTrue();
            assertThat(done.updatedReady()).isEqualTo(1);
        });
        DeploymentStatus back = scheduler.undo("g").get(30, TimeUnit.SECONDS);
        assertThat(back.deployment().template()).isEqualTo(template);
        assertThat(back.revision()).isEqualTo(3);
        assertThat(substrate.nextStarted()).isEqualTo("g-0");
    }

    @Test
    void scalesToNothingAndBack() throws Exception {
        scheduler.apply(one);
        assertThat(substrate.nextStarted()).isEqualTo("g-0");
        substrate.ready("g-0");
        scheduler.scale("g", 0);
        substrate.exited("g-0");
        assertThat(status().complete()).isTrue();
        scheduler.scale("g", 2);
        assertThat(substrate.nextStarted()).isEqualTo("g-0");
        assertThat(substrate.nextStarted()).isEqualTo("g-1");
        assertThatThrownBy(() -> scheduler.scale("h", 1).get(30, TimeUnit.SECONDS))
                .hasCauseInstanceOf(SchedulerException.class)
                .hasMessageContaining("there is no deployment h; there is g");
        assertThatThrownBy(() -> scheduler.undo("g").get(30, TimeUnit.SECONDS)).hasMessageContaining("one revision");
    }

    @Test
    void sleepsWhenThereIsNothingToDoAndWakesWhenAsked() throws Exception {
        scheduler.apply(one.withScaleToZero(1));
        assertThat(substrate.next()).isEqualTo("start 0.1");
        substrate.ready("g-0");
        substrate.happens(new Event.Step(0, 1, 7, 0));
        Thread.sleep(20);
        substrate.happens(new Event.Step(0, 1, 7, 0));
        assertThat(substrate.next()).isEqualTo("drain 0.1");
        substrate.exited("g-0");
        assertThat(status()).satisfies(slept -> {
            assertThat(slept.asleep()).isTrue();
            assertThat(slept.complete()).isTrue();
            assertThat(slept.deployment().replicas()).isEqualTo(1);
        });
        substrate.started.clear();
        assertThat(scheduler.wake("g").get(30, TimeUnit.SECONDS).asleep()).isFalse();
        assertThat(substrate.nextStarted()).isEqualTo("g-0");
        scheduler.wake("g").get(30, TimeUnit.SECONDS);
        assertThat(substrate.started).isEmpty();
    }

    @Test
    void whatIsScaledToNothingByHandIsNotWoken() throws Exception {
        scheduler.apply(one.withScaleToZero(60_000).withReplicas(0));
        DeploymentStatus asked = scheduler.wake("g").get(30, TimeUnit.SECONDS);
        assertThat(asked.complete()).isTrue();
        assertThat(asked.asleep()).isFalse();
        assertThat(substrate.started).isEmpty();
    }

    @Test
    void aGroupWithoutRoomWaitsForOneThatGoesAndSaysWhy() throws Exception {
        substrate.room = 1;
        scheduler.apply(one.withReplicas(2));
        assertThat(substrate.nextStarted()).isEqualTo("g-0");
        substrate.ready("g-0");
        assertThat(await(watch(), GroupState.PENDING).reason()).isEqualTo("1 of 1 taken");
        assertThat(scheduler.why("g-1").get(30, TimeUnit.SECONDS))
                .contains("1 of 1 taken")
                .first()
                .asString()
                .startsWith("group g-1 is pending");
        Deployment more = new Deployment("h", List.of(), template, 1, Strategy.DEFAULT, false);
        scheduler.apply(more);
        scheduler.scale("g", 0);
        substrate.exited("g-0");
        assertThat(substrate.nextStarted()).isEqualTo("h-0");
    }

    private DeploymentStatus status() throws Exception {
        return scheduler.status("g").get(30, TimeUnit.SECONDS);
    }

    private BlockingQueue<GroupStatus> watch() {
        BlockingQueue<GroupStatus> seen = new LinkedBlockingQueue<>();
        scheduler.watch(all -> seen.addAll(all.groups()));
        return seen;
    }

    private static GroupStatus await(BlockingQueue<GroupStatus> seen, GroupState state) throws InterruptedException {
        while (true) {
            GroupStatus next = seen.poll(30, TimeUnit.SECONDS);
            assertThat(next).as("waiting for %s", state).isNotNull();
            if (next.state() == state) {
                return next;
            }
        }
    }
}
