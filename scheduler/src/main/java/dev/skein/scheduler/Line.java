package dev.skein.scheduler;

import dev.skein.scheduler.rollout.Deployment;
import dev.skein.scheduler.rollout.Pace;
import dev.skein.scheduler.rollout.Plan;
import dev.skein.scheduler.rollout.Rollout;
import dev.skein.scheduler.rollout.Seen;
import dev.skein.scheduler.rollout.Template;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ScheduledFuture;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// One deployment in the scheduler's hand: what is wanted, its groups, and the templates it has had. Belongs to the
/// scheduler's thread.
///
/// A deployment that may be scaled to zero falls asleep when all its groups are as wanted and have had nothing to do
/// for as long as it says. Asleep it is for the rollout one that wants no groups, until it is woken.
final class Line {
    private static final int MOST_REVISIONS = 10;

    final Map<Integer, Entry> groups = new TreeMap<>();

    @Nullable
    ScheduledFuture<?> alarm;

    private final List<Template> history = new ArrayList<>();
    private int revision;
    private Deployment deployment;
    private @Nullable Pace pace;
    private boolean complete;
    private boolean stalled;
    private String progress = "";
    private long progressAt;
    private boolean asleep;
    private long awakeAt;

    Line(Deployment deployment) {
        this.deployment = deployment;
        note(deployment.template());
    }

    /// One that another scheduler has had.
    Line(Wish wish) {
        deployment = wish.deployment();
        history.addAll(wish.earlier());
        history.add(deployment.template());
        revision = wish.revision();
    }

    Deployment deployment() {
        return deployment;
    }

    void want(Deployment wanted) {
        if (!wanted.template().equals(deployment.template())) {
            note(wanted.template());
        }
        deployment = wanted;
    }

    private void note(Template template) {
        revision++;
        history.remove(template);
        history.add(template);
        if (history.size() > MOST_REVISIONS) {
            history.removeFirst();
        }
    }

    /// The template before the newest.
    Template before() {
        if (history.size() < 2) {
            throw new SchedulerException(
                    SchedulerException.Kind.NOT_NOW,
                    deployment.name() + " has had one revision; there is none before it");
        }
        return history.get(history.size() - 2);
    }

    Plan plan(long now) {
        Plan plan = Rollout.decide(asleep ? deployment.withReplicas(0) : deployment, pace, seen());
        pace = plan.pace();
        complete = plan.complete();
        progressed(now);
        return plan;
    }

    /// Lets it fall asleep if it is time to. True if it does; then there are groups to retire.
    boolean rest(long now) {
        long since = now - deployment.scaleToZeroMillis();
        boolean idle = deployment.scaleToZeroMillis() > 0
                && complete
                && !groups.isEmpty()
                && awakeAt <= since
                && groups.values().stream().allMatch(group -> group.observed.idleSince(since));
        asleep |= idle;
        return idle;
    }

    /// Somebody wants it. True if it slept; then there are groups to make.
    boolean wake(long now) {
        boolean slept = asleep;
        asleep = false;
        awakeAt = now;
        return slept;
    }

    /// Anything that a group has newly become counts as progress.
    private void progressed(long now) {
        String state = deployment.template().key()
                + groups.values().stream()
                        .map(group -> group.name() + group.template.key() + group.state())
                        .toList();
        if (complete || !state.equals(progress) || deployment.paused()) {
            progress = state;
            progressAt = now;
        }
        stalled = now >= stallsAt();
    }

    long stallsAt() {
        return progressAt + deployment.strategy().progressMillis();
    }

    boolean complete() {
        return complete;
    }

    boolean stalled() {
        return stalled;
    }

    Entry create(int index, String key) {
        Entry entry = new Entry(deployment.name(), index, revision, template(key));
        groups.put(index, entry);
        return entry;
    }

    /// A group of a revision that may not be known here any more.
    Entry adopt(int index, String key) {
        Template newest = deployment.template();
        Template made = newest.key().equals(key)
                ? newest
                : new Template(
                        key,
                        newest.model(),
                        newest.size(),
                        newest.tensor(),
                        newest.parameters(),
                        newest.needs(),
                        newest.policy());
        Entry entry = new Entry(deployment.name(), index, revision, made);
        groups.put(index, entry);
        return entry;
    }

    private Template template(String key) {
        return history.stream()
                .filter(template -> template.key().equals(key))
                .findFirst()
                .orElse(deployment.template());
    }

    private List<Seen> seen() {
        return groups.values().stream().map(Entry::seen).toList();
    }

    DeploymentStatus status() {
        List<Seen> seen = seen();
        return new DeploymentStatus(
                deployment,
                revision,
                history.subList(0, history.size() - 1),
                count(seen, group -> group.life() == Seen.Life.READY),
                count(seen, group -> group.life() != Seen.Life.LEAVING && isNewest(group)),
                count(seen, group -> group.life() == Seen.Life.READY && isNewest(group)),
                complete,
                stalled,
                asleep);
    }

    private static int count(List<Seen> seen, Predicate<Seen> which) {
        return (int) seen.stream().filter(which).count();
    }

    private boolean isNewest(Seen group) {
        return group.key().equals(deployment.template().key());
    }
}
