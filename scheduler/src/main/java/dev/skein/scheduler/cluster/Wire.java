package dev.skein.scheduler.cluster;

import dev.skein.protocol.v1.AgentAnswer;
import dev.skein.protocol.v1.AgentBeat;
import dev.skein.protocol.v1.AgentClaim;
import dev.skein.protocol.v1.AgentCommit;
import dev.skein.protocol.v1.AgentGpu;
import dev.skein.protocol.v1.AgentRelease;
import dev.skein.protocol.v1.AgentReserve;
import dev.skein.protocol.v1.ClaimState;
import dev.skein.protocol.v1.RankDoing;
import dev.skein.protocol.v1.RankEvent;
import dev.skein.protocol.v1.RankExited;
import dev.skein.protocol.v1.RankListening;
import dev.skein.protocol.v1.RankReady;
import dev.skein.protocol.v1.RankSpawned;
import dev.skein.protocol.v1.RankStep;
import dev.skein.scheduler.agent.Answer;
import dev.skein.scheduler.agent.Call;
import dev.skein.scheduler.agent.Claim;
import dev.skein.scheduler.agent.Devices;
import dev.skein.scheduler.agent.Gpu;
import dev.skein.scheduler.agent.Machine;
import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.rollout.Needs;
import java.util.Optional;

/// The agents' records as messages of the protocol.
final class Wire {
    private Wire() {}

    static AgentBeat message(Call.Beat beat) {
        return AgentBeat.newBuilder()
                .setDriver(beat.driver())
                .setTerm(beat.term())
                .setHolds(beat.holds())
                .setRound(beat.round())
                .setBoot(beat.boot())
                .setEcho(beat.echo())
                .putAllFloors(beat.floors())
                .build();
    }

    static Call.Beat call(String agent, AgentBeat beat) {
        return new Call.Beat(
                agent,
                beat.getDriver(),
                beat.getTerm(),
                beat.getHolds(),
                beat.getRound(),
                beat.getBoot(),
                beat.getEcho(),
                beat.getFloorsMap());
    }

    static AgentReserve message(Call.Reserve reserve) {
        return AgentReserve.newBuilder()
                .setDriver(reserve.driver())
                .setTerm(reserve.term())
                .setGroup(reserve.group())
                .setEpoch(reserve.epoch())
                .addAllRanks(reserve.ranks())
                .setThreads(reserve.rank().threads())
                .setBytes(reserve.rank().bytes())
                .setGpus(reserve.rank().gpus())
                .setGpuBytes(reserve.rank().gpuBytes())
                .build();
    }

    static Call.Reserve call(String agent, AgentReserve reserve) {
        return new Call.Reserve(
                agent,
                reserve.getDriver(),
                reserve.getTerm(),
                reserve.getGroup(),
                reserve.getEpoch(),
                reserve.getRanksList(),
                new Needs(reserve.getThreads(), reserve.getBytes(), reserve.getGpus(), reserve.getGpuBytes()));
    }

    static AgentCommit message(Call.Commit commit) {
        return AgentCommit.newBuilder()
                .setDriver(commit.driver())
                .setTerm(commit.term())
                .setGroup(commit.group())
                .setEpoch(commit.epoch())
                .build();
    }

    static Call.Commit call(String agent, AgentCommit commit) {
        return new Call.Commit(agent, commit.getDriver(), commit.getTerm(), commit.getGroup(), commit.getEpoch());
    }

    static AgentRelease message(Call.Release release) {
        return AgentRelease.newBuilder()
                .setDriver(release.driver())
                .setTerm(release.term())
                .build();
    }

    static Call.Release call(String agent, AgentRelease release) {
        return new Call.Release(agent, release.getDriver(), release.getTerm());
    }

    static AgentAnswer message(Answer answer) {
        AgentAnswer.Builder message = AgentAnswer.newBuilder()
                .setReason(answer.reason())
                .setMachine(answer.machine().name())
                .putAllLabels(answer.machine().labels())
                .addAllNuma(answer.machine().devices().numa())
                .setBytes(answer.machine().devices().bytes())
                .setBoot(answer.boot())
                .setRevision(answer.revision())
                .setClock(answer.clock())
                .setTerm(answer.term())
                .setDriver(answer.driver());
        answer.machine().devices().gpus().forEach(gpu -> message.addGpus(message(gpu)));
        answer.claims().forEach(claim -> message.addClaims(message(claim)));
        return message.build();
    }

