package dev.skein.scheduler.agent;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.scheduler.rollout.Needs;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class LedgerTest {
    private static final Times TIMES = new Times(300, 500, 200, 40);
    private static final Machine MACHINE = new Machine("m", Map.of(), new Devices(List.of(0, 0, 0, 1, 1), 100));

    @Test
    void reservesForOneOwnerAndOneEpoch() {
        Ledger ledger = steered(Map.of("a", 7L, "b", 8L));
        assertThat(reserve(ledger, "a", 7, 3).reason()).isEmpty();
        assertThat(reserve(ledger, "a", 7, 3).reason()).isEmpty();
        assertThat(reserve(ledger, "a", 8, 3).reason()).isEqualTo("epoch 8 of a is not the current one, 7");
        assertThat(reserve(ledger, "b", 8, 3).reason())
                .isEqualTo("needs 3 cores, 30 bytes and 0 GPUs; 2, 70 and 0 are free");
        assertThat(ledger.answer(new Call.Commit("m", "d", 1, "b", 8), 10).reason())
                .isEqualTo("nothing is reserved for b at epoch 8");
    }

    @Test
    void keepsRanksOfOneMachineOnOneNumaNodeWhereTheyFit() {
        Ledger ledger = steered(Map.of("a", 1L, "b", 2L));
        assertThat(reserve(ledger, "a", 1, 2).claims().getFirst().cores()).containsExactly(3, 4);
        assertThat(reserve(ledger, "b", 2, 3).claims().getLast().cores()).containsExactly(0, 1, 2);
    }

    @Test
    void givesEachRankGpusOfItsOwnTheSmallestThatDo() {
        Devices devices = new Devices(
                List.of(0, 0),
                100,
                List.of(new Gpu("7", "large", 80), new Gpu("5", "small", 16), new Gpu("6", "mid", 40), gpu("8")));
        Ledger ledger = new Ledger(new Machine("m", Map.of(), devices), TIMES, Ledger.Kept.NOTHING, 0);
        ledger.answer(new Call.Beat("m", "d", 1, true, 1, 1, 5, Map.of("a", 1L, "b", 2L)), 6);
        Needs rank = new Needs(0, 0, 1, 20);
        assertThat(ledger.answer(new Call.Reserve("m", "d", 1, "a", 1, List.of(3, 2), rank), 10)
                        .claims()
                        .getFirst()
                        .gpus())
                .containsExactly("6", "8");
        assertThat(ledger.gpus("a", 2)).containsExactly("8");
        assertThat(ledger.gpus("a", 3)).containsExactly("6");
        assertThat(ledger.gpus("a", 1)).isEmpty();
        assertThat(ledger.answer(new Call.Reserve("m", "d", 1, "b", 2, List.of(0, 1), rank), 10)
                        .reason())
                .isEqualTo("needs 0 cores, 0 bytes and 2 GPUs; 2, 100 and 1 are free");
    }

    private static Gpu gpu(String id) {
        return new Gpu(id, "mid", 40);
    }

    @Test
    void refusesAnOlderTermAndASecondDriver() {
        Ledger ledger = steered(Map.of("a", 1L));
        assertThat(ledger.answer(new Call.Reserve("m", "e", 1, "a", 1, List.of(0), new Needs(1, 1)), 10)
                        .reason())
                .isEqualTo("term 1 of e is over: term 1 is d's");
        assertThat(ledger.answer(beat("e", 2, 1, 0), 10).reason()).isEqualTo("promised to d");
        assertThat(ledger.answer(beat("e", 2, 1, 0), 400).done()).isTrue();
        assertThat(ledger.answer(beat("d", 1, 9, 0), 401).reason()).isEqualTo("term 1 of d is over: term 2 is e's");
    }

    @Test
    void listensToAnotherOnceItsDriverGivesUp() {
        Ledger ledger = steered(Map.of());
        ledger.answer(new Call.Release("m", "d", 0), 10);
        ledger.answer(new Call.Release("m", "e", 1), 10);
        assertThat(ledger.answer(beat("e", 2, 1, 0), 10).reason()).isEqualTo("promised to d");
        ledger.answer(new Call.Release("m", "d", 1), 10);
        assertThat(ledger.answer(beat("e", 2, 1, 0), 10).done()).isTrue();
    }

    @Test
    void reservesNothingAndEndsReservationsWithoutAMajority() {
        Ledger ledger = steered(Map.of("a", 1L, "b", 2L));
        assertThat(reserve(ledger, "a", 1, 1).claims()).hasSize(1);
        Answer later = ledger.answer(new Call.Reserve("m", "d", 1, "b", 2, List.of(0), new Needs(1, 1)), 320);
        assertThat(later.reason()).isEqualTo("no driver with a majority was heard for 300 ms");
        assertThat(later.claims()).isEmpty();
    }

    @Test
    void aBeatThatWasLongOnItsWayRenewsNothing() {
        Ledger ledger = committed();
        assertThat(ledger.answer(new Call.Beat("m", "d", 1, true, 9, 1, 5, Map.of("a", 1L)), 490)
                        .done())
                .isTrue();
        assertThat(ledger.refusal(1, "a", 1, 0, 499)).isEmpty();
        assertThat(ledger.refusal(1, "a", 1, 0, 506)).isEqualTo("a has no committed place here at epoch 1");
        assertThat(ledger.due(506)).extracting(Claim::group).containsExactly("a");
    }

    @Test
    void devicesAreFreeOnlyWhenTheProcessesHaveEnded() {
        Ledger ledger = committed();
        ledger.answer(new Call.Beat("m", "d", 1, true, 9, 1, 20, Map.of("a", 2L, "c", 1L)), 30);
        assertThat(ledger.due(30)).hasSize(1);
        assertThat(reserve(ledger, "a", 2, 1).reason()).isEqualTo("a is still here with epoch 1");
        ledger.ended("a", 1);
        assertThat(reserve(ledger, "a", 2, 1).done()).isTrue();
        assertThat(reserve(ledger, "c", 1, 1).done()).isTrue();
    }

    @Test
    void givesNothingForAGroupThatTheLastBeatDoesNotNameAtThisEpoch() {
        Ledger ledger = committed();
        ledger.answer(new Call.Beat("m", "d", 1, true, 9, 1, 20, Map.of("a", 2L)), 30);
        ledger.ended("a", 1);
        ledger.answer(new Call.Beat("m", "d", 1, true, 10, 1, 30, Map.of()), 40);
        assertThat(reserve(ledger, "a", 1, 2).reason())
                .isEqualTo("a has no place at epoch 1: the last beat does not name it");
        assertThat(ledger.answer(new Call.Commit("m", "d", 1, "a", 1), 40).claims())
                .isEmpty();
    }

    @Test
    void beginsWithoutClaimsAndListensToNoOtherDriverForATime() {
        Ledger next = new Ledger(MACHINE, TIMES, committed().kept(), 1_000);
        assertThat(next.answer(beat("e", 2, 1, 0), 1_001).reason()).isEqualTo("promised to d");
        assertThat(next.answer(beat("d", 1, 20, 0), 1_010).claims()).isEmpty();
        next.answer(new Call.Beat("m", "d", 1, true, 21, 2, 1_010, Map.of("a", 1L)), 1_020);
        assertThat(next.refusal(1, "a", 1, 0, 1_030)).isEqualTo("a has no committed place here at epoch 1");
        assertThat(next.answer(beat("e", 2, 1, 0), 1_320).done()).isTrue();
    }

    private static Ledger committed() {
        Ledger ledger = steered(Map.of("a", 1L));
        reserve(ledger, "a", 1, 2);
        assertThat(ledger.answer(new Call.Commit("m", "d", 1, "a", 1), 10).done())
                .isTrue();
        return ledger;
    }

    /// Listens to driver d of term 1, and has proof of its own clock at 5.
    private static Ledger steered(Map<String, Long> floors) {
        Ledger ledger = new Ledger(MACHINE, TIMES, Ledger.Kept.NOTHING, 0);
        assertThat(ledger.answer(new Call.Beat("m", "d", 1, true, 1, 1, 5, floors), 6)
                        .done())
                .isTrue();
        return ledger;
    }

    private static Call beat(String driver, long term, long round, long echo) {
        return new Call.Beat("m", driver, term, true, round, 1, echo, Map.of());
    }

    private static Answer reserve(Ledger ledger, String group, long epoch, int ranks) {
        List<Integer> list = java.util.stream.IntStream.range(0, ranks).boxed().toList();
        return ledger.answer(new Call.Reserve("m", "d", 1, group, epoch, list, new Needs(1, 10)), 10);
    }
}
