package dev.skein.cli.control;

import dev.skein.cli.client.Arguments;
import dev.skein.cli.client.Table;
import dev.skein.protocol.v1.Group;
import dev.skein.protocol.v1.GroupState;
import dev.skein.protocol.v1.Groups;
import dev.skein.protocol.v1.Machines;
import dev.skein.protocol.v1.MachinesRequest;
import dev.skein.protocol.v1.Rank;
import dev.skein.protocol.v1.RankState;
import dev.skein.protocol.v1.SchedulerGrpcClient;
import dev.skein.protocol.v1.WatchGroupsRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine;

/// `skein status --scheduler`: machines, deployments, groups and ranks of a cluster.
@CommandLine.Command(
        name = "skein status",
        mixinStandardHelpOptions = true,
        separator = " ",
        header = "show the machines, deployments, groups and ranks of a cluster")
public final class ClusterStatus {
    private static final List<String> GROUP_HEAD = List.of("GROUP", "STATE", "RESTARTS", "REASON");
    private static final List<String> RANK_HEAD = List.of("GROUP", "RANK", "STATE", "HOST", "PORT", "PID");

    @CommandLine.Mixin
    private final Target target = new Target();

    private ClusterStatus() {}

    public static int run(List<String> arguments) {
        ClusterStatus command = new ClusterStatus();
        if (!Arguments.helped(command, arguments)) {
            try (SchedulerCalls calls = new SchedulerCalls(command.target)) {
                Machines machines = calls.call(SchedulerGrpcClient.ListMachines, MachinesRequest.getDefaultInstance());
                Groups groups = calls.call(SchedulerGrpcClient.WatchGroups, WatchGroupsRequest.getDefaultInstance());
                System.out.print(MachineTable.text(machines) + "\n" + text(groups));
            }
        }
        return 0;
    }

    static String text(Groups all) {
        List<List<String>> groups = new ArrayList<>(List.of(GROUP_HEAD));
        List<List<String>> ranks = new ArrayList<>(List.of(RANK_HEAD));
        for (Group group : all.getGroupsList()) {
            groups.add(List.of(
                    group.getName(), word(group.getState()), Integer.toString(group.getRestarts()), group.getReason()));
            group.getRanksList().forEach(rank -> ranks.add(row(group, rank)));
        }
        StringBuilder text = new StringBuilder();
        all.getDeploymentsList()
                .forEach(each -> text.append(SchedulerCalls.line(each)).append('\n'));
        return text.append('\n')
                .append(Table.text(groups))
                .append('\n')
                .append(Table.text(ranks))
                .toString();
    }

    private static List<String> row(Group group, Rank rank) {
        return List.of(
                group.getName(),
                Integer.toString(rank.getRank()),
                word(rank.getState()),
                rank.getHost(),
                Integer.toString(rank.getPort()),
                Long.toString(rank.getProcessId()));
    }

    private static String word(GroupState state) {
        return state.name().substring("GROUP_STATE_".length()).toLowerCase(Locale.ROOT);
    }

    private static String word(RankState state) {
        return state.name().substring("RANK_STATE_".length()).toLowerCase(Locale.ROOT);
    }
}