    static Answer answer(AgentAnswer message) {
        return new Answer(
                message.getReason(),
                new Machine(
                        message.getMachine(),
                        message.getLabelsMap(),
                        new Devices(
                                message.getNumaList(),
                                message.getBytes(),
                                message.getGpusList().stream().map(Wire::gpu).toList())),
                message.getBoot(),
                message.getRevision(),
                message.getClock(),
                message.getTerm(),
                message.getDriver(),
                message.getClaimsList().stream().map(Wire::claim).toList());
    }

    private static AgentGpu message(Gpu gpu) {
        return AgentGpu.newBuilder()
                .setId(gpu.id())
                .setName(gpu.name())
                .setBytes(gpu.bytes())
                .build();
    }

    private static Gpu gpu(AgentGpu message) {
        return new Gpu(message.getId(), message.getName(), message.getBytes());
    }

    private static AgentClaim message(Claim claim) {
        return AgentClaim.newBuilder()
                .setGroup(claim.group())
                .setEpoch(claim.epoch())
                .addAllRanks(claim.ranks())
                .addAllCores(claim.cores())
                .addAllGpus(claim.gpus())
                .setBytes(claim.bytes())
                .setState(
                        switch (claim.state()) {
                            case RESERVED -> ClaimState.CLAIM_STATE_RESERVED;
                            case COMMITTED -> ClaimState.CLAIM_STATE_COMMITTED;
                            case ENDING -> ClaimState.CLAIM_STATE_ENDING;
                        })
                .build();
    }

    private static Claim claim(AgentClaim message) {
        Claim.State state = switch (message.getState()) {
            case CLAIM_STATE_RESERVED -> Claim.State.RESERVED;
            case CLAIM_STATE_COMMITTED -> Claim.State.COMMITTED;
            case CLAIM_STATE_ENDING, UNRECOGNIZED -> Claim.State.ENDING;
        };
        return new Claim(
                message.getGroup(),
                message.getEpoch(),
                message.getRanksList(),
                message.getCoresList(),
                message.getGpusList(),
                message.getBytes(),
                state,
                0);
    }

    static RankEvent message(RankNews news) {
        RankEvent.Builder message = RankEvent.newBuilder()
                .setGroup(news.group())
                .setEpoch(news.epoch())
                .setRank(news.event().rank())
                .setIncarnation(news.event().incarnation())
                .setRevisionKey(news.key());
        switch (news.event()) {
            case Event.Spawned seen ->
                message.setSpawned(
                        RankSpawned.newBuilder().setProcessId(seen.processId()).setToken(seen.token()));
            case Event.Listening seen ->
                message.setListening(RankListening.newBuilder().setPort(seen.port()));
            case Event.Progress seen -> message.setDoing(RankDoing.newBuilder().setDetail(seen.detail()));
            case Event.Ready seen -> message.setReady(RankReady.newBuilder().setDetail(seen.detail()));
            case Event.Step seen ->
                message.setStep(RankStep.newBuilder().setSteps(seen.steps()).setRunning(seen.running()));
            case Event.Exited seen ->
                message.setExited(
                        RankExited.newBuilder().setReason(seen.reason()).setHopeless(seen.hopeless()));
        }
        return message.build();
    }

    /// Empty for a kind of event that this version does not know.
    static Optional<RankNews> news(RankEvent message) {
        int rank = message.getRank();
        long incarnation = message.getIncarnation();
        Event event = switch (message.getSeenCase()) {
            case SPAWNED ->
                new Event.Spawned(
                        rank,
                        incarnation,
                        message.getSpawned().getProcessId(),
                        message.getSpawned().getToken());
            case LISTENING ->
                new Event.Listening(rank, incarnation, message.getListening().getPort());
            case DOING ->
                new Event.Progress(rank, incarnation, message.getDoing().getDetail());
            case READY -> new Event.Ready(rank, incarnation, message.getReady().getDetail());
            case STEP ->
                new Event.Step(
                        rank,
                        incarnation,
                        message.getStep().getSteps(),
                        message.getStep().getRunning());
            case EXITED ->
                new Event.Exited(
                        rank,
                        incarnation,
                        message.getExited().getReason(),
                        message.getExited().getHopeless());
            case SEEN_NOT_SET -> null;
        };
        return Optional.ofNullable(event)
                .map(seen -> new RankNews(message.getGroup(), message.getEpoch(), message.getRevisionKey(), seen));
    }
}
