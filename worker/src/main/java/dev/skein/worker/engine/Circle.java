package dev.skein.worker.engine;

import java.util.List;

/**
 * Some ranks of a group that speak with each other.
 *
 * @param name among all circles of the group
 * @param ranks by their places in the group; who comes first is 0 in the circle
 */
public record Circle(String name, List<Integer> ranks) {
    public Circle {
        ranks = List.copyOf(ranks);
    }

    static Circle of(String name, Integer... ranks) {
        return new Circle(name, List.of(ranks));
    }

    public int size() {
        return ranks.size();
    }

    /** What a rank of the group is in this circle; -1 if it is not in it. */
    public int place(int rank) {
        return ranks.indexOf(rank);
    }
}
