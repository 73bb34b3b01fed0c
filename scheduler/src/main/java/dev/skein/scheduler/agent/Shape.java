package dev.skein.scheduler.agent;

import dev.skein.scheduler.rollout.Needs;

/// What a group takes: so many ranks, all alike, in stages.
///
/// @param size ranks
/// @param tensor ranks of a stage: so many consecutive ones exchange data in every layer and belong on one host;
///     divides the size
/// @param rank what each takes
/// @param mayPart whether the ranks of a stage may go on several hosts where none has room for them
public record Shape(int size, int tensor, Needs rank, boolean mayPart) {

    public Shape(int size, int tensor, Needs rank) {
        this(size, tensor, rank, true);
    }

    public Shape {
        if (size < 1 || tensor < 1 || size % tensor != 0) {
            throw new IllegalArgumentException(
                    "size " + size + " and tensor " + tensor + ": both at least 1, and the second divides the first");
        }
    }

    public int stages() {
        return size / tensor;
    }
}
