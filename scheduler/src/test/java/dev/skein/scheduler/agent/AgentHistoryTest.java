package dev.skein.scheduler.agent;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.scheduler.rollout.Needs;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// Generated histories of a cluster: calls and answers are lost, late, doubled and out of order, links are cut in
/// one direction or both, agents and drivers end and come back, clocks run apart, people scale. Of up to five agents
/// up to three vote and have a driver, the others only follow. [OwnerChecker] sees only what processes run.
class AgentHistoryTest {
    private static final int HISTORIES = Integer.getInteger("skein.histories", 4_000);

    @Test
    void everyHistoryKeepsTheRules() {
        long seed = Long.getLong("skein.seed", System.nanoTime());
        System.out.println("AgentHistoryTest -Dskein.seed=" + seed);
        Random seeds = new Random(seed);
        Map<String, Long> counts = new TreeMap<>();
        for (int i = 0; i < HISTORIES; i++) {
            long one = seeds.nextLong();
            History history = new History(one);
            try {
                history.run();
            } catch (AssertionError | RuntimeException broken) {
                throw new AssertionError("history " + one + " at " + history.now + ": " + broken.getMessage(), broken);
            }
            history.counts.forEach((what, count) -> counts.merge(what, count, Long::sum));
        }
        System.out.println("AgentHistoryTest histories=" + HISTORIES + " " + counts);
        assertThat(counts.get("started")).as("ranks run").isGreaterThan(2L * HISTORIES);
        assertThat(counts.get("moved")).as("groups are placed anew").isGreaterThan(HISTORIES / 10);
        assertThat(counts.get("drivers")).as("drivers change").isGreaterThan(HISTORIES);
        assertThat(counts.get("regained"))
                .as("drivers lose their majority and get it back")
                .isGreaterThan(HISTORIES / 100);
        assertThat(counts.get("ranks with GPUs")).as("ranks own GPUs").isGreaterThan(HISTORIES / 2);
        assertThat(counts.get("ranks where nobody votes"))
                .as("ranks run on machines that only follow")
                .isGreaterThan(HISTORIES / 2);
    }

    /// A clock of its own: begins anywhere, runs a little fast or slow.
    private record Clock(long offset, double rate) {
        static Clock any(Random random) {
            return new Clock(random.nextInt(1_000_000), 0.97 + 0.06 * random.nextDouble());
        }

        long at(long now) {
            return offset + (long) (now * rate);
        }
    }

    private static final class Host {
        final Machine machine;
        Clock clock;

        @Nullable
        Ledger ledger;

        Ledger.Kept disk = Ledger.Kept.NOTHING;
        long upAt;

        Host(Machine machine, Clock clock) {
            this.machine = machine;
            this.clock = clock;
        }
    }

    private static final class Seat {
        @Nullable
        Driver driver;

        Clock clock;
        long upAt;
        boolean held;
        boolean led;
        String name = "";

        Seat(Clock clock) {
            this.clock = clock;
        }
    }

    private record Event(long at, long order, Runnable what) {}

    private static final class History {
        static final long TICK = 10;
        static final int LATEST = 2_000;
        final Random random;
        final Times times;
        final List<Host> hosts = new ArrayList<>();
        final List<Seat> seats = new ArrayList<>();
        final PriorityQueue<Event> events =
                new PriorityQueue<>(Comparator.comparingLong(Event::at).thenComparingLong(Event::order));
        final OwnerChecker checker = new OwnerChecker();
        final Map<String, Shape> wants = new TreeMap<>();
        final Map<String, Long> counts = new HashMap<>();
        final boolean[][] cut;
        final boolean[][] cutBack;
        final int faultsUntil;
        final double loss;
        final double late;
        long now;
        long order;
        long lives;

