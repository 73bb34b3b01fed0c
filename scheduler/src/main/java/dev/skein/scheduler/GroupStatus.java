package dev.skein.scheduler;

import dev.skein.scheduler.lifecycle.GroupSpec;
import dev.skein.scheduler.lifecycle.GroupState;
import dev.skein.scheduler.lifecycle.Observed;

/// A group at one moment: what is wanted, where in its life it is, what was seen.
public record GroupStatus(GroupSpec spec, GroupState state, Observed observed) {

    /// What to tell people: why it failed, else what its leader is doing.
    public String reason() {
        return state == GroupState.FAILED || !observed.anyAlive()
                ? observed.reason()
                : observed.leader().detail();
    }
}
