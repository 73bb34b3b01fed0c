package dev.skein.scheduler.agent;

import dev.skein.scheduler.rollout.Needs;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// One machine's devices and who owns them: the only arbiter of both. No clock, no thread, no I/O: the caller
/// brings the time, writes [#kept] to its disk before it answers, and ends what [#due] names. Claims do not survive
/// a restart: the processes that they were for have ended with the life before.
///
/// Properties, whatever calls come, in whatever order:
///
/// 1. A core and a GPU have one owner; memory is never given twice. Devices of a claim are free only after [#ended].
/// 2. A call of an older term than the highest ever heard, or of a second driver of that term, changes nothing.
/// 3. Of a group there is one epoch at a time: devices are given only for the one that the last beat names, and
///    to no group that it does not name. So what comes late or twice gives nothing.
/// 4. A rank may run only under a committed claim, and only until [Times#keepMillis] after the newest clock of this
///    agent that a driver with a majority has shown to know.
public final class Ledger {
    private static final long NEVER = Long.MIN_VALUE / 2;

    private final Machine machine;
    private final Times times;
    private final long boot;
    private final Map<String, Claim> claims = new LinkedHashMap<>();
    private Map<String, Long> floors = new HashMap<>();
    private long revision;
    private long term;
    private String driver;
    private long promisedUntil;
    private long round = -1;
    private long renewed = NEVER;
    private final long began;

    /// What survives a restart: who was promised what.
    public record Kept(long boot, long term, String driver) {
        public static final Kept NOTHING = new Kept(0, 0, "");
    }

    /// A new life of an agent, with no process of an earlier one left. Nobody but the driver that it listened to is
    /// heard until the promise of its last life is over.
    public Ledger(Machine machine, Times times, Kept kept, long now) {
        this.machine = machine;
        this.times = times;
        this.boot = kept.boot() + 1;
        this.term = kept.term();
        this.driver = kept.driver();
        this.promisedUntil = term == 0 ? now : now + times.promiseMillis();
        this.began = now;
    }

    public Answer answer(Call call, long now) {
        expire(now);
        String reason = switch (call) {
            case Call.Beat beat -> beat(beat, now);
            case Call.Reserve reserve -> reserve(reserve, now);
            case Call.Commit commit -> commit(commit, now);
            case Call.Release release -> release(release, now);
        };
        return answer(reason, now);
    }

    /// How the machine stands; changes nothing.
    public Answer describe(long now) {
        expire(now);
        return answer("", now);
    }

    private Answer answer(String reason, long now) {
        revision++;
        return new Answer(reason, machine, boot, revision, now, term, driver, List.copyOf(claims.values()));
    }

    /// To be on disk before the answer leaves.
    public Kept kept() {
        return new Kept(boot, term, driver);
    }

    /// Claims whose processes must end now. To be asked often: also silence ends claims.
    public List<Claim> due(long now) {
        expire(now);
        return claims.values().stream()
                .filter(claim -> claim.state() == Claim.State.ENDING)
                .toList();
    }

    /// No process of this claim runs any more.
    public void ended(String group, long epoch) {
        Claim claim = claims.get(group);
        if (claim != null && claim.epoch() == epoch && claim.state() == Claim.State.ENDING) {
            claims.remove(group);
        }
    }

    /// Why a process of this rank may not be started now; empty where it may.
    public String refusal(long fromTerm, String group, long epoch, int rank, long now) {
        expire(now);
        Claim claim = claims.get(group);
        if (fromTerm != term) {
            return "term " + fromTerm + " is not the current one, " + term;
        }
        if (claim == null || claim.epoch() != epoch || claim.state() != Claim.State.COMMITTED) {
            return group + " has no committed place here at epoch " + epoch;
        }
        if (!claim.ranks().contains(rank)) {
            return "rank " + rank + " of " + group + " has its place elsewhere";
        }
        return leased(now) ? "" : "no driver with a majority was heard for too long";
    }

    /// Ids of the GPUs that a rank of a group owns here, as `CUDA_VISIBLE_DEVICES` names them.
    public List<String> gpus(String group, int rank) {
        Claim claim = claims.get(group);
        return claim == null || !claim.ranks().contains(rank) ? List.of() : claim.gpusOf(rank);
    }

    /// Whether a driver with a majority was heard lately.
    public boolean steered(long now) {
        return now < renewed + times.promiseMillis();
    }

    private boolean leased(long now) {
        return renewed != NEVER && (times.keepMillis() == 0 || now < renewed + times.keepMillis());
    }

    private String beat(Call.Beat beat, long now) {
        boolean same = beat.driver().equals(driver);
        if (beat.term() < term || beat.term() == term && !same) {
            return "term " + beat.term() + " of " + beat.driver() + " is over: term " + term + " is " + driver + "'s";
        }
        if (!same && now < promisedUntil) {
            return "promised to " + driver;
        }
        if (beat.term() == term && beat.round() <= round) {
            return "overtaken by a later beat";
        }
        term = beat.term();
        driver = beat.driver();
        round = beat.round();
        promisedUntil = now + times.promiseMillis();
        if (beat.holds()) {
            obey(beat);
        }
        return "";
    }

