package dev.skein.scheduler;

import dev.skein.scheduler.lifecycle.GroupState;
import dev.skein.scheduler.lifecycle.Observed;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// Says for people why a group is where it is. A pure function.
final class Why {

    private Why() {}

    static List<String> lines(GroupStatus status, Substrate.Place place) {
        List<String> lines = new ArrayList<>();
        lines.add(
                "group " + status.spec().name() + " is " + status.state().name().toLowerCase(Locale.ROOT)
                        + ", revision " + status.revision() + " (" + status.key() + "), "
                        + status.spec().size()
                        + (status.spec().size() == 1 ? " rank" : " ranks"));
        lines.addAll(place.reasons());
        Observed observed = status.observed();
        if (observed.restarts() > 0 || !observed.reason().isEmpty()) {
            lines.add("it was started again " + observed.restarts() + " times; its last failure: " + observed.reason());
        }
        if (observed.failedStarts() > 0) {
            lines.add(observed.failedStarts() + " starts in a row ended before it was ready");
        }
        if (status.state() == GroupState.FAILED) {
            lines.add("it was given up; once the cause is gone: skein rollout retry " + status.deployment());
        }
        observed.ranks()
                .forEach(rank -> lines.add("rank " + rank.index() + " "
                        + rank.phase().name().toLowerCase(Locale.ROOT)
                        + (rank.host().isEmpty() ? "" : " on " + rank.host())
                        + (rank.detail().isEmpty() ? "" : ": " + rank.detail())));
        return lines;
    }
}
