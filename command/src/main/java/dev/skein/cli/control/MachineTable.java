package dev.skein.cli.control;

import dev.skein.cli.client.Table;
import dev.skein.protocol.v1.Gpu;
import dev.skein.protocol.v1.Machine;
import dev.skein.protocol.v1.Machines;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/// The machines of a cluster for people: who decides, when each was heard, and what of it is owned.
final class MachineTable {
    private static final List<String> HEAD =
            List.of("MACHINE", "ROLE", "HEARD", "CORES", "MEMORY MIB", "GPUS", "LABELS", "GROUPS");
    private static final double SECOND = 1_000;
    private static final long MEBIBYTE = 1 << 20;

    private MachineTable() {}

    static String text(Machines all) {
        List<List<String>> rows = new ArrayList<>(List.of(HEAD));
        all.getMachinesList().forEach(machine -> rows.add(row(machine)));
        return Table.text(rows);
    }

    private static List<String> row(Machine machine) {
        if (!machine.hasSilentMillis()) {
            return List.of(machine.getName(), role(machine), "never", "-", "-", "-", "-", "-");
        }
        return List.of(
                machine.getName(),
                role(machine),
                String.format(Locale.ROOT, "%.1f s ago", machine.getSilentMillis() / SECOND),
                machine.getOwnedCores() + "/" + machine.getCores(),
                machine.getOwnedBytes() / MEBIBYTE + "/" + machine.getBytes() / MEBIBYTE,
                gpus(machine),
                labels(machine.getLabelsMap()),
                machine.getGroupsCount() == 0 ? "-" : String.join(",", machine.getGroupsList()));
    }

    private static String role(Machine machine) {
        return machine.getDecides() ? "decides" : machine.getVotes() ? "votes" : "follows";
    }

    private static String gpus(Machine machine) {
        List<Gpu> all = machine.getGpusList();
        long owned = all.stream().filter(gpu -> !gpu.getGroup().isEmpty()).count();
        return owned + "/" + all.size();
    }

    private static String labels(Map<String, String> labels) {
        return labels.isEmpty()
                ? "-"
                : new TreeMap<>(labels)
                        .entrySet().stream()
                                .map(label -> label.getKey() + "=" + label.getValue())
                                .collect(Collectors.joining(","));
    }
}