        History(long seed) {
            random = new Random(seed);
            times = new Times(300, random.nextInt(6) == 0 ? 0 : 500, 200, 40);
            int agents = 1 + random.nextInt(5);
            int voters = 1 + random.nextInt(Math.min(3, agents));
            for (int i = 0; i < agents; i++) {
                Machine machine = new Machine(
                        "m" + i,
                        Map.of("rack", "r" + random.nextInt(2)),
                        new Devices(random.ints(4, 0, 2).boxed().toList(), 100, gpus()));
                hosts.add(new Host(machine, Clock.any(random)));
                if (i < voters) {
                    seats.add(new Seat(Clock.any(random)));
                }
            }
            cut = new boolean[agents][agents];
            cutBack = new boolean[agents][agents];
            faultsUntil = random.nextInt(2_500);
            loss = random.nextInt(3) * 0.1;
            late = random.nextInt(3) * 0.1;
            int cores = 4 * agents;
            for (int i = 0; cores > 0 && i < 3; i++) {
                int size = 1 + random.nextInt(Math.min(4, cores));
                int tensor = size % 2 == 0 && random.nextBoolean() ? 2 : 1;
                wants.put("g" + i, new Shape(size, tensor, new Needs(1, random.nextInt(20))));
                cores -= size;
            }
            int cards = hosts.stream()
                    .mapToInt(host -> host.machine.devices().gpus().size())
                    .sum();
            if (cards > 0) {
                wants.put("gpu", new Shape(1 + random.nextInt(cards), 1, new Needs(0, 0, 1, 8)));
            }
        }

        List<Gpu> gpus() {
            return IntStream.range(0, random.nextInt(3))
                    .mapToObj(number -> new Gpu("" + number, "card", 8 + random.nextInt(2)))
                    .toList();
        }

        void count(String what) {
            counts.merge(what, 1L, Long::sum);
        }

        void run() {
            for (Host host : hosts) {
                start(host);
            }
            for (Seat seat : seats) {
                start(seat);
            }
            while (now < faultsUntil) {
                tick();
                fault();
            }
            heal();
            long healed = now;
            long bound = now + LATEST + 12 * (times.promiseMillis() + times.fenceMillis());
            while (!converged()) {
                tick();
                assertThat(now)
                        .as(() -> "converges: " + wants + " runs " + checker.running() + " claims "
                                + hosts.stream().map(host -> claims(host)).toList() + " why "
                                + seats.stream().map(seat -> why(seat)).toList())
                        .isLessThan(bound);
            }
            counts.put("milliseconds to converge", now - healed);
            long ended = checker.ended();
            long stable = now + 2 * times.promiseMillis();
            while (now < stable) {
                tick();
            }
            assertThat(checker.ended()).as("nothing ends without a fault").isEqualTo(ended);
            counts.put("started", checker.started());
            counts.put("moved", checker.moved());
        }

        String claims(Host host) {
            return host.ledger == null
                    ? "down"
                    : host.ledger.describe(host.clock.at(now)).claims().toString();
        }

        String why(Seat seat) {
            Driver driver = seat.driver;
            return driver == null
                    ? "down"
                    : driver.holds(seat.clock.at(now)) + " "
                            + wants.keySet().stream().map(driver::reasons).toList();
        }

        void start(Host host) {
            host.clock = Clock.any(random);
            host.ledger = new Ledger(host.machine, times, host.disk, host.clock.at(now));
            host.disk = host.ledger.kept();
        }

        void start(Seat seat) {
            seat.clock = Clock.any(random);
            seat.held = false;
            seat.led = false;
            seat.name = "d" + lives++;
            List<String> names = hosts.stream().map(host -> host.machine.name()).toList();
            seat.driver = new Driver(
                    seat.name,
                    names.subList(0, seats.size()),
                    names.subList(seats.size(), names.size()),
                    times,
                    new Random(random.nextLong()),
                    seat.clock.at(now));
            seat.driver.named(true);
        }

        void tick() {
            now += TICK;
            while (!events.isEmpty() && events.peek().at() <= now) {
                events.poll().what().run();
            }
            for (int i = 0; i < seats.size(); i++) {
                drive(i, seats.get(i));
            }
            assertThat(seats.stream().filter(seat -> seat.held).count())
                    .as("drivers at " + now)
                    .isLessThan(2);
            for (Host host : hosts) {
                tend(host);
            }
        }

