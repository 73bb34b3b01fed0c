package dev.skein.scheduler.rollout;

import java.util.List;

/// Groups that serve one model, as they are wanted.
///
/// @param name names the deployment; its groups are NAME-0, NAME-1 ...
/// @param served names that requests may give; empty for the model's own
/// @param template what each group is made of
/// @param replicas how many groups; 0 keeps the names and no group
/// @param scaleToZeroMillis so long without anything to do, and its groups go until there is a request; 0 keeps them
/// @param paused whether an update stands still
public record Deployment(
        String name,
        List<String> served,
        Template template,
        int replicas,
        long scaleToZeroMillis,
        Strategy strategy,
        boolean paused) {
    private static final int MOST_REPLICAS = 10_000;

    public Deployment {
        served = List.copyOf(served);
        if (!name.matches("[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")) {
            throw new IllegalArgumentException("the deployment's name is '" + name
                    + "'; it must be 1 to 63 of a-z, 0-9, dot, dash and underscore, a letter or digit at both ends");
        }
        if (replicas < 0 || replicas > MOST_REPLICAS) {
            throw new IllegalArgumentException(
                    "replicas of " + name + " is " + replicas + "; it must be 0 to " + MOST_REPLICAS);
        }
        if (scaleToZeroMillis < 0) {
            throw new IllegalArgumentException("the idle time of " + name + " before its groups go is "
                    + scaleToZeroMillis + " ms; it must be at least 0, which keeps them");
        }
    }

    /// Keeps its groups when there is nothing to do.
    public Deployment(
            String name, List<String> served, Template template, int replicas, Strategy strategy, boolean paused) {
        this(name, served, template, replicas, 0, strategy, paused);
    }

    public Deployment withReplicas(int count) {
        return new Deployment(name, served, template, count, scaleToZeroMillis, strategy, paused);
    }

    public Deployment withPaused(boolean still) {
        return new Deployment(name, served, template, replicas, scaleToZeroMillis, strategy, still);
    }

    public Deployment withScaleToZero(long millis) {
        return new Deployment(name, served, template, replicas, millis, strategy, paused);
    }

    public Deployment withTemplate(Template other) {
        return new Deployment(name, served, other, replicas, scaleToZeroMillis, strategy, paused);
    }
}
