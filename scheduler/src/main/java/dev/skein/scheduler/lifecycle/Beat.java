package dev.skein.scheduler.lifecycle;

/// What a rank last said of its steps.
///
/// @param steps made since it started
/// @param running sequences that it has in hand
/// @param stepAt when the count last grew or there was nothing to do, in milliseconds of the caller's clock
/// @param usedAt when the count last grew or there was something to do, or else when it was first heard
/// @param heardAt when it last said anything; [#NEVER] before the first time
public record Beat(long steps, int running, long stepAt, long usedAt, long heardAt) {
    static final long NEVER = Long.MIN_VALUE;
    static final Beat NONE = new Beat(0, 0, 0, 0, NEVER);

    Beat after(Event.Step step, long now) {
        boolean still = heard() && step.steps() == steps;
        boolean stuck = still && step.running() > 0 && running > 0;
        boolean idle = still && step.running() == 0;
        return new Beat(step.steps(), step.running(), stuck ? stepAt : now, idle ? usedAt : now, now);
    }

    boolean heard() {
        return heardAt != NEVER;
    }
}
