package dev.skein.worker;

import dev.skein.compute.Backend;
import dev.skein.compute.OwnMemory;
import dev.skein.compute.StepInputs;
import dev.skein.compute.collective.CollectiveException;
import dev.skein.compute.cuda.CudaBackends;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.GpuUse;
import dev.skein.protocol.v1.RankHello;
import dev.skein.protocol.v1.RankLoaded;
import dev.skein.protocol.v1.RankPlace;
import dev.skein.protocol.v1.RankStart;
import dev.skein.protocol.v1.RankWelcome;
import dev.skein.protocol.v1.StepLimits;
import dev.skein.worker.engine.Assembly;
import dev.skein.worker.engine.EngineOptions;
import dev.skein.worker.engine.GroupStepper;
import dev.skein.worker.engine.Links;
import dev.skein.worker.engine.Stepper;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.DeviceBytes;
import dev.skein.worker.model.Fingerprint;
import dev.skein.worker.model.RankCount;
import dev.skein.worker.service.JoinDesk;
import dev.skein.worker.service.JoinDesk.Gathering;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a leader does for its group to compute: waits for the other ranks, tells each what it is and how much it may hold,
 * and meets them when all have loaded. When one is lost, every call that waits for it is given up; if the group may wait for
 * it, all meet anew when it is back.
 */
final class Leadership implements Assembly {
    private static final Logger log = LoggerFactory.getLogger(Leadership.class);

    /** Hears how the group gets over losses, on the step loop's thread. */
    interface Listener {
        void recovering(String reason);

        /** @param seconds since the steps broke off */
        void recovered(String reason, double seconds);
    }

    private final WorkerOptions options;
    private final Encryption encryption;
    private final JoinDesk desk;
    private final List<Architecture> parts;
    private final Listener listener;
    /** The starter's, which makes the stepper and with it all that reads this. */
    private RankWelcome orders = RankWelcome.getDefaultInstance();
    // Each is written before it can be asked for: by the starter, then by whoever hears that all have come.
    private volatile Gathering gathering;
    private volatile Summons summons = new Summons("", List.of());
    // The step loop's.
    private @Nullable Loss loss;

    /** Where all ranks are to meet, under a name of its own for each meeting. */
    private record Summons(String session, List<RankHost> hosts) {
        private Summons(List<RankHost> hosts) {
            this(UUID.randomUUID().toString(), hosts);
        }

        private List<String> ids() {
            return hosts.stream().map(RankHost::id).toList();
        }
    }

    /** What the group has yet to get over, and since when in nanoseconds. */
    private record Loss(String reason, long since) {}

    /**
     * Where a rank is.
     *
     * @param address where ranks of other hosts reach it; empty for where they reach the leader
     * @param freeBytes of memory for this rank
     */
    private record RankHost(String id, String address, long freeBytes) {}

    /** @throws IllegalArgumentException if the model cannot be split so */
    Leadership(WorkerOptions options, Encryption encryption, JoinDesk desk, Architecture whole, Listener listener) {
        this.options = options;
        this.encryption = encryption;
        this.desk = desk;
        this.listener = listener;
        gathering = desk.first();
        parts = whole.split(options.group().count());
    }

    /**
     * What each rank must hold. Waits until all have come.
     *
     * @param backend this rank's; those of the others are of its kind
     */
    List<Capacity.Needs> needs(Backend backend) {
        List<RankHost> hosts = hosts(desk.first().met().join());
        summons = new Summons(hosts);
        return backend.memory()
                .map(memory -> needsOnGpus(memory, summons.ids()))
                .orElseGet(() -> needsOnCores(hosts));
    }

    private List<Capacity.Needs> needsOnCores(List<RankHost> hosts) {
        StepInputs.Limits most = most();
        return parts.stream()
                .map(part -> new Capacity.Needs(
                        part.contextLength(),
                        part.cache(1).bytes(),
                        DeviceBytes.of(part.weightBytes(), part.activationBytes(most)),
                        hosts.get(part.shard().rank()).freeBytes,
                        null))
                .toList();
    }

    /** GPUs of a host are taken to be alike; each rank sees whether its own has room before it loads. */
    private List<Capacity.Needs> needsOnGpus(OwnMemory memory, List<String> hosts) {
        List<String> ids = hosts.stream().distinct().toList();
        if (ids.size() > 1) {
            throw new IllegalArgumentException(
                    "--device cuda: ranks on GPUs must be on one host, and these are on %d: %s. Start all on one, or say --device cpu"
                            .formatted(ids.size(), String.join(", ", ids)));
        }
        int sharing = CudaBackends.ranksOnOne(parts.size());
        if (sharing > 1) {
            log.warn("{} ranks share a GPU, and wait for each other in turns: that is right but slow", sharing);
        }
        Capacity.Share share = new Capacity.Share(
                memory.totalBytes() / sharing, options.device().memoryShare());
        long free = memory.freeBytes() / sharing;
        StepInputs.Limits most = most();
        return parts.stream()
                .map(part -> new Capacity.Needs(
                        part.contextLength(), part.cache(1).bytes(), part.bytes(memory, most), free, share))
                .toList();
    }

    private StepInputs.Limits most() {
        return EngineOptions.mostStep(options.maxNumSeqs(), options.maxNumBatchedTokens());
    }

