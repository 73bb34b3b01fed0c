package dev.skein.scheduler.rollout;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Says which groups of a deployment are made and which go: creation, scaling and updates.
///
/// The groups stand in a row, those that are best kept first: of the old revision those that are ready, the busiest
/// before; then what is not ready; then what is of the new revision. [Pace] says how long the row is and up to which
/// place
/// the update has come. So of the old groups the one goes first that loses least and regains most: a broken one before
/// one that serves, an idle one before a busy one.
///
/// Properties, whatever happens to the groups:
///
/// 1. Asking twice with the same arguments gives the same answer; once the steps are taken, none is left.
/// 2. There are never more groups than wanted and surge together, groups that are leaving included; only when fewer are
///    wanted than before, there are more until those have gone.
/// 3. No ready group is told to go when that leaves fewer ready ones than wanted less `maxUnavailable`.
/// 4. Once faults stop, the groups become as they are wanted.
public final class Rollout {

    private Rollout() {}

    /// The steps that are due.
    ///
    /// @param pace of the last decision; null before the first
    /// @param groups all that are not gone
    public static Plan decide(Deployment deployment, @Nullable Pace pace, List<Seen> groups) {
        Pace.Bounds bounds = Pace.Bounds.of(deployment);
        String newest = deployment.template().key();
        Pace before = pace == null ? Pace.first(newest, bounds) : pace;
        Pace after = deployment.paused() ? before.still(bounds) : next(before, newest, bounds, groups);
        List<Step> steps = new Steps(deployment, bounds, after, groups).all();
        return new Plan(after, steps, complete(bounds, after, groups, newest));
    }

    /// Once no old group needs replacing any more, or there are enough new ones for all that will stay, the row needs
    /// no
    /// further place: who is too many goes.
    private static Pace next(Pace before, String newest, Pace.Bounds bounds, List<Seen> groups) {
        List<Seen> row = row(groups, newest);
        Pace next = before.next(newest, bounds, places(row, before.replicas(), newest));
        int kept = bounds.kept();
        long done = updated(groups, newest).filter(Seen::ready).count();
        boolean finished = gap(row, newest) <= kept || done >= bounds.replicas() - kept;
        return finished ? new Pace(newest, next.before(), bounds.replicas(), bounds.replicas(), kept) : next;
    }

    private static Stream<Seen> updated(List<Seen> groups, String key) {
        return groups.stream().filter(group -> group.key().equals(key) && group.life() != Seen.Life.LEAVING);
    }

    private static boolean complete(Pace.Bounds bounds, Pace pace, List<Seen> groups, String newest) {
        long updated = updated(groups, newest).count();
        return pace.key().equals(newest)
                && groups.size() == bounds.replicas()
                && groups.stream().allMatch(Seen::ready)
                && groups.size() - updated <= bounds.partition();
    }

    /// Those that stay, best kept first.
    private static List<Seen> row(List<Seen> groups, String key) {
        return groups.stream()
                .filter(group -> group.life() != Seen.Life.LEAVING)
                .sorted(Comparator.comparing((Seen group) -> group.key().equals(key))
                        .thenComparing(group -> group.ready() == group.key().equals(key))
                        .thenComparing(group -> group.life() == Seen.Life.FAILED)
                        .thenComparing(Comparator.comparingInt(Seen::load).reversed())
                        .thenComparingInt(Seen::index))
                .toList();
    }

    /// The row with a gap where groups are missing: after the old ones, which were there before.
    private static List<Pace.Place> places(List<Seen> row, int replicas, String key) {
        List<Pace.Place> places = new ArrayList<>(row.stream()
                .map(group -> new Pace.Place(group.ready(), group.key().equals(key)))
                .toList());
        int gap = gap(row, key);
        while (places.size() < replicas) {
            places.add(gap, Pace.Place.MISSING);
        }
        // Those that have no place any more go from where they are kept least: see Steps.
        return places.subList(0, replicas);
    }

    private static int gap(List<Seen> row, String key) {
        return (int) row.stream().filter(group -> !group.key().equals(key)).count();
    }

    /// Gathers the steps towards a pace.
    private static final class Steps {
        private final Deployment deployment;
        private final Pace.Bounds bounds;
        private final Pace pace;
        private final List<Seen> row;
        private final List<Step> steps = new ArrayList<>();
        private final Set<Integer> taken;
        private int ready;
        private int present;

        Steps(Deployment deployment, Pace.Bounds bounds, Pace pace, List<Seen> groups) {
            this.deployment = deployment;
            this.bounds = bounds;
            this.pace = pace;
            row = new ArrayList<>(row(groups, pace.key()));
            taken = groups.stream().map(Seen::index).collect(Collectors.toSet());
            ready = (int) row.stream().filter(Seen::ready).count();
            present = groups.size();
        }

        List<Step> all() {
            shorten();
            replace();
            fill();
            return steps;
        }

        /// Groups for which there is no place.
        private void shorten() {
            List<Seen> untried = new ArrayList<>(row);
            while (row.size() > pace.replicas() && !untried.isEmpty()) {
                Seen least = Collections.min(untried, leastFirst());
                untried.remove(least);
                retire(least, "fewer groups are wanted");
            }
        }

        /// Who is not ready first, then who is of the old revision unless that is to be kept, then who has least to do.
        private Comparator<Seen> leastFirst() {
            boolean keepOld = gap(row, pace.key()) <= bounds.kept();
            return Comparator.comparing(Seen::ready)
                    .thenComparing(group -> group.life() != Seen.Life.FAILED)
                    .thenComparing(group -> updated(group) != keepOld)
                    .thenComparingInt(Seen::load)
                    .thenComparing(Comparator.comparingInt(Seen::index).reversed());
        }

        /// Old groups at places that the update has reached.
        private void replace() {
            for (int i = row.size() - 1; i >= pace.partition(); i--) {
                // What is missing stands after the old ones, so an old group's place is its place here.
                Seen group = row.get(i);
                if (!updated(group)) {
                    retire(group, "revision " + pace.key() + " replaces it");
                }
            }
        }

        private void retire(Seen group, String reason) {
            if (group.ready() && ready - 1 < bounds.replicas() - bounds.unavailable()) {
                return;
            }
            ready -= group.ready() ? 1 : 0;
            row.remove(group);
            steps.add(new Step.Retire(group.index(), reason));
        }

        private void fill() {
            int old = gap(row, pace.key());
            int updated = row.size() - old;
            int kept = deployment.paused() ? pace.partition() : bounds.kept();
            for (int count = row.size(); count < pace.replicas() && present < bounds.burst(); count++) {
                boolean keeps = old < kept && updated >= pace.replicas() - kept;
                steps.add(new Step.Create(freeIndex(), keeps ? pace.before() : pace.key()));
                old += keeps ? 1 : 0;
                updated += keeps ? 0 : 1;
                present++;
            }
        }

        private int freeIndex() {
            int index = 0;
            while (!taken.add(index)) {
                index++;
            }
            return index;
        }

        private boolean updated(Seen group) {
            return group.key().equals(pace.key());
        }
    }
}
