package dev.skein.gateway.traffic;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RoutingTest {
    private static final long SEED = Long.getLong("skein.seed", new Random().nextLong());

    static {
        System.out.println("RoutingTest -Dskein.seed=" + SEED);
    }

    @Test
    void thePickHasNotFailedAndNobodyHasLessToDo() {
        Random random = new Random(SEED);
        for (int i = 0; i < 10_000; i++) {
            List<Routing.Candidate> candidates = new ArrayList<>();
            for (int j = random.nextInt(6); j > 0; j--) {
                candidates.add(new Routing.Candidate(random.nextInt(5), random.nextInt(3) == 0));
            }
            List<Routing.Candidate> willing =
                    candidates.stream().filter(candidate -> !candidate.failed()).toList();
            OptionalInt pick = Routing.choose(candidates);
            assertThat(pick.isPresent()).isEqualTo(!willing.isEmpty());
            if (pick.isPresent()) {
                Routing.Candidate picked = candidates.get(pick.getAsInt());
                assertThat(willing).contains(picked);
                assertThat(willing).noneMatch(other -> other.outstanding() < picked.outstanding());
            }
        }
    }

    @Test
    void aRequestForTheWholeContextWeighsNoMoreThanAThousandTokens() {
        assertThat(Routing.cost(100, 50)).isEqualTo(150);
        assertThat(Routing.cost(100, 8000)).isEqualTo(1124);
        assertThat(Routing.cost(Integer.MAX_VALUE, Integer.MAX_VALUE)).isPositive();
    }
}
