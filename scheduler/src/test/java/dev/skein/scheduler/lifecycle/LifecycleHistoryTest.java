package dev.skein.scheduler.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Runs the core against a pretended substrate that loses processes, never answers, and tells its news late.
class LifecycleHistoryTest {
    private static final int HISTORIES = 20_000;

    @Test
    void everyHistoryKeepsTheRules() {
        long seed = System.nanoTime();
        System.out.println("LifecycleHistoryTest seed=" + seed);
        Random seeds = new Random(seed);
        int ready = 0;
        int failed = 0;
        for (int i = 0; i < HISTORIES; i++) {
            long one = seeds.nextLong();
            GroupState end = new History(one).run();
            ready += end == GroupState.READY ? 1 : 0;
            failed += end == GroupState.FAILED ? 1 : 0;
        }
        assertThat(ready).as("the histories are not all hopeless").isGreaterThan(HISTORIES / 10);
        assertThat(failed).as("the histories are not all harmless").isGreaterThan(HISTORIES / 100);
    }

    /// A process of the pretended substrate, and the news of it that the core has not heard yet.
    private static final class Process {
        final int rank;
        final long incarnation;
        final Deque<Event> news = new ArrayDeque<>();
        boolean alive = true;
        boolean exitTold;
        int stage;

        Process(int rank, long incarnation) {
            this.rank = rank;
            this.incarnation = incarnation;
        }

        void exit(boolean hopeless) {
            if (alive) {
                alive = false;
                news.add(new Event.Exited(rank, incarnation, "exit", hopeless));
            }
        }

        void advance() {
            if (!alive || stage == 3) {
                return;
            }
            news.add(
                    switch (stage++) {
                        case 0 -> new Event.Spawned(rank, incarnation, incarnation * 100 + rank, "t");
                        case 1 -> new Event.Listening(rank, incarnation, 1000 + rank);
                        default -> new Event.Ready(rank, incarnation, "");
                    });
        }
    }

    private static final class History {
        private final long seed;
        private final Random random;
        private final Policy policy;
        private final List<Process> processes = new ArrayList<>();
        private final List<Event> heard = new ArrayList<>();
        private final int faultiness;
        private Desired desired;
        private Observed observed;
        private long now;

        History(long seed) {
            this.seed = seed;
            random = new Random(seed);
            int size = 1 + random.nextInt(4);
            desired = Desired.serving(new GroupSpec("g", "m", size, ""));
            observed = Observed.nothing(size);
            faultiness = random.nextInt(30);
            policy = new Policy(10, 400, 4, 8, 1_000, 300, 500)
                    .withRestart(Restart.values()[random.nextInt(3)], random.nextInt(3) * 200L)
                    .withStartup(Startup.values()[random.nextInt(2)])
                    .withHeartbeat(random.nextInt(2) * 400L, random.nextInt(2) * 300L);
        }

        GroupState run() {
            for (int step = random.nextInt(120); step > 0; step--) {
                now += random.nextInt(40);
                misbehave();
                tell(random.nextInt(4));
                decide();
            }
            return settle();
        }

        private void misbehave() {
            List<Process> shuffled = new ArrayList<>(processes);
            Collections.shuffle(shuffled, random);
            for (Process process : shuffled) {
                if (random.nextInt(100) < faultiness) {
                    process.exit(random.nextInt(200) == 0);
                } else if (random.nextInt(3) > 0) {
                    process.advance();
                }
            }
            if (random.nextInt(60) == 0) {
                desired = desired.serving() ? desired.draining(random.nextInt(200)) : Desired.serving(desired.spec());
            }
        }

        /// Tells some of the news, each process's in order, now and then an old piece again.
        private void tell(int most) {
            for (int i = 0; i < most && !processes.isEmpty(); i++) {
                Process process = processes.get(random.nextInt(processes.size()));
                Event event = process.news.poll();
                if (event == null && !heard.isEmpty() && process.exitTold) {
                    event = heard.get(random.nextInt(heard.size()));
                    if (!toldExit(event)) {
                        continue;
                    }
                }
                if (event != null) {
                    hear(event);
                }
            }
        }

