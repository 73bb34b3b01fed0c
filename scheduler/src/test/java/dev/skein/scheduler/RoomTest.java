package dev.skein.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.scheduler.rollout.Needs;
import org.junit.jupiter.api.Test;

class RoomTest {
    private static final long GIB = 1L << 30;
    private static final Room ROOM = new Room(4, 2 * GIB);

    @Test
    void memoryMustBeThere() {
        assertThat(ROOM.place("here", 2, new Needs(2, GIB), Needs.NOTHING).hosts())
                .containsExactly("here", "here");
        Substrate.Place none = ROOM.place("here", 2, new Needs(2, 3 * GIB), Needs.NOTHING);
        assertThat(none.hosts()).isEmpty();
        assertThat(none.reasons()).contains("here memory: needs 3,072 MiB, free 2,048 MiB, short by 1,024 MiB");
    }

    @Test
    void coresMayBeSharedAndThatIsTold() {
        Substrate.Place place = ROOM.place("here", 1, new Needs(3, 0), new Needs(2, GIB));
        assertThat(place.hosts()).hasSize(1);
        assertThat(place.reasons())
                .contains("here cores: needs 3, other groups take 2 of 4, 1 over: groups share cores and are slower");
    }
}
