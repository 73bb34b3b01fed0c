package dev.skein.scheduler.lifecycle;

import java.util.List;

/// What is due now.
///
/// @param wakeAt when to ask again even if nothing was seen; [#NEVER] if only an event can change the answer
public record Decision(List<Action> actions, long wakeAt) {

    public static final long NEVER = Long.MAX_VALUE;

    public Decision {
        actions = List.copyOf(actions);
    }
}
