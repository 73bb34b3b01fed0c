package dev.skein.scheduler.agent;

import dev.skein.scheduler.rollout.Needs;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// A machine and what nobody owns of it.
///
/// @param bytes of memory
record Free(Machine machine, int cores, long bytes, List<Gpu> gpus) {
    /// Who takes nothing fits this often, which still can be added up.
    private static final long MOST_RANKS = 1 << 20;

    Free {
        gpus = List.copyOf(gpus);
    }

    /// What the claims leave.
    static Free of(Machine machine, Collection<Claim> claims) {
        Set<String> taken = new HashSet<>();
        claims.forEach(claim -> taken.addAll(claim.gpus()));
        Devices devices = machine.devices();
        return new Free(
                machine,
                devices.cores()
                        - claims.stream()
                                .mapToInt(claim -> claim.cores().size())
                                .sum(),
                devices.bytes() - claims.stream().mapToLong(Claim::bytes).sum(),
                devices.gpus().stream().filter(gpu -> !taken.contains(gpu.id())).toList());
    }

    /// How many such ranks it has room for.
    int holds(Needs rank) {
        long ranks = MOST_RANKS;
        if (rank.threads() > 0) {
            ranks = Math.min(ranks, cores / rank.threads());
        }
        if (rank.bytes() > 0) {
            ranks = Math.min(ranks, bytes / rank.bytes());
        }
        if (rank.gpus() > 0) {
            ranks = Math.min(ranks, large(rank) / rank.gpus());
        }
        return (int) Math.max(0, ranks);
    }

    /// GPUs with memory enough for such a rank.
    int large(Needs rank) {
        return Gpu.tightest(gpus, gpus.size(), rank.bytesOfGpu()).size();
    }

    /// What so many such ranks leave.
    Free without(Needs rank, int ranks) {
        Needs all = rank.times(ranks);
        List<Gpu> taken = Gpu.tightest(gpus, all.gpus(), rank.bytesOfGpu());
        return new Free(
                machine,
                cores - all.threads(),
                bytes - all.bytes(),
                gpus.stream().filter(gpu -> !taken.contains(gpu)).toList());
    }
}
