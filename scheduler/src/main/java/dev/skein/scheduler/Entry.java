package dev.skein.scheduler;

import dev.skein.scheduler.lifecycle.Desired;
import dev.skein.scheduler.lifecycle.GroupSpec;
import dev.skein.scheduler.lifecycle.GroupState;
import dev.skein.scheduler.lifecycle.Lifecycle;
import dev.skein.scheduler.lifecycle.Observed;
import dev.skein.scheduler.rollout.Seen;
import dev.skein.scheduler.rollout.Template;
import java.util.concurrent.ScheduledFuture;
import org.jspecify.annotations.Nullable;

/// One group in the scheduler's hand. Belongs to its thread.
final class Entry {
    final String deployment;
    final int index;
    final int revision;
    final Template template;
    Desired desired;
    Observed observed;
    String pending = "";

    @Nullable
    GroupStatus told;

    @Nullable
    ScheduledFuture<?> alarm;

    Entry(String deployment, int index, int revision, Template template) {
        this.deployment = deployment;
        this.index = index;
        this.revision = revision;
        this.template = template;
        this.desired = Desired.serving(new GroupSpec(
                deployment + "-" + index, template.model(), template.size(), template.tensor(), template.parameters()));
        this.observed = Observed.nothing(template.size());
    }

    String name() {
        return desired.spec().name();
    }

    GroupState state() {
        return Lifecycle.state(desired, observed);
    }

    GroupStatus status() {
        return new GroupStatus(
                desired.spec(), deployment, revision, template.key(), state(), observed.withoutBeats(), pending);
    }

    Seen seen() {
        Seen.Life life = switch (state()) {
            case FAILED -> Seen.Life.FAILED;
            case READY -> Seen.Life.READY;
            case DRAINING, GONE -> Seen.Life.LEAVING;
            case PENDING, PLACED, STARTING, WARMING -> Seen.Life.COMING;
        };
        return new Seen(index, template.key(), life, observed.running());
    }
}
