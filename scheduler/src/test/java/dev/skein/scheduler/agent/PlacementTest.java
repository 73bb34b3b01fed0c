package dev.skein.scheduler.agent;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.scheduler.rollout.Needs;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PlacementTest {

    @Test
    void takesTheHostThatIsLeftFullest() {
        assertThat(place(2, 1, free("a", "r1", 8), free("b", "r1", 2), free("c", "r2", 3)))
                .containsExactly("b", "b");
    }

    @Test
    void staysInTheLowestDomainThatHoldsIt() {
        assertThat(place(4, 1, free("a", "r1", 3), free("b", "r2", 2), free("c", "r2", 2), free("d", "r1", 9)))
                .containsExactly("d", "d", "d", "d");
        assertThat(place(4, 1, free("a", "r1", 3), free("b", "r2", 2), free("c", "r2", 2), free("d", "r1", 2)))
                .containsExactly("b", "b", "c", "c");
    }

    @Test
    void keepsTensorParallelRanksOnOneHost() {
        assertThat(place(4, 2, free("a", "r1", 3), free("b", "r1", 3))).containsExactly("a", "a", "b", "b");
        assertThat(place(4, 4, free("a", "r1", 3), free("b", "r1", 3))).containsExactly("a", "a", "a", "b");
    }

    @Test
    void saysPerLevelWhatFallsShort() {
        Placement.Found found = Placement.place(
                new Shape(5, 1, new Needs(1, 1 << 20)), List.of(free("a", "r1", 2), free("b", "r1", 1)));
        assertThat(found.hosts()).isEmpty();
        assertThat(found.reasons())
                .containsExactly(
                        "needs 5 x 1 cores and 1 MiB",
                        "host /r1/a, the best, holds 2 of 5 ranks; free there: 2 cores and 100 MiB",
                        "rack /r1, the best, holds 3 of 5 ranks; free there: 3 cores and 200 MiB",
                        "block of 2 machines, the best, holds 3 of 5 ranks; free there: 3 cores and 200 MiB",
                        "zone of 2 machines, the best, holds 3 of 5 ranks; free there: 3 cores and 200 MiB",
                        "cluster of 2 machines, the best, holds 3 of 5 ranks; free there: 3 cores and 200 MiB");
    }

    /// Whatever the cluster: all ranks or none, none only where there is no room, never more than a machine has.
    @Test
    void placesAllRanksOrNone() {
        long seed = Long.getLong("skein.seed", System.nanoTime());
        System.out.println("PlacementTest -Dskein.seed=" + seed);
        Random random = new Random(seed);
        for (int i = 0; i < 20_000; i++) {
            List<Placement.Free> machines = new ArrayList<>();
            int count = 1 + random.nextInt(6);
            for (int m = 0; m < count; m++) {
                machines.add(free("m" + m, "r" + random.nextInt(3), random.nextInt(5)));
            }
            int tensor = 1 + random.nextInt(3);
            Shape shape = new Shape(tensor * (1 + random.nextInt(4)), tensor, new Needs(1, 1 << 20));
            List<String> hosts = Placement.place(shape, machines).hosts();
            int room = machines.stream().mapToInt(Placement.Free::cores).sum();
            assertThat(hosts.size()).as(shape + " on " + machines).isEqualTo(room >= shape.size() ? shape.size() : 0);
            for (Placement.Free machine : machines) {
                assertThat(hosts.stream()
                                .filter(machine.machine().name()::equals)
                                .count())
                        .isLessThanOrEqualTo(machine.cores());
            }
            long best = machines.stream()
                    .filter(free -> free.cores() >= shape.size())
                    .count();
            assertThat(best == 0 || new HashSet<>(hosts).size() == 1).isTrue();
        }
    }

    private static List<String> place(int size, int tensor, Placement.Free... machines) {
        return Placement.place(new Shape(size, tensor, new Needs(1, 1 << 20)), List.of(machines))
                .hosts();
    }

    private static Placement.Free free(String name, String rack, int cores) {
        Machine machine = new Machine(name, Map.of("rack", rack), new Devices(List.of(0), 1));
        return new Placement.Free(machine, cores, 100 << 20);
    }
}
