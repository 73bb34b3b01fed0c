package dev.skein.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.GroupSpec;
import dev.skein.scheduler.lifecycle.GroupState;
import dev.skein.scheduler.lifecycle.Policy;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class SchedulerTest {
    private static final GroupSpec SPEC = new GroupSpec("g", "model", 1, "{}");

    private final FakeSubstrate substrate = new FakeSubstrate();
    private final GroupStore store = new GroupStore();
    private final Policy policy = new Policy(1, 10, 2, 2, 60_000, 60_000, 60_000);
    private final Scheduler scheduler = new Scheduler(substrate, store, policy, new Random(1));

    @AfterEach
    void close() {
        scheduler.close();
        store.close();
    }

    @Test
    void startsAgainAfterALossAndGivesUpAfterTwo() throws Exception {
        scheduler.serve(SPEC);
        assertThat(substrate.next()).isEqualTo("start 0.1");
        substrate.happens(new Event.Ready(0, 1, ""));
        substrate.happens(new Event.Exited(0, 1, "killed", false));
        assertThat(substrate.next()).isEqualTo("start 0.2");
        BlockingQueue<GroupStatus> seen = watch();
        substrate.happens(new Event.Exited(0, 2, "killed again", false));
        GroupStatus failed = await(seen, GroupState.FAILED);
        assertThat(failed.reason()).isEqualTo("killed again");
        assertThat(failed.observed().restarts()).isEqualTo(1);
        scheduler.serve(SPEC);
        assertThat(substrate.next()).isEqualTo("start 0.3");
    }

    @Test
    void drainsAndKillsWhatDoesNotEnd() throws Exception {
        scheduler.serve(SPEC);
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
        scheduler.serve(SPEC);
        substrate.next();
        substrate.happens(new Event.Listening(0, 1, 4711));
        await(watch(), GroupState.WARMING);
        store.open();
        StoredGroup row = store.all().get(60, TimeUnit.SECONDS).getFirst();
        assertThat(row.state()).isEqualTo("WARMING");
        assertThat(row.ports()).containsExactly(4711);
        assertThat(Thread.getAllStackTraces().keySet())
                .extracting(Thread::getName)
                .noneMatch(name -> name.contains("IO.thread"))
                .anyMatch(name -> name.startsWith("hz.skein"));
    }

    private BlockingQueue<GroupStatus> watch() {
        BlockingQueue<GroupStatus> seen = new LinkedBlockingQueue<>();
        scheduler.watch(all -> seen.addAll(all));
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
