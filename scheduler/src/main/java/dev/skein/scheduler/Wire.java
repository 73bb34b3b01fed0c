package dev.skein.scheduler;

import dev.skein.protocol.v1.Group;
import dev.skein.protocol.v1.GroupState;
import dev.skein.protocol.v1.Groups;
import dev.skein.protocol.v1.RankState;
import dev.skein.scheduler.lifecycle.Rank;
import java.util.List;

/// The scheduler's records as messages of the protocol.
final class Wire {
    private Wire() {}

    static Groups groups(List<GroupStatus> picture) {
        Groups.Builder groups = Groups.newBuilder();
        picture.forEach(status -> groups.addGroups(group(status)));
        return groups.build();
    }

    private static Group group(GroupStatus status) {
        Group.Builder group = Group.newBuilder()
                .setName(status.spec().name())
                .setState(state(status))
                .setReason(status.reason())
                .setRestarts(status.observed().restarts())
                .setModel(status.spec().model());
        status.observed().ranks().forEach(rank -> group.addRanks(rank(rank)));
        return group.build();
    }

    private static GroupState state(GroupStatus status) {
        return switch (status.state()) {
            case PENDING -> GroupState.GROUP_STATE_PENDING;
            case PLACED -> GroupState.GROUP_STATE_PLACED;
            case STARTING -> GroupState.GROUP_STATE_STARTING;
            case WARMING -> GroupState.GROUP_STATE_WARMING;
            case READY -> GroupState.GROUP_STATE_READY;
            case DRAINING -> GroupState.GROUP_STATE_DRAINING;
            case GONE -> GroupState.GROUP_STATE_GONE;
            case FAILED -> GroupState.GROUP_STATE_FAILED;
        };
    }

    private static dev.skein.protocol.v1.Rank rank(Rank rank) {
        return dev.skein.protocol.v1.Rank.newBuilder()
                .setRank(rank.index())
                .setState(state(rank))
                .setHost(rank.host())
                .setPort(rank.port())
                .setProcessId(rank.processId())
                .setToken(rank.token())
                .setDetail(rank.detail())
                .build();
    }

    /// A draining rank still takes calls until it ends, though no new ones should be sent: that is the group's state to
    /// say.
    private static RankState state(Rank rank) {
        return switch (rank.phase()) {
            case ABSENT, KILLED -> RankState.RANK_STATE_EXITED;
            case STARTING -> RankState.RANK_STATE_STARTING;
            case WARMING -> RankState.RANK_STATE_LISTENING;
            case READY, DRAINING -> RankState.RANK_STATE_READY;
        };
    }
}
