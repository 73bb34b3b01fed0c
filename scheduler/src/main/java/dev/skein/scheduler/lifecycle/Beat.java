package dev.skein.scheduler.lifecycle;

/// What a rank last said of its steps.
///
/// @param steps made since it started
/// @param running sequences that it has in hand
/// @param stepAt when the count last grew or there was nothing to do, in milliseconds of the caller's clock
/// @param heardAt when it last said anything; [#NEVER] before the first time
public record Beat(long steps, int running, long stepAt, long heardAt) {
    static final long NEVER = Long.MIN_VALUE;
    static final Beat NONE = new Beat(0, 0, 0, NEVER);

    Beat after(Event.Step step, long now) {
        boolean stuck = heardAt != NEVER && step.running() > 0 && running > 0 && step.steps() == steps;
        return new Beat(step.steps(), step.running(), stuck ? stepAt : now, now);
    }

    boolean heard() {
        return heardAt != NEVER;
    }
}
