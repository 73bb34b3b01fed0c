package dev.skein.scheduler.agent;

import dev.skein.scheduler.rollout.Needs;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/// Finds places for all ranks of a group, or for none. A pure function.
///
/// Ranks are placed in units: the ranks that exchange data in every layer, on one host, where any host has room for
/// such a unit; else one by one. The group goes into the lowest domain that holds all units - a host, else a rack,
/// a block, a zone, the cluster - and of those into the one where least is left over, so that what is large stays
/// large. Inside it goes down level by level: into the tightest domain that takes all that is left, else into the
/// largest.
public final class Placement {
    private static final long MEBIBYTE = 1 << 20;

    private Placement() {}

    /// A machine and what nobody owns of it.
    public record Free(Machine machine, int cores, long bytes) {
        int holds(Needs rank) {
            long byCores = rank.threads() == 0 ? Integer.MAX_VALUE : cores / rank.threads();
            long byBytes = rank.bytes() == 0 ? Integer.MAX_VALUE : bytes / rank.bytes();
            return (int) Math.max(0, Math.min(byCores, byBytes));
        }
    }

    /// @param hosts by rank; empty where there is no room for all
    /// @param reasons for people: by level the best domain, and what it lacks
    public record Found(List<String> hosts, List<String> reasons) {
        public Found {
            hosts = List.copyOf(hosts);
            reasons = List.copyOf(reasons);
        }
    }

    /// Machines of one domain, and how many units they hold together.
    private record Domain(String path, List<Free> machines, int units) {}

    public static Found place(Shape shape, List<Free> machines) {
        boolean whole =
                !shape.mayPart() || machines.stream().anyMatch(free -> free.holds(shape.rank()) >= shape.tensor());
        int unit = whole ? shape.tensor() : 1;
        Found found = place(shape, unit, machines);
        return found.hosts().isEmpty() && unit > 1 && shape.mayPart()
                ? merged(found, place(shape, 1, machines))
                : found;
    }

    /// The reasons of the better try are told, unless the other one found places.
    private static Found merged(Found whole, Found split) {
        return split.hosts().isEmpty() ? whole : split;
    }

    private static Found place(Shape shape, int unit, List<Free> machines) {
        int wanted = shape.size() / unit;
        List<String> reasons = new ArrayList<>();
        reasons.add("needs " + shape.size() + " x " + amount(shape.rank())
                + (shape.tensor() > 1
                        ? ", "
                                + (unit > 1
                                        ? "each " + unit + " on one host"
                                        : "ranks on several hosts, which no single one has room for")
                        : ""));
        for (int level = Machine.LEVELS.size(); level >= -1; level--) {
            List<Domain> domains = domains(machines, level, shape.rank(), unit);
            Domain tightest = domains.stream()
                    .filter(domain -> domain.units() >= wanted)
                    .min(Comparator.comparingInt(Domain::units).thenComparing(Domain::path))
                    .orElse(null);
            if (tightest != null) {
                List<String> units = new ArrayList<>();
                fill(tightest, level, wanted, shape.rank(), unit, units);
                reasons.add(name(level) + " " + title(tightest) + " holds all: "
                        + units.stream().distinct().collect(Collectors.joining(", ")));
                return new Found(hosts(units, unit), reasons);
            }
            reasons.add(shortage(level, domains, shape, unit));
        }
        return new Found(List.of(), reasons);
    }

    private static List<String> hosts(List<String> units, int unit) {
        return units.stream()
                .flatMap(host -> java.util.Collections.nCopies(unit, host).stream())
                .toList();
    }

    /// Takes the domain's machines for so many units, which it holds.
    private static void fill(Domain domain, int level, int wanted, Needs rank, int unit, List<String> units) {
        if (level == Machine.LEVELS.size()) {
            for (int i = 0; i < wanted; i++) {
                units.add(domain.machines().getFirst().machine().name());
            }
            return;
        }
        List<Domain> parts = new ArrayList<>(domains(domain.machines(), level + 1, rank, unit));
        for (int left = wanted; left > 0; ) {
            Domain next = next(parts, left);
            int taken = Math.min(left, next.units());
            fill(next, level + 1, taken, rank, unit, units);
            parts.remove(next);
            left -= taken;
        }
    }

    private static Domain next(List<Domain> parts, int left) {
        Comparator<Domain> bySize = Comparator.comparingInt(Domain::units);
        return parts.stream()
                .filter(part -> part.units() >= left)
                .min(bySize.thenComparing(Domain::path))
                .orElseGet(() -> parts.stream()
                        .max(bySize.thenComparing(
                                Comparator.comparing(Domain::path).reversed()))
                        .orElseThrow());
    }

    private static List<Domain> domains(List<Free> machines, int level, Needs rank, int unit) {
        Map<String, List<Free>> byPath = new TreeMap<>();
        machines.forEach(free -> byPath.computeIfAbsent(free.machine().domain(level), path -> new ArrayList<>())
                .add(free));
        return byPath.entrySet().stream()
                .map(entry -> new Domain(
                        entry.getKey(),
                        entry.getValue(),
                        entry.getValue().stream()
                                .mapToInt(free -> free.holds(rank) / unit)
                                .sum()))
                .toList();
    }

    private static String shortage(int level, List<Domain> domains, Shape shape, int unit) {
        return domains.stream()
                .max(Comparator.comparingInt(Domain::units))
                .map(best -> name(level) + " " + title(best) + ", the best, holds " + best.units() * unit + " of "
                        + shape.size() + " ranks; free there: " + free(best.machines()))
                .orElse("no machine answers");
    }

    private static String free(List<Free> machines) {
        return amount(new Needs(
                machines.stream().mapToInt(Free::cores).sum(),
                machines.stream().mapToLong(Free::bytes).sum()));
    }

    private static String amount(Needs needs) {
        return "%d cores and %,d MiB".formatted(needs.threads(), needs.bytes() / MEBIBYTE);
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
