package dev.skein.scheduler.rollout;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.scheduler.lifecycle.Action;
import dev.skein.scheduler.lifecycle.Decision;
import dev.skein.scheduler.lifecycle.Desired;
import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.GroupSpec;
import dev.skein.scheduler.lifecycle.GroupState;
import dev.skein.scheduler.lifecycle.Lifecycle;
import dev.skein.scheduler.lifecycle.Observed;
import dev.skein.scheduler.lifecycle.Phase;
import dev.skein.scheduler.lifecycle.Policy;
import dev.skein.scheduler.lifecycle.Restart;
import dev.skein.scheduler.lifecycle.Startup;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// Generated histories of a deployment: processes die, hang and tell their news late, while people scale, update, pause
/// and go back. [HistoryChecker] watches.
class RolloutHistoryTest {
    private static final int HISTORIES = 100_000;

    @Test
    void everyHistoryKeepsTheRules() {
        long seed = Long.getLong("skein.seed", System.nanoTime());
        System.out.println("RolloutHistoryTest -Dskein.seed=" + seed);
        Random seeds = new Random(seed);
        int steps = 0;
        int updates = 0;
        for (int i = 0; i < HISTORIES; i++) {
            long one = seeds.nextLong();
            History history = new History(one, false);
            try {
                history.run(Integer.MAX_VALUE);
            } catch (AssertionError broken) {
                throw shrunk(one, history.moves, broken);
            }
            steps += history.steps;
            updates += history.updates;
        }
        System.out.println("RolloutHistoryTest histories=" + HISTORIES + " steps=" + steps + " updates=" + updates);
        assertThat(steps).as("groups come and go").isGreaterThan(3 * HISTORIES);
        assertThat(updates).as("some are updated").isGreaterThan(HISTORIES / 4);
    }

    /// The same history with as few moves before its end as still break a rule.
    private static AssertionError shrunk(long seed, int moves, AssertionError first) {
        for (int most = 0; most <= moves; most++) {
            try {
                new History(seed, true).run(most);
            } catch (AssertionError broken) {
                return new AssertionError("history " + seed + ", cut after " + most + " moves: " + broken.getMessage());
            }
        }
        return new AssertionError("history " + seed + ": " + first.getMessage());
    }

    /// A process, and what it did that was not heard yet.
    private static final class Process {
        final int rank;
        final long incarnation;
        final Deque<Event> news = new ArrayDeque<>();
        boolean alive = true;
        boolean hangs;
        int stage;
        long made;

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

        void advance(int running) {
            if (alive && !hangs) {
                news.add(
                        switch (stage) {
                            case 0 -> new Event.Listening(rank, incarnation, 1);
                            case 1 -> new Event.Ready(rank, incarnation, "");
                            default -> new Event.Step(rank, incarnation, ++made, running);
                        });
                stage = Math.min(stage + 1, 2);
            }
        }
    }

    private static final class Group {
        final int index;
        final Template template;
        final List<Process> processes = new ArrayList<>();
        Desired desired;
        Observed observed;

        Group(int index, Template template) {
            this.index = index;
            this.template = template;
            desired = Desired.serving(new GroupSpec("d-" + index, "m", template.size(), ""));
            observed = Observed.nothing(template.size());
        }

        GroupState state() {
            return Lifecycle.state(desired, observed);
        }

        Seen seen() {
            Seen.Life life = switch (state()) {
                case FAILED -> Seen.Life.FAILED;
                case READY -> Seen.Life.READY;
                case DRAINING, GONE -> Seen.Life.LEAVING;
                default -> Seen.Life.COMING;
            };
            return new Seen(index, template.key(), life, observed.running());
        }
    }

    private static final class History {
        private final Random random;
        private final HistoryChecker checker;
        private final Map<Integer, Group> groups = new TreeMap<>();
        private final Map<String, Template> templates = new HashMap<>();
        private final int faultiness;
        private Deployment deployment;
        private @Nullable Pace pace;
        private @Nullable Plan plan;
        private long now = 1;
        private int versions;
        int moves;
        int steps;
        int updates;

