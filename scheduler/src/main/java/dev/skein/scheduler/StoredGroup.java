package dev.skein.scheduler;

/// A group as Hazelcast keeps it: flat, because its compact form takes neither lists nor instants.
///
/// @param state the name of a [dev.skein.scheduler.lifecycle.GroupState]
/// @param phases by rank, the names of their [dev.skein.scheduler.lifecycle.Phase]s
public record StoredGroup(
        String name,
        String deployment,
        int revision,
        String model,
        int size,
        String parameters,
        String state,
        String reason,
        int restarts,
        String[] phases,
        String[] hosts,
        int[] ports,
        long[] incarnations) {

    static StoredGroup of(GroupStatus status) {
        var spec = status.spec();
        var ranks = status.observed().ranks();
        return new StoredGroup(
                spec.name(),
                status.deployment(),
                status.revision(),
                spec.model(),
                spec.size(),
                spec.parameters(),
                status.state().name(),
                status.reason(),
                status.observed().restarts(),
                ranks.stream().map(rank -> rank.phase().name()).toArray(String[]::new),
                ranks.stream().map(rank -> rank.host()).toArray(String[]::new),
                ranks.stream().mapToInt(rank -> rank.port()).toArray(),
                ranks.stream().mapToLong(rank -> rank.incarnation()).toArray());
    }
}
