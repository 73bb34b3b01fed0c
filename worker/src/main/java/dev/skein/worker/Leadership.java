package dev.skein.worker;

import dev.skein.compute.Backend;
import dev.skein.compute.StepInputs;
import dev.skein.protocol.v1.RankHello;
import dev.skein.protocol.v1.RankLoaded;
import dev.skein.protocol.v1.RankPlace;
import dev.skein.protocol.v1.RankStart;
import dev.skein.protocol.v1.RankWelcome;
import dev.skein.protocol.v1.StepLimits;
import dev.skein.worker.engine.EngineOptions;
import dev.skein.worker.engine.GroupStepper;
import dev.skein.worker.engine.Links;
import dev.skein.worker.engine.Stepper;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Fingerprint;
import dev.skein.worker.model.RankCount;
import dev.skein.worker.service.JoinDesk;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What a leader does before its group computes: waits for the other ranks, tells each what it is and how much it may
 * hold, and joins them when all have loaded. When one is lost, every call that waits for it is given up.
 */
final class Leadership {
    private final WorkerOptions options;
    private final JoinDesk desk;
    private final List<Architecture> parts;
    private final String session = UUID.randomUUID().toString();
    /** Of all ranks, once they have come. */
    private volatile List<RankHost> hosts = List.of();
    // Written by the step loop's thread, read by the one that hears of a lost rank.
    private volatile @Nullable Links links;
    private volatile @Nullable String lost;

    /**
     * Where a rank is.
     *
     * @param address where ranks of other hosts reach it; empty for where they reach the leader
     * @param freeBytes of memory for this rank
     */
    private record RankHost(String id, String address, long freeBytes) {}

    /** @throws IllegalArgumentException if the model cannot be split so */
    Leadership(WorkerOptions options, JoinDesk desk, Architecture whole) {
        this.options = options;
        this.desk = desk;
        parts = whole.split(options.group().count());
    }

    /** What each rank must hold. Waits until all have come. */
    List<Capacity.Needs> needs() {
        hosts = hosts(desk.met().join());
        StepInputs.Limits most = EngineOptions.mostStep(options.maxNumSeqs(), options.maxNumBatchedTokens());
        return parts.stream()
                .map(part -> new Capacity.Needs(
                        part.contextLength(),
                        part.cache(1).bytes(),
                        part.weightBytes() + part.activationBytes(most),
                        hosts.get(part.shard().rank()).freeBytes,
                        null))
                .toList();
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
        RankWelcome.Builder welcome = welcome(engine);
        desk.welcome(rank -> welcome.setRank(rank).build());
        desk.lost().thenAccept(this::lose);
        return new GroupStepper(engine, parts.getFirst(), backend, this::join, stepTimeout());
    }

    private Duration stepTimeout() {
        return options.group().stepTimeout();
    }

    private RankWelcome.Builder welcome(EngineOptions engine) {
        RankCount count = options.group().count();
        StepInputs.Limits limits = engine.stepLimits();
        return RankWelcome.newBuilder()
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
                .setSession(session)
                .setStepTimeoutMillis(stepTimeout().toMillis())
                .addAllHosts(ids())
                .setListenAddress(options.host());
    }

    private List<String> ids() {
        return hosts.stream().map(RankHost::id).toList();
    }

    /** On the step loop's thread, when this rank has loaded. */
    private Links join() {
        List<RankLoaded> others = desk.loaded().join();
        Links joined;
        try (MeetingPoint meeting = new MeetingPoint(parts.getFirst().shard(), ids(), options.host())) {
            RankStart start = RankStart.newBuilder()
                    .addAllPlaces(places(meeting.ports(), others))
                    .build();
            desk.start(start);
            joined = meeting.join(session, options.token(), stepTimeout(), start.getPlacesList(), options.host());
        }
        links = joined;
        String reason = lost;
        if (reason != null) {
            joined.abort(reason);
        }
        return joined;
    }

    private List<RankPlace> places(Map<String, Integer> ports, List<RankLoaded> others) {
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

    private void lose(String reason) {
        lost = reason;
        Links joined = links;
        if (joined != null) {
            joined.abort(reason);
        }
    }
}
