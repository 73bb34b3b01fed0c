package dev.skein.scheduler.rollout;

import java.util.List;

/// How far an update may go, by LeaderWorkerSet's arithmetic: groups in a row, the update goes through them from the
/// last
/// to the first, and *partition* is the place it may have reached.
///
/// @param key the revision that the update is to
/// @param before the revision that the places below the partition may keep
/// @param wanted the number of groups that was wanted when this was decided
/// @param replicas places in the row: the wanted ones and those of the surge
/// @param partition the groups from this place on are of the new revision, or are being replaced
public record Pace(String key, String before, int wanted, int replicas, int partition) {

    /// A group's place in the row.
    ///
    /// @param updated whether it is of the new revision
    public record Place(boolean ready, boolean updated) {
        static final Place MISSING = new Place(false, false);

        boolean done() {
            return ready && updated;
        }
    }

    /// What bounds an update.
    ///
    /// @param replicas wanted groups
    /// @param unavailable of them that may be missing
    /// @param surge groups beyond them
    /// @param partition places that keep the revision before
    public record Bounds(int replicas, int unavailable, int surge, int partition) {
        public static Bounds of(Deployment deployment) {
            int replicas = deployment.replicas();
            Strategy strategy = deployment.strategy();
            return new Bounds(replicas, strategy.unavailable(replicas), strategy.surge(replicas), strategy.partition());
        }

        /// Groups that keep the revision before.
        int kept() {
            return Math.min(partition, replicas);
        }

        int burst() {
            return replicas + surge;
        }
    }

    /// Before there was any group.
    static Pace first(String key, Bounds bounds) {
        return new Pace(key, key, bounds.replicas(), bounds.replicas(), bounds.partition());
    }

    /// The next pace.
    ///
    /// @param places the row, of [#replicas] places
    Pace next(String newest, Bounds bounds, List<Place> places) {
        Pace next = freely(newest, bounds, places);
        return next.partition >= bounds.partition() ? next : next.to(next.replicas, bounds.partition());
    }

    /// The same while the update stands still: only the number of groups follows what is wanted.
    Pace still(Bounds bounds) {
        int row = Math.max(0, replicas + bounds.replicas() - wanted);
        return new Pace(key, before, bounds.replicas(), row, Math.min(partition, row));
    }

    private Pace freely(String newest, Bounds bounds, List<Place> places) {
        int n = bounds.replicas();
        if (!newest.equals(key)) {
            int row = replicas < n ? n : row(bounds, n);
            return new Pace(newest, key, n, row, Math.min(n, replicas));
        }
        Pace same = new Pace(key, before, n, replicas, partition);
        if (partition == 0 && replicas == n) {
            return same;
        }
        if (replicas < n) {
            return same.to(n, partition);
        }
        int row = row(bounds, unfinished(n, places));
        return wanted == n ? same.to(row, step(bounds, places)) : same.to(row, Math.min(partition, bounds.burst()));
    }

    /// Places that the row needs while `unfinished` of the wanted groups are not yet ready and updated.
    private static int row(Bounds bounds, int unfinished) {
        return unfinished <= bounds.surge()
                ? bounds.replicas() + Math.max(0, unfinished - bounds.unavailable())
                : bounds.burst();
    }

    private static int unfinished(int n, List<Place> places) {
        return n - (int) places.stream().limit(n).filter(Place::done).count();
    }

    /// So far down that no more groups are missing than may be. Groups that are not ready lose nothing by it, so they
    /// do
    /// not hold it up.
    private int step(Bounds bounds, List<Place> places) {
        int row = places.size();
        int missing = bounds.unavailable() + bounds.surge() - (bounds.burst() - row);
        int reached = Math.max(0, row - doneFromTheTop(places) - missing);
        int below = (int)
                places.stream().limit(reached).filter(place -> !place.ready()).count();
        int at = reached + below;
        for (int i = Math.min(at, row - 1); i >= reached; i--) {
            if (places.get(i).ready() && !places.get(i).updated()) {
                break;
            }
            at = i;
        }
        return Math.min(at, partition);
    }

    private static int doneFromTheTop(List<Place> places) {
        int count = 0;
        for (int i = places.size() - 1; i >= 0 && places.get(i).done(); i--) {
            count++;
        }
        return count;
    }

    private Pace to(int row, int place) {
        return new Pace(key, before, wanted, row, place);
    }
}