    /** Ranks of one host share its memory. */
    private static List<RankHost> hosts(List<RankHello> others) {
        String here = Host.here().id();
        List<String> ids = Stream.concat(Stream.of(here), others.stream().map(RankHello::getHost))
                .toList();
        List<RankHost> hosts = new ArrayList<>();
        hosts.add(new RankHost(here, "", FreeMemory.bytes() / Collections.frequency(ids, here)));
        for (RankHello other : others) {
            String host = other.getHost();
            hosts.add(
                    host.equals(here)
                            ? hosts.getFirst()
                            : new RankHost(
                                    host, other.getAddress(), other.getFreeBytes() / Collections.frequency(ids, host)));
        }
        return hosts;
    }

    /** Tells all others what to load, and returns what computes the steps with them. */
    Stepper stepper(EngineOptions engine, Backend backend) {
        orders = orders(engine, backend);
        welcome(desk.first(), summons);
        return new GroupStepper(engine, parts.getFirst(), backend, this, stepTimeout());
    }

    private void welcome(Gathering all, Summons to) {
        RankWelcome welcome =
                orders.toBuilder().setSession(to.session).addAllHosts(to.ids()).build();
        all.welcome(to.session, rank -> welcome.toBuilder().setRank(rank).build());
    }

    private Duration stepTimeout() {
        return options.group().stepTimeout();
    }

    /** What is the same for all ranks and all meetings. */
    private RankWelcome orders(EngineOptions engine, Backend backend) {
        RankCount count = options.group().count();
        StepInputs.Limits limits = engine.stepLimits();
        RankWelcome.Builder orders = RankWelcome.newBuilder()
                .setTensorParallelSize(count.tensor())
                .setPipelineParallelSize(count.pipeline())
                .setModel(options.model().toAbsolutePath().toString())
                .setLoadFormat(options.loadFormat().label())
                .setFingerprint(Fingerprint.of(options.model()))
                .setThreads(options.cpuOptions().threads())
                .setCpu(options.cpu())
                .setLimits(StepLimits.newBuilder()
                        .setTokens(limits.tokens())
                        .setSequences(limits.sequences())
                        .setOutputs(limits.outputs())
                        .setBlocks(limits.blocks())
                        .setHistory(limits.history()))
                .setBlocks(engine.blocks())
                .setStepTimeoutMillis(stepTimeout().toMillis())
                .setRecoverMillis(options.group().recovery().toMillis())
                .setListenAddress(options.host());
        backend.memory().ifPresent(_ -> orders.setGpu(gpu()));
        return orders.build();
    }

    private GpuUse gpu() {
        return GpuUse.newBuilder()
                .setEager(options.device().eager())
                .setSameBits(options.device().sameBits())
                .build();
    }

    // On the step loop's thread

    @Override
    public Links meet() {
        Gathering all = gathering;
        Summons to = summons;
        List<RankLoaded> others = all.loaded().join();
        Links joined;
        try (MeetingPoint meeting = new MeetingPoint(parts.getFirst().shard(), to.ids(), options.host(), encryption)) {
            all.next().thenAccept(next -> meeting.callOff(next.reason()));
            desk.lost().thenAccept(meeting::callOff);
            RankStart start = RankStart.newBuilder()
                    .addAllPlaces(places(to.hosts, meeting.ports(), others))
                    .build();
            all.start(start);
            joined = meeting.join(to.session, options.token(), stepTimeout(), start.getPlacesList(), options.host());
        }
        Loss over = loss;
        if (over != null) {
            listener.recovered(over.reason, Worker.seconds(System.nanoTime() - over.since));
            loss = null;
        }
        return joined;
    }

    @Override
    public CompletableFuture<CollectiveException> broken() {
        return gathering.next().thenApply(next -> new CollectiveException(0, next.reason()));
    }

    @Override
    public CompletableFuture<Void> regather(CollectiveException found) {
        Duration patience = options.group().recovery();
        if (patience.isZero()) {
            return CompletableFuture.failedFuture(found);
        }
        String reason = String.valueOf(found.getMessage());
        Loss first = loss == null ? new Loss(reason, System.nanoTime()) : loss;
        loss = first;
        listener.recovering(reason);
        Gathering broken = gathering;
        broken.giveUp(reason);
        long left = patience.toNanos() - (System.nanoTime() - first.since);
        return broken.next()
                .thenCompose(this::gather)
                .orTimeout(left, TimeUnit.NANOSECONDS)
                .exceptionallyCompose(failed -> CompletableFuture.failedFuture(
                        failed instanceof TimeoutException ? late(first.reason, patience) : failed));
    }

    private static LostRankException late(String reason, Duration patience) {
        return new LostRankException("%s; not all ranks were back within the %s s that --recover-seconds gives them"
                .formatted(reason, patience.toMillis() / 1000.0));
    }

    /** Whoever is lost on the way is waited for as the first was. */
    private CompletableFuture<Void> gather(Gathering next) {
        gathering = next;
        next.met().thenAccept(hellos -> {
            summons = new Summons(hosts(hellos));
            welcome(next, summons);
        });
        return next.loaded()
                .handle((_, overtaken) -> overtaken == null
                        ? CompletableFuture.<Void>completedFuture(null)
                        : next.next().thenCompose(this::gather))
                .thenCompose(Function.identity());
    }

    private static List<RankPlace> places(List<RankHost> hosts, Map<String, Integer> ports, List<RankLoaded> others) {
        List<RankPlace> places = new ArrayList<>();
        places.add(RankPlace.newBuilder().putAllPorts(ports).build());
        for (int i = 0; i < others.size(); i++) {
            places.add(RankPlace.newBuilder()
                    .setAddress(hosts.get(i + 1).address)
                    .putAllPorts(others.get(i).getPortsMap())
                    .build());
        }
        return places;
    }
}
