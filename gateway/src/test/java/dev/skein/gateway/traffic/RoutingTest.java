package dev.skein.gateway.traffic;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.protocol.v1.GenerateRequest;
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
                candidates.add(new Routing.Candidate(
                        random.nextInt(5), random.nextInt(4), random.nextInt(9), random.nextInt(3) == 0));
            }
            int prompt = random.nextInt(4);
            List<Routing.Candidate> willing =
                    candidates.stream().filter(candidate -> !candidate.failed()).toList();
            OptionalInt pick = Routing.choose(candidates, prompt);
            assertThat(pick.isPresent()).isEqualTo(!willing.isEmpty());
            if (pick.isPresent()) {
                Routing.Candidate picked = candidates.get(pick.getAsInt());
                assertThat(willing).contains(picked).noneMatch(other -> other.cost(prompt) < picked.cost(prompt));
            }
        }
    }

    @Test
    void whoHasSeenThePromptIsWorthAWaitButNoLongerOneThanComputingItAnew() {
        Routing.Candidate knows = new Routing.Candidate(900, 1000, 7, false);
        Routing.Candidate idle = new Routing.Candidate(0, 0, 3, false);
        assertThat(Routing.choose(List.of(idle, knows), 1000)).hasValue(1);
        assertThat(Routing.choose(List.of(idle, new Routing.Candidate(1001, 1000, 7, false)), 1000))
                .hasValue(0);
    }

    @Test
    void ofEqualsTheOneThatWaitedLongest() {
        assertThat(Routing.choose(
                        List.of(new Routing.Candidate(5, 0, 9, false), new Routing.Candidate(5, 0, 2, false)), 10))
                .hasValue(1);
    }

    @Test
    void aRequestForTheWholeContextWeighsNoMoreThanAThousandTokens() {
        assertThat(Routing.answerCost(50)).isEqualTo(50);
        assertThat(Routing.answerCost(8000)).isEqualTo(1024);
        assertThat(Routing.answerCost(Integer.MAX_VALUE)).isPositive();
    }

    @Test
    void promptsShareWhatTheyBeginAlike() {
        GenerateRequest.Builder one = GenerateRequest.newBuilder();
        for (int i = 0; i < 300; i++) {
            one.addPrompt(i);
        }
        Prefix.Memory memory = new Prefix.Memory();
        Prefix prefix = Prefix.of(one.build());
        assertThat(memory.seen(prefix)).isZero();
        memory.note(prefix);
        assertThat(memory.seen(prefix)).isEqualTo(256);
        assertThat(memory.seen(Prefix.of(one.clone().setPrompt(130, 7).build())))
                .isEqualTo(128);
        assertThat(memory.seen(Prefix.of(one.clone().setPrompt(0, 7).build()))).isZero();
        assertThat(memory.seen(Prefix.of(one.clone().setCacheSalt("own").build())))
                .isZero();
    }
}