        void drive(int index, Seat seat) {
            Driver driver = seat.driver;
            if (driver == null) {
                if (now >= seat.upAt) {
                    start(seat);
                }
                return;
            }
            long clock = seat.clock.at(now);
            boolean held = driver.holds(clock);
            if (held && !seat.held) {
                count(seat.led ? "regained" : "drivers");
            }
            seat.held = held;
            seat.led = driver.leads();
            if (listensToAnother(hosts.get(index), seat)) {
                driver.defer(clock);
            }
            List.of("g0", "g1", "g2", "gpu").forEach(group -> {
                Shape shape = wants.get(group);
                if (shape == null) {
                    driver.unwant(group);
                } else {
                    driver.want(group, shape);
                }
            });
            for (Call call : driver.due(clock)) {
                send(index, seat, call, clock);
            }
            wants.keySet()
                    .forEach(group -> driver.placed(group)
                            .ifPresent(decision -> decision.ranks()
                                    .forEach((agent, ranks) -> ranks.forEach(rank -> {
                                        if (random.nextInt(4) == 0) {
                                            long term = driver.term();
                                            travel(
                                                    cut[index][number(agent)],
                                                    () -> startRank(agent, term, group, decision.epoch(), rank));
                                        }
                                    }))));
        }

        boolean listensToAnother(Host host, Seat seat) {
            Ledger ledger = host.ledger;
            return ledger != null
                    && ledger.steered(host.clock.at(now))
                    && !ledger.kept().driver().equals(seat.name);
        }

        void send(int index, Seat seat, Call call, long sentAt) {
            int to = number(call.agent());
            Driver driver = seat.driver;
            travel(cut[index][to], () -> {
                Host host = hosts.get(to);
                Ledger ledger = host.ledger;
                if (ledger != null) {
                    Answer answer = ledger.answer(call, host.clock.at(now));
                    host.disk = ledger.kept();
                    travel(cutBack[index][to], () -> {
                        if (driver != null && seat.driver == driver) {
                            driver.answered(call, sentAt, answer, seat.clock.at(now));
                        }
                    });
                }
            });
        }

        /// A link that is cut loses most and delays the rest.
        void travel(boolean broken, Runnable what) {
            boolean calm = now >= faultsUntil;
            if (!calm && random.nextDouble() < (broken ? 0.95 : loss)) {
                count("lost");
                return;
            }
            boolean slow = !calm && (broken || random.nextDouble() < late);
            events.add(new Event(now + 1 + random.nextInt(slow ? LATEST : 15), order++, what));
            if (!calm && random.nextInt(20) == 0) {
                events.add(new Event(now + 1 + random.nextInt(LATEST), order++, what));
            }
        }

        void startRank(String agent, long term, String group, long epoch, int rank) {
            Host host = hosts.get(number(agent));
            Ledger ledger = host.ledger;
            if (ledger != null
                    && ledger.refusal(term, group, epoch, rank, host.clock.at(now))
                            .isEmpty()) {
                Claim claim = ledger.describe(host.clock.at(now)).claims().stream()
                        .filter(each -> each.group().equals(group))
                        .findFirst()
                        .orElseThrow();
                checker.started(agent, claim, rank);
                assertThat(ledger.gpus(group, rank)).hasSize(group.equals("gpu") ? 1 : 0);
                if (group.equals("gpu")) {
                    count("ranks with GPUs");
                }
                if (number(agent) >= seats.size()) {
                    count("ranks where nobody votes");
                }
            }
        }

        /// Ends what is due, and tells the ledger once it has ended.
        void tend(Host host) {
            Ledger ledger = host.ledger;
            if (ledger == null) {
                if (now >= host.upAt) {
                    start(host);
                }
                return;
            }
            for (Claim claim : ledger.due(host.clock.at(now))) {
                checker.ended(host.machine.name(), claim.group());
                if (random.nextInt(3) > 0) {
                    ledger.ended(claim.group(), claim.epoch());
                }
            }
            host.disk = ledger.kept();
        }

        void fault() {
            if (random.nextInt(12) > 0) {
                return;
            }
            int i = random.nextInt(hosts.size());
            int j = random.nextInt(hosts.size());
            switch (random.nextInt(8)) {
                case 0 -> {
                    Host host = hosts.get(i);
                    host.ledger = null;
                    host.upAt = now + random.nextInt(1_500);
                    checker.died(host.machine.name());
                    count("agents died");
                }
                case 1 -> {
                    Seat seat = seats.get(random.nextInt(seats.size()));
                    seat.driver = null;
                    seat.held = false;
                    seat.upAt = now + random.nextInt(1_500);
                }
                case 2 -> cut[i][j] = !cut[i][j];
                case 3 -> cutBack[i][j] = !cutBack[i][j];
                case 4, 5 -> isolate(i, true);
                case 6 -> isolate(i, false);
                default -> {
                    if (random.nextInt(4) == 0) {
                        scale();
                    }
                }
            }
        }

