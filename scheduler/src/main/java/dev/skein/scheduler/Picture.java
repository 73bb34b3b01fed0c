package dev.skein.scheduler;

import java.util.List;

/// All that a scheduler has in hand, at one moment.
public record Picture(List<DeploymentStatus> deployments, List<GroupStatus> groups) {

    public Picture {
        deployments = List.copyOf(deployments);
        groups = List.copyOf(groups);
    }
}
