package dev.skein.scheduler;

import dev.skein.scheduler.rollout.Needs;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/// What a machine has. Says whether a group has room, in numbers. A pure function.
///
/// @param cores of the machine
/// @param freeBytes of memory that nobody has taken yet
record Room(int cores, long freeBytes) {
    private static final long MEBIBYTE = 1 << 20;

    /// Memory must be there. Cores may be shared, which is slower, so that is only told.
    ///
    /// @param others what the groups that have their place take
    Substrate.Place place(String host, int ranks, Needs needs, Needs others) {
        boolean fits = needs.bytes() <= freeBytes;
        List<String> reasons = new ArrayList<>();
        reasons.add(host + " memory: needs " + mebibytes(needs.bytes()) + ", free " + mebibytes(freeBytes)
                + (fits ? "" : ", short by " + mebibytes(needs.bytes() - freeBytes)));
        int over = needs.threads() + others.threads() - cores;
        reasons.add(host + " cores: needs " + needs.threads() + ", other groups take " + others.threads() + " of "
                + cores + (over > 0 ? ", " + over + " over: groups share cores and are slower" : ""));
        return new Substrate.Place(fits ? Collections.nCopies(ranks, host) : List.of(), reasons);
    }

    private static String mebibytes(long bytes) {
        return "%,d MiB".formatted(bytes / MEBIBYTE);
    }
}
