package dev.skein.scheduler.agent;

import dev.skein.scheduler.rollout.Needs;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/// Finds places for all ranks of a group, or for none. A pure function.
///
/// The ranks of a stage exchange data in every layer, so as many stages as the cluster has room for go on one host
/// each; where it has none for the others, and these may part, their ranks go one by one. The group goes into the
/// lowest domain that holds it so - a host, else a rack, a block, a zone, the cluster - and of those into the one where
/// least is left over, so that what is large stays large; a group without GPUs first of all where fewest GPUs are free.
/// Inside it goes down level by level: into the tightest domain that takes all that is left, else into the largest.
final class Placement {
    private static final long MEBIBYTE = 1 << 20;

    private final Shape shape;
    private final Needs rank;

    /// So many stages go on one host each.
    private final int whole;

    private Placement(Shape shape, List<Free> machines) {
        this.shape = shape;
        this.rank = shape.rank();
        this.whole = shape.mayPart() ? Math.min(shape.stages(), units(machines, shape.tensor())) : shape.stages();
    }

    /// @param hosts by rank; empty where there is no room for all
    /// @param reasons for people: by level the best domain, and what it lacks
    record Found(List<String> hosts, List<String> reasons) {
        Found {
            hosts = List.copyOf(hosts);
            reasons = List.copyOf(reasons);
        }
    }

    private record Domain(String path, List<Free> machines) {}

    static Found place(Shape shape, List<Free> machines) {
        return new Placement(shape, machines).place(machines);
    }

    private Found place(List<Free> machines) {
        List<String> reasons = new ArrayList<>(List.of(wish()));
        for (int level = Machine.LEVELS.size(); level >= -1; level--) {
            List<Domain> domains = domains(machines, level);
            Domain tightest = domains.stream()
                    .filter(domain -> held(domain) == shape.size())
                    .min(tightest(1))
                    .orElse(null);
            if (tightest != null) {
                List<String> hosts = hosts(tightest, level);
                reasons.add(name(level) + " " + title(tightest) + " holds all: "
                        + hosts.stream().distinct().collect(Collectors.joining(", ")));
                return new Found(hosts, reasons);
            }
            reasons.add(shortage(level, domains));
        }
        return new Found(List.of(), reasons);
    }

    /// Whole stages first, then the ranks of the others.
    private List<String> hosts(Domain domain, int level) {
        List<String> hosts = new ArrayList<>();
        fill(domain, level, whole, shape.tensor(), hosts);
        List<Free> left = domain.machines().stream()
                .map(free -> free.without(
                        rank, Collections.frequency(hosts, free.machine().name())))
                .toList();
        fill(new Domain(domain.path(), left), level, shape.size() - hosts.size(), 1, hosts);
        return hosts;
    }

    /// Takes the domain's machines for so many units of so many ranks, which it holds.
    private void fill(Domain domain, int level, int wanted, int unit, List<String> hosts) {
        if (level == Machine.LEVELS.size()) {
            hosts.addAll(Collections.nCopies(
                    wanted * unit, domain.machines().getFirst().machine().name()));
            return;
        }
        List<Domain> parts = new ArrayList<>(domains(domain.machines(), level + 1));
        for (int left = wanted; left > 0; ) {
            Domain next = next(parts, left, unit);
            int taken = Math.min(left, units(next.machines(), unit));
            fill(next, level + 1, taken, unit, hosts);
            parts.remove(next);
            left -= taken;
        }
    }

    private Domain next(List<Domain> parts, int left, int unit) {
        return parts.stream()
                .filter(part -> units(part.machines(), unit) >= left)
                .min(tightest(unit))
                .orElseGet(() -> parts.stream()
                        .max(Comparator.<Domain>comparingInt(part -> units(part.machines(), unit))
                                .thenComparing(
                                        Comparator.comparing(Domain::path).reversed()))
                        .orElseThrow());
    }

    /// Where least is left over comes first.
    private Comparator<Domain> tightest(int unit) {
        Comparator<Domain> byGpus = Comparator.comparingInt(domain -> rank.gpus() > 0
                ? 0
                : domain.machines().stream()
                        .mapToInt(free -> free.gpus().size())
                        .sum());
        return byGpus.thenComparingInt(domain -> units(domain.machines(), unit)).thenComparing(Domain::path);
    }

    /// How many times so many ranks have room, on one host each time.
    private int units(List<Free> machines, int unit) {
        return machines.stream().mapToInt(free -> free.holds(rank) / unit).sum();
    }

    private static List<Domain> domains(List<Free> machines, int level) {
        Map<String, List<Free>> byPath = new TreeMap<>();
        machines.forEach(free -> byPath.computeIfAbsent(free.machine().domain(level), path -> new ArrayList<>())
                .add(free));
        return byPath.entrySet().stream()
                .map(entry -> new Domain(entry.getKey(), entry.getValue()))
                .toList();
    }

    private String wish() {
        String each = "needs " + shape.size() + " x " + amount(rank.threads(), rank.bytes(), rank.gpus());
        if (shape.tensor() == 1) {
            return each;
        }
        return whole == shape.stages()
                ? each + ", each " + shape.tensor() + " on one host"
                : each + ", " + whole + " of " + shape.stages() + " stages of " + shape.tensor()
                        + " ranks on one host each: there is no room for more so";
    }

    private String shortage(int level, List<Domain> domains) {
        return domains.stream()
                .max(Comparator.comparingInt(this::held))
                .map(best -> name(level) + " " + title(best) + ", the best, holds " + held(best) + " of " + shape.size()
                        + " ranks; free there: " + free(best.machines()))
                .orElse("no machine answers");
    }

    /// Ranks that find a place in it as they should: of whole stages on one host each, of the others anywhere.
    private int held(Domain domain) {
        int inStages = Math.min(whole, units(domain.machines(), shape.tensor())) * shape.tensor();
        int others = shape.size() - whole * shape.tensor();
        return inStages + Math.min(others, units(domain.machines(), 1) - inStages);
    }

    private String free(List<Free> machines) {
        return amount(
                machines.stream().mapToInt(Free::cores).sum(),
                machines.stream().mapToLong(Free::bytes).sum(),
                machines.stream().mapToInt(free -> free.large(rank)).sum());
    }

    /// GPUs only where the group needs some; then those that are large enough count.
    private String amount(int cores, long bytes, int gpus) {
        return rank.gpus() == 0
                ? "%d cores and %,d MiB".formatted(cores, bytes / MEBIBYTE)
                : "%d cores, %,d MiB and %d GPUs of %,d MiB or more"
                        .formatted(cores, bytes / MEBIBYTE, gpus, rank.bytesOfGpu() / MEBIBYTE);
    }

    private static String name(int level) {
        return level < 0 ? "cluster" : level == Machine.LEVELS.size() ? "host" : Machine.LEVELS.get(level);
    }

    /// Levels without labels say nothing to people.
    private static String title(Domain domain) {
        String path = domain.path().replace("/-", "");
        return path.isEmpty() ? "of " + domain.machines().size() + " machines" : path;
    }
}
