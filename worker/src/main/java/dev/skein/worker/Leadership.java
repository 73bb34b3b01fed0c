package dev.skein.worker;

import dev.skein.compute.Backend;
import dev.skein.compute.StepInputs;
import dev.skein.compute.collective.Membership;
import dev.skein.compute.collective.SharedMemoryCollective;
import dev.skein.protocol.v1.RankHello;
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
import java.util.List;
import java.util.UUID;
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
    // Written by the step loop's thread, read by the one that hears of a lost rank.
    private volatile @Nullable Links links;
    private volatile @Nullable String lost;

    /** @throws IllegalArgumentException if the model cannot be split so */
    Leadership(WorkerOptions options, JoinDesk desk, Architecture whole) {
        this.options = options;
        this.desk = desk;
        parts = whole.split(options.group().count());
    }

    /** What each rank must hold. Waits until all have come. */
    List<Capacity.Needs> needs() {
        List<RankHello> others = desk.met().join();
        requireOneHost(others);
        StepInputs.Limits most = EngineOptions.mostStep(options.maxNumSeqs(), options.maxNumBatchedTokens());
        // All of them are on this host, and share its memory.
        long free = FreeMemory.bytes() / parts.size();
        return parts.stream()
                .map(part -> new Capacity.Needs(
                        part.contextLength(),
                        part.cache(1).bytes(),
                        part.weightBytes() + part.activationBytes(most),
                        free,
                        null))
                .toList();
    }

    private static void requireOneHost(List<RankHello> others) {
        String here = Host.id();
        for (RankHello other : others) {
            if (!other.getHost().equals(here)) {
                throw new IllegalArgumentException(
                        "process %d is on host %s, the leader on %s; ranks of several hosts cannot be a group yet"
                                .formatted(other.getProcessId(), other.getHost(), here));
            }
        }
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
                .setStepTimeoutMillis(stepTimeout().toMillis());
    }

    /** On the step loop's thread, when this rank has loaded. */
    private Links join() {
        desk.loaded().join();
        desk.start();
        Links joined = Links.join(parts.getFirst().shard(), joiner(session, options.token(), stepTimeout()));
        links = joined;
        String reason = lost;
        if (reason != null) {
            joined.abort(reason);
        }
        return joined;
    }

    /** Makes the ends of one life of a group. */
    static Links.Joiner joiner(String session, String token, Duration limit) {
        return (name, rank, size) ->
                SharedMemoryCollective.join(new Membership(session + "-" + name, token, rank, size, limit));
    }

    private void lose(String reason) {
        lost = reason;
        Links joined = links;
        if (joined != null) {
            joined.abort(reason);
        }
    }
}
