package dev.skein.scheduler;

import dev.skein.scheduler.lifecycle.GroupSpec;
import dev.skein.scheduler.lifecycle.GroupState;
import dev.skein.scheduler.lifecycle.Observed;

/// A group at one moment: what is wanted, where in its life it is, what was seen.
///
/// @param deployment that it belongs to
/// @param revision the number of the template it was made of
/// @param key the same for templates that are alike
/// @param pending what the machine lacks for it; empty where it has its place
public record GroupStatus(
        GroupSpec spec,
        String deployment,
        int revision,
        String key,
        GroupState state,
        Observed observed,
        String pending) {

    /// What to tell people: what it lacks, why it failed, else what its leader is doing.
    public String reason() {
        if (state == GroupState.PENDING) {
            return pending;
        }
        return state == GroupState.FAILED || !observed.anyAlive()
                ? observed.reason()
                : observed.leader().detail();
    }
}
