package dev.skein.scheduler.rollout;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// LeaderWorkerSet's own traces of (replicas, partition), replayed.
class PaceTest {

    /// A row of groups as a StatefulSet has it: those from the partition on are of the new revision, not ready at
    /// first.
    private static final class Row {
        private final List<Pace.Place> places = new ArrayList<>();
        private Pace.Bounds bounds;
        private Pace pace;

        Row(int replicas, int unavailable, int surge, int partition) {
            bounds = new Pace.Bounds(replicas, unavailable, Math.min(surge, replicas), partition);
            pace = new Pace("old", "old", replicas, replicas, 0);
            IntStream.range(0, replicas).forEach(i -> places.add(new Pace.Place(true, false)));
        }

        Row update() {
            return settle();
        }

        Row ready(int... indices) {
            for (int index : indices) {
                places.set(index, new Pace.Place(true, true));
            }
            return settle();
        }

        Row unready(int index) {
            places.set(index, new Pace.Place(false, places.get(index).updated()));
            return settle();
        }

        Row brokenBefore(int... indices) {
            for (int index : indices) {
                places.set(index, new Pace.Place(false, false));
            }
            return this;
        }

        Row partition(int partition) {
            bounds = new Pace.Bounds(bounds.replicas(), bounds.unavailable(), bounds.surge(), partition);
            return settle();
        }

        Row scaled(int replicas) {
            bounds = new Pace.Bounds(replicas, bounds.unavailable(), bounds.surge(), bounds.partition());
            return settle();
        }

        private Row settle() {
            for (int i = 0; i < 20; i++) {
                pace = pace.next("new", bounds, List.copyOf(places));
                while (places.size() > pace.replicas()) {
                    places.removeLast();
                }
                while (places.size() < pace.replicas()) {
                    places.add(new Pace.Place(false, true));
                }
                for (int place = pace.partition(); place < places.size(); place++) {
                    if (!places.get(place).updated()) {
                        places.set(place, new Pace.Place(false, true));
                    }
                }
            }
            return this;
        }

        Row is(int replicas, int partition) {
            assertThat(List.of(pace.replicas(), pace.partition())).containsExactly(replicas, partition);
            return this;
        }
    }

    @Test
    void oneMayBeMissing() {
        new Row(4, 1, 0, 0)
                .update()
                .is(4, 3)
                .ready(3)
                .is(4, 2)
                .ready(1)
                .is(4, 2)
                .unready(3)
                .is(4, 2)
                .ready(0, 1, 2, 3)
                .is(4, 0);
    }

    @Test
    void twoOrAllMayBeMissing() {
        new Row(4, 2, 0, 0).update().is(4, 2).ready(3).is(4, 1).ready(2).is(4, 0);
        new Row(4, 10, 0, 0).update().is(4, 0);
    }

    @Test
    void oneMayBeTooMany() {
        new Row(4, 0, 1, 0)
                .update()
                .is(5, 4)
                .ready(4)
                .is(5, 3)
                .ready(3)
                .is(5, 2)
                .ready(2)
                .is(5, 1)
                .ready(1)
                .is(5, 0)
                .ready(0)
                .is(4, 0);
    }

    @Test
    void surgeAndUnavailableTogether() {
        new Row(4, 1, 1, 0)
                .update()
                .is(5, 3)
                .ready(4)
                .is(5, 2)
                .ready(3)
                .is(5, 1)
                .ready(2)
                .is(5, 0)
                .ready(1)
                .is(4, 0);
        new Row(4, 2, 2, 0).update().is(6, 2).ready(5, 4, 3, 2).is(4, 0);
        new Row(4, 1, 4, 0).update().is(7, 3);
    }

    @Test
    void aPartitionKeepsTheFirstGroups() {
        new Row(6, 1, 0, 4)
                .update()
                .is(6, 5)
                .ready(5)
                .is(6, 4)
                .ready(4)
                .is(6, 4)
                .partition(2)
                .is(6, 3)
                .ready(3)
                .is(6, 2);
        new Row(3, 1, 1, 2)
                .update()
                .is(4, 2)
                .ready(2, 3)
                .is(4, 2)
                .partition(0)
                .is(4, 0)
                .ready(0, 1)
                .is(3, 0);
    }

    @Test
    void brokenGroupsCountAndDoNotHoldItUp() {
        new Row(4, 2, 0, 0).brokenBefore(1).update().is(4, 3);
        new Row(2, 1, 0, 0).brokenBefore(0, 1).update().is(2, 1).ready(1).is(2, 0);
    }

    @Test
    void scalingWhileItGoesOn() {
        Row up = new Row(4, 1, 0, 0);
        up.bounds = new Pace.Bounds(6, 1, 0, 0);
        up.update().is(6, 4);
        new Row(6, 1, 0, 0)
                .update()
                .is(6, 5)
                .ready(5)
                .is(6, 4)
                .ready(4)
                .is(6, 3)
                .scaled(3)
                .is(3, 2);
    }

    @Test
    void sharesAreRoundedDownForMissingAndUpForSurge() {
        Strategy strategy = new Strategy(Amount.of("25%"), Amount.of("25%"), 0, 1, 0);
        assertThat(strategy.unavailable(10)).isEqualTo(2);
        assertThat(strategy.surge(10)).isEqualTo(3);
        assertThat(strategy.unavailable(3)).isZero();
        assertThat(strategy.surge(3)).isEqualTo(1);
        Strategy stuck = new Strategy(Amount.of("10%"), Amount.NONE, 0, 1, 0);
        assertThat(stuck.unavailable(4)).as("something must be able to move").isEqualTo(1);
        assertThat(new Strategy(Amount.NONE, new Amount(9, false), 0, 1, 0).surge(2))
                .isEqualTo(2);
    }
}
