package dev.skein.scheduler;

import dev.skein.scheduler.rollout.Deployment;
import dev.skein.scheduler.rollout.Template;
import java.util.List;

/// A deployment at one moment.
///
/// @param revision counts the templates that it has had
/// @param earlier templates before the newest that it can go back to, the oldest first
/// @param ready groups that take requests
/// @param updated groups of the newest revision
/// @param updatedReady those of them that take requests
/// @param complete whether all groups are as they are wanted
/// @param stalled whether nothing moved for longer than the progress deadline
/// @param asleep whether it has no groups because there was nothing to do for long; then that is as wanted
public record DeploymentStatus(
        Deployment deployment,
        int revision,
        List<Template> earlier,
        int ready,
        int updated,
        int updatedReady,
        boolean complete,
        boolean stalled,
        boolean asleep) {
    public DeploymentStatus {
        earlier = List.copyOf(earlier);
    }
}
