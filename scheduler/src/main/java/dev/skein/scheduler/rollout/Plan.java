package dev.skein.scheduler.rollout;

import java.util.List;

/// What is due now.
///
/// @param pace to be given to the next decision, once the steps are taken
/// @param complete whether the groups are as they are wanted
public record Plan(Pace pace, List<Step> steps, boolean complete) {

    public Plan {
        steps = List.copyOf(steps);
    }
}