        /// Cuts a machine off from all others, or joins it again.
        void isolate(int machine, boolean off) {
            for (int i = 0; i < hosts.size(); i++) {
                if (i != machine) {
                    cut[i][machine] = off;
                    cutBack[i][machine] = off;
                    cut[machine][i] = off;
                    cutBack[machine][i] = off;
                }
            }
            count(off ? "cut off" : "joined");
        }

        void scale() {
            String group = "g" + random.nextInt(3);
            Shape shape = wants.remove(group);
            int taken = wants.values().stream().mapToInt(Shape::size).sum();
            if (shape == null && taken < 4 * hosts.size()) {
                wants.put(group, new Shape(1, 1, new Needs(1, 5)));
            }
        }

        void heal() {
            for (int i = 0; i < hosts.size(); i++) {
                isolate(i, false);
                cut[i][i] = false;
                cutBack[i][i] = false;
            }
            hosts.forEach(host -> host.upAt = Math.min(host.upAt, now));
            seats.forEach(seat -> seat.upAt = Math.min(seat.upAt, now));
        }

        /// All runs as wanted, one driver knows it, and nothing from the time of the faults is still on its way.
        boolean converged() {
            Map<String, List<Integer>> wanted = wants.entrySet().stream()
                    .collect(Collectors.toMap(
                            Map.Entry::getKey,
                            entry -> IntStream.range(0, entry.getValue().size())
                                    .boxed()
                                    .toList()));
            return checker.running().equals(wanted)
                    && now > faultsUntil + LATEST
                    && seats.stream()
                            .anyMatch(seat -> seat.held
                                    && seat.driver != null
                                    && wants.keySet().stream()
                                            .allMatch(group ->
                                                    seat.driver.placed(group).isPresent()));
        }

        int number(String agent) {
            return Integer.parseInt(agent.substring(1));
        }
    }

    /// Knows only which processes run where, with which cores, and what may not be.
    private static final class OwnerChecker {
        private record Process(
                String machine, String group, long epoch, int rank, List<Integer> cores, List<String> gpus) {}

        private final List<Process> processes = new ArrayList<>();
        private final Map<String, Long> epochs = new HashMap<>();
        private long started;
        private long ended;
        private long moved;

        void started(String machine, Claim claim, int rank) {
            Process process =
                    new Process(machine, claim.group(), claim.epoch(), rank, claim.cores(), claim.gpusOf(rank));
            if (processes.contains(process)) {
                return;
            }
            for (Process other : processes) {
                boolean same = other.group().equals(process.group());
                assertThat(same && (other.epoch() != process.epoch() || other.rank() == process.rank()))
                        .as(() -> "two of one group: " + other + " and " + process)
                        .isFalse();
                assertThat(!same
                                && other.machine().equals(machine)
                                && !Collections.disjoint(other.cores(), process.cores()))
                        .as(() -> "two owners: " + other + " and " + process)
                        .isFalse();
                assertThat(other.machine().equals(machine) && !Collections.disjoint(other.gpus(), process.gpus()))
                        .as(() -> "two owners of a GPU: " + other + " and " + process)
                        .isFalse();
            }
            Long before = epochs.put(process.group(), process.epoch());
            assertThat(before == null ? 0 : before).as("epochs grow").isLessThanOrEqualTo(process.epoch());
            moved += before != null && before < process.epoch() ? 1 : 0;
            processes.add(process);
            started++;
        }

        void ended(String machine, String group) {
            int before = processes.size();
            processes.removeIf(process ->
                    process.machine().equals(machine) && process.group().equals(group));
            ended += before - processes.size();
        }

        void died(String machine) {
            processes.removeIf(process -> process.machine().equals(machine));
        }

        Map<String, List<Integer>> running() {
            return processes.stream()
                    .collect(Collectors.groupingBy(
                            Process::group,
                            Collectors.collectingAndThen(
                                    Collectors.mapping(Process::rank, Collectors.toList()),
                                    ranks -> ranks.stream().sorted().toList())));
        }

        long started() {
            return started;
        }

        long ended() {
            return ended;
        }

        long moved() {
            return moved;
        }
    }
}