        History(long seed, boolean writing) {
            checker = new HistoryChecker(writing);
            random = new Random(seed);
            faultiness = random.nextInt(20);
            Strategy strategy = new Strategy(amount(), amount(), random.nextInt(4) == 0 ? 1 : 0, 1_000, 50);
            deployment = new Deployment("d", List.of(), template(), 1 + random.nextInt(3), strategy, false);
            told();
        }

        private Amount amount() {
            return random.nextInt(3) == 0
                    ? new Amount(random.nextInt(5) * 25, true)
                    : new Amount(random.nextInt(3), false);
        }

        private Template template() {
            Policy policy = new Policy(10, 40, 3, 6, 1_000, 300, 500)
                    .withRestart(Restart.values()[random.nextInt(3)], random.nextInt(2) * 200L)
                    .withStartup(Startup.values()[random.nextInt(2)])
                    .withHeartbeat(400, 300);
            Template made = new Template("m", 1 + random.nextInt(2), "v" + versions++, Needs.NOTHING, policy);
            templates.put(made.key(), made);
            return made;
        }

        private void told() {
            Strategy strategy = deployment.strategy();
            int n = deployment.replicas();
            checker.wants(
                    n,
                    strategy.unavailable(n),
                    strategy.surge(n),
                    strategy.partition(),
                    deployment.template().key());
        }

        void run(int most) {
            decide();
            int planned = 4 + random.nextInt(16);
            while (moves < Math.min(planned, most)) {
                moves++;
                now += random.nextInt(60);
                move();
                decide();
            }
            settle();
        }

        private void move() {
            switch (random.nextInt(24)) {
                case 0 -> change(deployment.withReplicas(random.nextInt(4)));
                case 1 -> {
                    updates++;
                    change(deployment.withTemplate(template()));
                }
                case 2 -> change(deployment.withPaused(!deployment.paused()));
                case 3 -> change(deployment.withTemplate(any(templates)));
                default -> {
                    groups.values().forEach(group -> group.processes.forEach(this::happens));
                    groups.values()
                            .forEach(group -> List.copyOf(group.processes).forEach(process -> {
                                if (random.nextInt(3) > 0) {
                                    hear(group, process, 1 + random.nextInt(2));
                                }
                            }));
                }
            }
        }

        private Template any(Map<String, Template> all) {
            return all.values().stream()
                    .skip(random.nextInt(all.size()))
                    .findFirst()
                    .orElseThrow();
        }

        private void change(Deployment to) {
            deployment = to;
            checker.note(() -> to.paused() ? "paused" : "goes on");
            told();
        }

        private void happens(Process process) {
            if (random.nextInt(100) < faultiness) {
                if (random.nextInt(3) == 0) {
                    process.hangs = true;
                } else {
                    process.exit(random.nextInt(60) == 0);
                }
            } else {
                process.advance(random.nextInt(3));
            }
        }

        private void hear(Group group, Process process, int most) {
            for (int i = 0; i < most && !process.news.isEmpty(); i++) {
                Event event = process.news.poll();
                group.observed = group.observed.after(event, group.template.policy(), now, random);
                if (event instanceof Event.Exited) {
                    checker.unready(group.index, process.rank);
                    checker.ended(group.index, process.rank);
                } else if (event instanceof Event.Ready
                        && group.observed.ranks().get(process.rank).phase() == Phase.READY) {
                    checker.readyHeard(group.index, process.rank);
                }
            }
            group.processes.removeIf(each -> !each.alive && each.news.isEmpty());
        }

        private void decide() {
            for (int round = 0; ; round++) {
                groups.values().forEach(this::advance);
                groups.values().removeIf(group -> {
                    if (group.state() == GroupState.GONE) {
                        checker.gone(group.index);
                        return true;
                    }
                    return false;
                });
                Plan next = Rollout.decide(deployment, pace, seen());
                if (!next.equals(Rollout.decide(deployment, pace, seen()))) {
                    throw checker.broken("asked twice, answered differently");
                }
                boolean moved = !next.pace().equals(pace);
                pace = next.pace();
                plan = next;
                next.steps().forEach(this::take);
                if (next.steps().isEmpty() && !moved) {
                    return;
                }
                if (round > 50) {
                    throw checker.broken("the rollout finds no rest: " + next);
                }
            }
        }