        private boolean toldExit(Event event) {
            return processes.stream()
                    .anyMatch(p -> p.rank == event.rank() && p.incarnation == event.incarnation() && p.exitTold);
        }

        private void hear(Event event) {
            heard.add(event);
            if (event instanceof Event.Exited) {
                processes.stream()
                        .filter(p -> p.rank == event.rank() && p.incarnation == event.incarnation())
                        .forEach(p -> p.exitTold = true);
            }
            observed = observed.after(event, policy, now, random);
        }

        private Decision decide() {
            Decision decision = Lifecycle.decide(desired, observed, policy, now);
            assertThat(Lifecycle.decide(desired, observed, policy, now))
                    .as("seed %d: asking twice", seed)
                    .isEqualTo(decision);
            for (Action action : decision.actions()) {
                carryOut(action);
            }
            Decision rest = Lifecycle.decide(desired, observed, policy, now);
            boolean progressed = decision.actions().stream().anyMatch(this::opensTheWay);
            assertThat(progressed || rest.actions().isEmpty())
                    .as("seed %d: %s left after %s", seed, rest, decision)
                    .isTrue();
            return rest.actions().isEmpty() ? rest : decide();
        }

        /// Placing makes starting due, and a drain of no length makes killing due.
        private boolean opensTheWay(Action action) {
            return action instanceof Action.Place
                    || action instanceof Action.Drain
                    || action instanceof Action.Recreate;
        }

        private void carryOut(Action action) {
            switch (action) {
                case Action.Place() ->
                    observed =
                            observed.placed(Collections.nCopies(desired.spec().size(), "here"));
                case Action.Recreate ignored -> {}
                case Action.Recover(int rank, long incarnation) -> {
                    assertThat(rank)
                            .as("seed %d: leaders are not waited for", seed)
                            .isPositive();
                    carryOut(new Action.Start(rank, incarnation));
                }
                case Action.Start(int rank, long incarnation) -> {
                    assertThat(processes)
                            .as("seed %d: one process for rank %d", seed, rank)
                            .noneMatch(p -> p.rank == rank && p.alive);
                    processes.add(new Process(rank, incarnation));
                }
                case Action.Drain(int rank, long incarnation) -> {
                    if (random.nextBoolean()) {
                        find(rank, incarnation).exit(false);
                    }
                }
                case Action.Kill(int rank, long incarnation, String ignored) ->
                    find(rank, incarnation).exit(false);
            }
            if (!(action instanceof Action.Recover)) {
                observed = observed.begun(action, now);
            }
        }

        private Process find(int rank, long incarnation) {
            return processes.stream()
                    .filter(p -> p.rank == rank && p.incarnation == incarnation)
                    .findFirst()
                    .orElseThrow();
        }

        /// No more faults: everything answers, all news is told, time passes as the core asks for it.
        private GroupState settle() {
            for (int round = 0; round < 300; round++) {
                for (Process process : List.copyOf(processes)) {
                    process.advance();
                    while (!process.news.isEmpty()) {
                        hear(process.news.poll());
                    }
                }
                Decision decision = decide();
                boolean quiet = processes.stream().allMatch(p -> p.news.isEmpty() && (!p.alive || p.stage == 3));
                if (quiet && decision.wakeAt() == Decision.NEVER) {
                    return checked();
                }
                now = quiet ? decision.wakeAt() : now + 1;
            }
            throw new AssertionError("seed " + seed + " does not settle: " + observed);
        }

        private GroupState checked() {
            GroupState state = Lifecycle.state(desired, observed);
            long alive = processes.stream().filter(p -> p.alive).count();
            switch (state) {
                case READY ->
                    assertThat(alive)
                            .as("seed %d", seed)
                            .isEqualTo(desired.spec().size());
                case GONE, FAILED -> assertThat(alive).as("seed %d", seed).isZero();
                default -> throw new AssertionError("seed " + seed + " ends " + state + ": " + observed);
            }
            return state;
        }
    }
}