    private String release(Call.Release call, long now) {
        if (call.term() == term && call.driver().equals(driver)) {
            promisedUntil = Math.min(promisedUntil, now);
        }
        return "";
    }

    private void obey(Call.Beat beat) {
        if (beat.boot() == boot) {
            renewed = Math.max(renewed, beat.echo());
            floors = new HashMap<>(beat.floors());
            end(claim -> claim.epoch() < floor(claim.group()));
        }
    }

    private long floor(String group) {
        return floors.getOrDefault(group, 0L);
    }

    private String reserve(Call.Reserve call, long now) {
        String stranger = stranger(call, call.group(), call.epoch(), now);
        if (!stranger.isEmpty()) {
            return stranger;
        }
        Claim claim = claims.get(call.group());
        if (claim != null) {
            return claim.epoch() == call.epoch() && claim.state() != Claim.State.ENDING
                    ? ""
                    : call.group() + " is still here with epoch " + claim.epoch();
        }
        return give(call, now);
    }

    private String give(Call.Reserve call, long now) {
        int ranks = call.ranks().size();
        Needs all = call.rank().times(ranks);
        Free free = Free.of(machine, claims.values());
        if (free.holds(call.rank()) < ranks) {
            return "needs " + all.threads() + " cores, " + all.bytes() + " bytes and " + all.gpus() + " GPUs; "
                    + free.cores() + ", " + free.bytes() + " and " + free.large(call.rank()) + " are free";
        }
        claims.put(
                call.group(),
                new Claim(
                        call.group(),
                        call.epoch(),
                        call.ranks(),
                        nearest(freeCores(), all.threads()),
                        Gpu.tightest(free.gpus(), all.gpus(), call.rank().bytesOfGpu()).stream()
                                .map(Gpu::id)
                                .toList(),
                        all.bytes(),
                        Claim.State.RESERVED,
                        now + times.reserveMillis()));
        return "";
    }

    private String commit(Call.Commit call, long now) {
        String stranger = stranger(call, call.group(), call.epoch(), now);
        if (!stranger.isEmpty()) {
            return stranger;
        }
        Claim claim = claims.get(call.group());
        if (claim == null || claim.epoch() != call.epoch() || claim.state() == Claim.State.ENDING) {
            return "nothing is reserved for " + call.group() + " at epoch " + call.epoch();
        }
        claims.put(call.group(), claim.in(Claim.State.COMMITTED));
        return "";
    }

    /// Why this call is none of the current driver's decisions; empty if it is.
    private String stranger(Call call, String group, long epoch, long now) {
        if (call.term() != term || !call.driver().equals(driver)) {
            return "term " + call.term() + " of " + call.driver() + " is over: term " + term + " is " + driver + "'s";
        }
        if (!steered(now)) {
            return "no driver with a majority was heard for " + times.promiseMillis() + " ms";
        }
        @Nullable Long current = floors.get(group);
        if (current == null) {
            return group + " has no place at epoch " + epoch + ": the last beat does not name it";
        }
        return epoch == current ? "" : "epoch " + epoch + " of " + group + " is not the current one, " + current;
    }

    private void expire(long now) {
        boolean over = times.keepMillis() > 0 && now >= Math.max(renewed, began) + times.keepMillis();
        boolean steered = steered(now);
        end(claim -> claim.state() == Claim.State.RESERVED ? now >= claim.until() || !steered : over);
    }

    /// A reservation has no processes, so nothing has to end before its devices are free.
    private void end(Predicate<Claim> over) {
        claims.values().removeIf(claim -> claim.state() == Claim.State.RESERVED && over.test(claim));
        claims.replaceAll((group, claim) -> over.test(claim) ? claim.in(Claim.State.ENDING) : claim);
    }

    private List<Integer> freeCores() {
        BitSet taken = new BitSet();
        claims.values().forEach(claim -> claim.cores().forEach(taken::set));
        return IntStream.range(0, machine.devices().cores())
                .filter(core -> !taken.get(core))
                .boxed()
                .toList();
    }

    /// Of one NUMA node where one has enough, the tightest; else node by node, the fullest first.
    private List<Integer> nearest(List<Integer> cores, int count) {
        Map<Integer, List<Integer>> nodes = new TreeMap<>();
        cores.forEach(core -> nodes.computeIfAbsent(machine.devices().numa().get(core), n -> new ArrayList<>())
                .add(core));
        Comparator<List<Integer>> smaller = Comparator.comparingInt(List::size);
        return nodes.values().stream()
                .filter(node -> node.size() >= count)
                .min(smaller)
                .map(node -> node.subList(0, count))
                .orElseGet(() -> nodes.values().stream()
                        .sorted(smaller.reversed())
                        .flatMap(List::stream)
                        .limit(count)
                        .toList());
    }
}
