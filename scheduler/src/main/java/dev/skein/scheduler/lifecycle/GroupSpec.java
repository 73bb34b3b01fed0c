package dev.skein.scheduler.lifecycle;

/// One copy of a model, as it is wanted.
///
/// @param name names the group among all groups
/// @param model names the model for people and for routing
/// @param size the number of ranks, at least 1
/// @param tensor ranks of a stage: so many consecutive ones belong on one host; divides the size
/// @param parameters what each rank is told at its start; only the rank itself reads it
public record GroupSpec(String name, String model, int size, int tensor, String parameters) {

    /// A group whose ranks are a stage each.
    public GroupSpec(String name, String model, int size, String parameters) {
        this(name, model, size, 1, parameters);
    }

    public GroupSpec {
        if (name.isBlank()) {
            throw new IllegalArgumentException("a group needs a name");
        }
        if (size < 1) {
            throw new IllegalArgumentException("group " + name + " has size " + size + "; it needs at least 1 rank");
        }
        if (tensor < 1 || size % tensor != 0) {
            throw new IllegalArgumentException(
                    "group " + name + " has " + size + " ranks and " + tensor + " in a stage; all stages are alike");
        }
    }
}