        private List<Seen> seen() {
            List<Seen> seen = new ArrayList<>();
            groups.values().forEach(group -> seen.add(group.seen()));
            return seen;
        }

        private void take(Step step) {
            steps++;
            switch (step) {
                case Step.Create(int index, String key) -> {
                    Template template = templates.get(key);
                    if (template == null) {
                        throw checker.broken("no template " + key);
                    }
                    Policy policy = template.policy();
                    boolean recreated =
                            policy.restart() == Restart.RECREATE_GROUP_ON_POD_RESTART && policy.recoverMillis() == 0;
                    checker.created(index, key, template.size(), recreated);
                    groups.put(index, new Group(index, template));
                }
                case Step.Retire(int index, String ignored) -> {
                    checker.retired(index);
                    Group group = groups.get(index);
                    if (group != null) {
                        group.desired =
                                group.desired.draining(deployment.strategy().drainMillis());
                    }
                }
            }
        }

        private void advance(Group group) {
            Decision decision = decision(group);
            for (int round = 0; !decision.actions().isEmpty(); round++) {
                if (!decision.equals(decision(group))) {
                    throw checker.broken("a group asked twice answered differently");
                }
                decision.actions().forEach(action -> carryOut(group, action));
                decision = decision(group);
                if (round > 10) {
                    throw checker.broken("group " + group.index + " finds no rest: " + decision);
                }
            }
        }

        private Decision decision(Group group) {
            return Lifecycle.decide(group.desired, group.observed, group.template.policy(), now);
        }

        private void carryOut(Group group, Action action) {
            group.observed = group.observed.begun(action, now);
            switch (action) {
                case Action.Place() -> {
                    List<String> hosts = Collections.nCopies(group.template.size(), "here");
                    checker.placed(group.index, hosts.size());
                    group.observed = group.observed.placed(hosts);
                }
                case Action.Start(int rank, long incarnation) -> start(group, rank, incarnation);
                case Action.Recover(int rank, long incarnation) -> start(group, rank, incarnation);
                case Action.Recreate(String why) -> checker.note(() -> "recreate " + group.index + ": " + why);
                case Action.Drain(int rank, long incarnation) -> {
                    checker.unready(group.index, rank);
                    if (random.nextBoolean()) {
                        end(group, rank, incarnation);
                    }
                }
                case Action.Kill(int rank, long incarnation, String why) -> {
                    checker.note(() -> "kill " + group.index + "/" + rank + ": " + why);
                    checker.unready(group.index, rank);
                    end(group, rank, incarnation);
                }
            }
        }

        private void start(Group group, int rank, long incarnation) {
            checker.started(group.index, rank);
            group.processes.add(new Process(rank, incarnation));
        }

        private static void end(Group group, int rank, long incarnation) {
            group.processes.stream()
                    .filter(process -> process.rank == rank && process.incarnation == incarnation)
                    .forEach(process -> process.exit(false));
        }

        /// No more faults; nobody pauses; what was given up is tried again; time goes on.
        private void settle() {
            change(deployment.withPaused(false));
            for (int round = 0; round < 400; round++) {
                now += 25;
                for (Group group : groups.values()) {
                    if (group.observed.failed()) {
                        group.observed = group.observed.forgiven();
                    }
                    for (Process process : List.copyOf(group.processes)) {
                        process.hangs &= round < 2;
                        process.advance(0);
                        hear(group, process, 100);
                    }
                }
                decide();
                if (plan != null && plan.complete()) {
                    checker.settled();
                    return;
                }
            }
            throw checker.broken("it does not converge: " + plan + " " + seen());
        }
    }
}
