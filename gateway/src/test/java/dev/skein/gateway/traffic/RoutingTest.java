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

    /** Of which nothing is known. */
    private static Routing.Candidate candidate(long outstanding, int seen, long lastTaken, boolean failed) {
        return new Routing.Candidate(outstanding, seen, lastTaken, failed, PromptRate.Sums.NONE);
    }

    @Test
    void thePickHasNotFailedAndNobodyHasLessToDo() {
        Random random = new Random(SEED);
        for (int i = 0; i < 10_000; i++) {
            List<Routing.Candidate> candidates = new ArrayList<>();
            for (int j = random.nextInt(6); j > 0; j--) {
                candidates.add(
                        candidate(random.nextInt(5), random.nextInt(4), random.nextInt(9), random.nextInt(3) == 0));
            }
            int prompt = random.nextInt(4);
            List<Routing.Candidate> willing =
                    candidates.stream().filter(candidate -> !candidate.failed()).toList();
            OptionalInt pick = Routing.choose(candidates, prompt);
            assertThat(pick.isPresent()).isEqualTo(!willing.isEmpty());
            if (pick.isPresent()) {
                Routing.Candidate picked = candidates.get(pick.getAsInt());
                assertThat(willing).contains(picked).noneMatch(other -> other.tokens(prompt) < picked.tokens(prompt));
            }
        }
    }

    @Test
    void whoHasSeenThePromptIsWorthAWaitButNoLongerOneThanComputingItAnew() {
        Routing.Candidate knows = candidate(900, 1000, 7, false);
        Routing.Candidate idle = candidate(0, 0, 3, false);
        assertThat(Routing.choose(List.of(idle, knows), 1000)).hasValue(1);
        assertThat(Routing.choose(List.of(idle, candidate(1001, 1000, 7, false)), 1000))
                .hasValue(0);
    }

    @Test
    void ofEqualsTheOneThatWaitedLongest() {
        assertThat(Routing.choose(List.of(candidate(5, 0, 9, false), candidate(5, 0, 2, false)), 10))
                .hasValue(1);
    }

    @Test
    void whoIsTwiceAsFastHasTwiceAsMuchToDo() {
        Routing.Candidate fast = new Routing.Candidate(1900, 0, 9, false, new PromptRate.Sums(20_000, 10));
        Routing.Candidate slow = new Routing.Candidate(500, 0, 2, false, new PromptRate.Sums(10_000, 10));
        assertThat(Routing.choose(List.of(slow, fast), 1000)).hasValue(1);
        assertThat(Routing.choose(List.of(fast, slow), 3000)).hasValue(0);
        assertThat(Routing.choose(List.of(fast, slow), 100)).hasValue(1);
    }

    @Test
    void aLittleFasterIsNoReason() {
        Routing.Candidate faster = new Routing.Candidate(1001, 0, 2, false, new PromptRate.Sums(11_000, 10));
        Routing.Candidate slower = new Routing.Candidate(1000, 0, 9, false, new PromptRate.Sums(10_000, 10));
        assertThat(Routing.choose(List.of(faster, slower), 1000)).hasValue(1);
    }

    @Test
    void whoIsNewCountsAsTheMeanDoes() {
        Routing.Candidate slow = new Routing.Candidate(0, 0, 9, false, new PromptRate.Sums(1_000, 1));
        Routing.Candidate fast = new Routing.Candidate(0, 0, 9, false, new PromptRate.Sums(9_000, 1));
        Routing.Candidate fresh = candidate(0, 0, 2, false);
        assertThat(Routing.choose(List.of(slow, fresh, fast), 1000)).hasValue(2);
        assertThat(Routing.choose(List.of(slow, fresh), 1000)).hasValue(1);
    }

    @Test
    void oldTimesCountForLittle() {
        PromptRate rate = new PromptRate();
        rate.note(255, 1, 0);
        assertThat(rate.sums(0)).isEqualTo(PromptRate.Sums.NONE);
        rate.note(1000, 2_000_000_000L, 5_000_000_000L);
        assertThat(rate.sums(5_000_000_000L)).isEqualTo(new PromptRate.Sums(1000, 2));
        assertThat(rate.sums(65_000_000_000L)).isEqualTo(new PromptRate.Sums(500, 1));
    }

    @Test
    void whoWasSlowIsAskedAgainAfterAWhile() {
        PromptRate fast = new PromptRate();
        PromptRate slow = new PromptRate();
        slow.note(256, 600_000_000_000L, 0);
        List<Integer> turns = new ArrayList<>();
        for (int second = 0; second < 3600 && turns.size() < 2; second++) {
            long now = second * 1_000_000_000L;
            fast.note(1000, 200_000_000L, now);
            Routing.Candidate busy = new Routing.Candidate(500, 0, 9, false, fast.sums(now));
            Routing.Candidate idle = new Routing.Candidate(0, 0, 2, false, slow.sums(now));
            int pick = Routing.choose(List.of(busy, idle), 1000).orElseThrow();
            if (turns.isEmpty() || turns.getLast() != pick) {
                turns.add(pick);
            }
        }
        assertThat(turns).containsExactly(0, 1);
    }

    /** Also such that were learned from almost nothing, or so long ago that almost nothing is left of them. */
    @Test
    void everySpeedIsANumber() {
        Random random = new Random(SEED);
        for (int i = 0; i < 100_000; i++) {
            PromptRate.Sums one = anyRate(random);
            PromptRate.Sums other = anyRate(random);
            double tokens = one.tokens() + other.tokens();
            double seconds = one.seconds() + other.seconds();
            double mean = tokens > 0 && seconds > 0 ? tokens / seconds : 1;
            assertThat(Routing.speed(one, mean))
                    .as("%s beside %s", one, other)
                    .isPositive()
                    .isFinite();
        }
    }

    private static PromptRate.Sums anyRate(Random random) {
        PromptRate rate = new PromptRate();
        long now = random.nextLong();
        for (int i = random.nextInt(4); i > 0; i--) {
            rate.note(1L << random.nextInt(40), random.nextLong() >>> 1 + random.nextInt(63), now);
        }
        return rate.sums(now + (random.nextLong() >>> 1 + random.nextInt(63)));
    }

    /** Prompts come as they like to two machines, of which one computes four times as fast; both one after the other. */
    @Test
    void onUnequalMachinesFirstTokensComeSoonerOnceTheirRatesAreKnown() {
        double blind = longTimeToFirstToken(new double[] {8000, 2000}, false);
        double learned = longTimeToFirstToken(new double[] {8000, 2000}, true);
        assertThat(learned).isLessThan(0.6 * blind);
        double even = longTimeToFirstToken(new double[] {5000, 5000}, false);
        assertThat(longTimeToFirstToken(new double[] {5000, 5000}, true)).isLessThan(1.1 * even);
    }

    /** Seconds in which nine of ten first tokens came. */
    private static double longTimeToFirstToken(double[] tokensPerSecond, boolean learning) {
        Random random = new Random(SEED);
        int machines = tokensPerSecond.length;
        double[] freeAt = new double[machines];
        long[] lastTaken = new long[machines];
        List<PromptRate> rates = new ArrayList<>();
        List<List<double[]>> inHand = new ArrayList<>();
        for (int i = 0; i < machines; i++) {
            rates.add(new PromptRate());
            inHand.add(new ArrayList<>());
        }
        List<Double> times = new ArrayList<>();
        double now = 0;
        for (int turn = 1; turn <= 5000; turn++) {
            now -= Math.log(1 - random.nextDouble()) / 6.5;
            int prompt = 256 + random.nextInt(1500);
            List<Routing.Candidate> candidates = new ArrayList<>();
            for (int i = 0; i < machines; i++) {
                double seen = now;
                inHand.get(i).removeIf(request -> request[0] <= seen);
                long ahead = inHand.get(i).stream()
                        .mapToLong(request -> (long) request[1])
                        .sum();
                PromptRate.Sums rate = learning ? rates.get(i).sums((long) (now * 1e9)) : PromptRate.Sums.NONE;
                candidates.add(new Routing.Candidate(ahead, 0, lastTaken[i], false, rate));
            }
            int pick = Routing.choose(candidates, prompt).orElseThrow();
            lastTaken[pick] = turn;
            freeAt[pick] = Math.max(now, freeAt[pick]) + prompt / tokensPerSecond[pick];
            double time = freeAt[pick] - now;
            // Heard when it is done; noted here at once, as the sums forget slowly.
            rates.get(pick).note(candidates.get(pick).tokens(prompt), (long) (time * 1e9), (long) (now * 1e9));
            inHand.get(pick).add(new double[] {freeAt[pick], prompt});
            times.add(time);
        }
        return times.stream().sorted().toList().get(times.size() * 9 / 10);
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
